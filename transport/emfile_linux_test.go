package transport_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
)

// A server without descriptors waits for some and goes on. Not parallel: the
// whole process has none meanwhile.
func TestAcceptWithoutDescriptors(t *testing.T) {
	h := transporttest.Listener("tcp")
	s := h.Serve(t, transport.Config{})
	first := h.Dial(t, s) // has needs besides
	first.CloseWrite()
	if _, err := first.Read(make([]byte, 1)); err == nil { // the server's descriptor is closed, too
		t.Fatal("the server says something")
	}
	first.Close()

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = min(limit.Cur, uint64(descriptors(t)+64))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var held []*os.File
	release := func() {
		for _, f := range held {
			f.Close()
		}
		held = nil
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	defer release()
	for {
		f, err := os.Open("/dev/null")
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
	}
	last := held[len(held)-1] // for the client
	held = held[:len(held)-1]
	last.Close()
	c := transporttest.NewClient(t, h.Dial(t, s)) // the kernel accepts it
	c.Send(transporttest.Hello(t))
	accepted := s.Transport.Stats().Accepted
	c.Stream.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := c.Stream.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %v, want silence", err)
	}
	if n := s.Transport.Stats().Accepted; n != accepted {
		t.Errorf("%d connections were accepted without a descriptor", n-accepted)
	}
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	c.Stream.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	c.Stream.Read(make([]byte, 1))
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	if cpu := time.Duration(after.Utime.Nano() - before.Utime.Nano()); cpu > 200*time.Millisecond {
		t.Errorf("it spins: %v of CPU", cpu)
	}
	release()
	c.Expect(2) // Welcome
	s.Next(t)
}
