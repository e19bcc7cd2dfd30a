package udp

import (
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		s      Simulate
		faults []string
	}{
		{Simulate{}, nil},
		{Simulate{Delay: time.Minute, Jitter: time.Minute, Loss: 1}, nil},
		{Simulate{Delay: -1}, []string{"delay"}},
		{Simulate{Delay: time.Minute + 1}, []string{"delay"}},
		{Simulate{Jitter: -1}, []string{"jitter"}},
		{Simulate{Jitter: time.Hour}, []string{"jitter"}},
		{Simulate{Loss: -0.1}, []string{"loss"}},
		{Simulate{Loss: 5}, []string{"loss"}},
		{Simulate{Loss: math.NaN()}, []string{"loss"}},
		{Simulate{-1, -1, 2}, []string{"delay", "jitter", "loss"}},
	}
	for _, tt := range tests {
		err := tt.s.Validate()
		if (err == nil) != (tt.faults == nil) {
			t.Errorf("%+v: %v", tt.s, err)
		}
		for _, f := range tt.faults {
			if !strings.Contains(err.Error(), "udp: simulated "+f) {
				t.Errorf("%+v: %v does not name the %s", tt.s, err, f)
			}
		}
	}
}

func TestWrapNothing(t *testing.T) {
	pc := nowhere{}
	if got := (Simulate{}).Wrap(pc); got != net.PacketConn(pc) {
		t.Errorf("the zero value wraps in a %T", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a loss of 2 was accepted")
		}
	}()
	Simulate{Loss: 2}.Wrap(pc)
}

// far is a network that keeps what is written and brings what it is given.
type far struct {
	net.PacketConn
	brings chan []byte
	took   chan arrival
	closed chan struct{}
}

type arrival struct {
	b    []byte
	to   string
	when time.Time
}

var (
	nearAddr = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 1}
	farAddr  = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2).To4(), Port: 2}
)

func newFar() *far {
	return &far{brings: make(chan []byte), took: make(chan arrival, 20000), closed: make(chan struct{})}
}

func (f *far) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-f.brings:
		return copy(b, d), farAddr, nil
	case <-f.closed:
		return 0, nil, net.ErrClosed
	}
}

func (f *far) WriteTo(b []byte, to net.Addr) (int, error) {
	f.took <- arrival{append([]byte(nil), b...), to.String(), time.Now()}
	return len(b), nil
}

func (f *far) LocalAddr() net.Addr { return nearAddr }

func (f *far) Close() error {
	close(f.closed)
	return nil
}

// simulation runs a test in a bubble, behind a simulated network.
func simulation(t *testing.T, s Simulate, test func(t *testing.T, near net.PacketConn, far *far)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		near := s.Wrap(f)
		defer near.Close()
		test(t, near, f)
	})
}

func number(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

func TestDelay(t *testing.T) {
	simulation(t, Simulate{Delay: 30 * time.Millisecond}, func(t *testing.T, near net.PacketConn, far *far) {
		begin := time.Now()
		const n = 100
		b := []byte{0, 0, 0, 0}
		for i := range n { // the order is kept
			copy(b, number(i)) // and the bytes are as they were at the time
			if k, err := near.WriteTo(b, farAddr); k != 4 || err != nil {
				t.Fatal(k, err)
			}
		}
		for i := range n {
			a := <-far.took
			if string(a.b) != string(number(i)) || a.to != farAddr.String() || a.when.Sub(begin) != 30*time.Millisecond {
				t.Fatalf("datagram %d is %x to %v after %v", i, a.b, a.to, a.when.Sub(begin))
			}
		}
		begin = time.Now()
		for i := range n {
			far.brings <- number(i)
		}
		for i := range n {
			k, from, err := near.ReadFrom(b)
			if err != nil || k != 4 || string(b) != string(number(i)) || from.String() != farAddr.String() {
				t.Fatalf("datagram %d is %x from %v, %v", i, b[:k], from, err)
			}
			if took := time.Since(begin); took != 30*time.Millisecond {
				t.Fatalf("datagram %d took %v", i, took)
			}
		}
	})
}

// One that is sent later and is due sooner does not wait for the other.
func TestJitter(t *testing.T) {
	s := Simulate{Delay: 20 * time.Millisecond, Jitter: 40 * time.Millisecond}
	simulation(t, s, func(t *testing.T, near net.PacketConn, far *far) {
		const n = 2000
		sent := make([]time.Time, n)
		for i := range n {
			sent[i] = time.Now()
			near.WriteTo(number(i), farAddr)
			time.Sleep(time.Millisecond)
		}
		var took []time.Duration
		overtaken := 0
		last := -1
		for range n {
			a := <-far.took
			i := int(binary.BigEndian.Uint32(a.b))
			took = append(took, a.when.Sub(sent[i]))
			if i < last {
				overtaken++
			}
			last = max(last, i)
		}
		slices.Sort(took)
		if took[0] < s.Delay || took[0] > 21*time.Millisecond || took[n-1] >= s.Delay+s.Jitter || took[n-1] < 59*time.Millisecond {
			t.Errorf("from %v to %v", took[0], took[n-1])
		}
		if mid := took[n/2]; mid < 37*time.Millisecond || mid > 43*time.Millisecond { // 7 deviations
			t.Errorf("half took up to %v", mid)
		}
		if overtaken < n/2 {
			t.Errorf("%d of %d were overtaken", overtaken, n)
		}
	})
}

func TestLoss(t *testing.T) {
	const n = 10000
	within := func(t *testing.T, way string, got int) {
		if got < 7200 || got > 7800 { // 7 deviations
			t.Errorf("%s: %d of %d arrived, want three quarters", way, got, n)
		}
	}
	simulation(t, Simulate{Loss: 0.25}, func(t *testing.T, near net.PacketConn, far *far) {
		for i := range n {
			near.WriteTo(number(i), farAddr)
			synctest.Wait()
		}
		within(t, "out", len(far.took))
	})
	simulation(t, Simulate{Loss: 0.25}, func(t *testing.T, near net.PacketConn, far *far) {
		got := 0
		b := make([]byte, 4)
		for i := range n {
			far.brings <- number(i)
			synctest.Wait()
			near.SetReadDeadline(time.Now().Add(time.Nanosecond))
			if _, _, err := near.ReadFrom(b); err == nil {
				got++
			}
		}
		within(t, "in", got)
	})
	simulation(t, Simulate{Loss: 1}, func(t *testing.T, near net.PacketConn, far *far) {
		for range 100 {
			near.WriteTo([]byte("x"), farAddr)
			synctest.Wait()
		}
		if n := len(far.took); n != 0 {
			t.Errorf("%d arrived", n)
		}
	})
}

// Each way has room of its own.
func TestBound(t *testing.T) {
	simulation(t, Simulate{Delay: time.Second}, func(t *testing.T, near net.PacketConn, far *far) {
		const n = 5000
		for round := range 2 { // there is room again
			for i := range n {
				near.WriteTo(number(i), farAddr)
				far.brings <- number(i)
			}
			time.Sleep(2 * time.Second)
			for i := range n { // what waits for its reader counts
				far.brings <- number(n + i)
			}
			time.Sleep(2 * time.Second)
			if got := len(far.took); got != maxUnderWay {
				t.Errorf("round %d: %d arrived there, want %d", round, got, maxUnderWay)
			}
			for range len(far.took) {
				<-far.took
			}
			b := make([]byte, 4)
			for i := range maxUnderWay {
				if _, _, err := near.ReadFrom(b); err != nil || string(b) != string(number(i)) {
					t.Fatalf("round %d: datagram %d is %x, %v", round, i, b, err)
				}
			}
			near.SetReadDeadline(time.Now())
			if _, _, err := near.ReadFrom(b); err == nil {
				t.Errorf("round %d: more than %d arrived here", round, maxUnderWay)
			}
			near.SetReadDeadline(time.Time{})
		}
	})
}

func TestReadDeadline(t *testing.T) {
	simulation(t, Simulate{Delay: time.Second}, func(t *testing.T, near net.PacketConn, far *far) {
		b := make([]byte, 9)
		late := func(want time.Duration) {
			t.Helper()
			begin := time.Now()
			_, _, err := near.ReadFrom(b)
			var ne net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("not a timeout: %v", err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
		near.SetReadDeadline(time.Now().Add(3 * time.Second))
		late(3 * time.Second)
		late(0)
		near.SetDeadline(time.Now().Add(-time.Second))
		late(0)
		near.SetReadDeadline(time.Now().Add(time.Second))
		time.AfterFunc(time.Second/2, func() { near.SetReadDeadline(time.Now().Add(5 * time.Second)) })
		late(5500 * time.Millisecond)
		near.SetReadDeadline(time.Now().Add(time.Minute))
		near.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { far.brings <- []byte("at last") })
		if n, _, err := near.ReadFrom(b); err != nil || string(b[:n]) != "at last" {
			t.Errorf("%q, %v", b[:n], err)
		}
		near.SetReadDeadline(time.Now().Add(2 * time.Second))
		far.brings <- []byte("in time")
		if n, _, err := near.ReadFrom(b); err != nil || string(b[:n]) != "in time" {
			t.Errorf("%q, %v", b[:n], err)
		}
		if err := near.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseSimulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		near := Simulate{Delay: time.Second}.Wrap(f)
		near.SetReadDeadline(time.Now().Add(time.Hour))
		near.WriteTo([]byte("under way"), farAddr)
		done := make(chan error)
		for range 2 {
			go func() {
				_, _, err := near.ReadFrom(make([]byte, 1))
				done <- err
			}()
		}
		synctest.Wait()
		begin := time.Now()
		if err := near.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ReadFrom returned %v", err)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("Close and the readers took %v", took)
		}
		if _, err := near.WriteTo([]byte("x"), farAddr); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo returned %v", err)
		}
		if err := near.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetReadDeadline returned %v", err)
		}
		if err := near.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second Close returned %v", err)
		}
		time.Sleep(2 * time.Second)
		if len(f.took) != 0 {
			t.Error("something was sent after Close")
		}
	})
}

// A Socket over the simulation, in real time and over the kernel.
func TestSimulatedSocket(t *testing.T) {
	pc, err := net.ListenPacket("udp", ":0") // reads mapped addresses
	if err != nil {
		t.Fatal(err)
	}
	s := New(Simulate{Delay: 3 * time.Millisecond}.Wrap(pc))
	defer s.Close()
	echo := listen(t, loopback)
	begin := time.Now()
	send(t, s, to(echo.LocalAddr(), []byte("one"), []byte("two")))
	for _, m := range take(t, echo, 2) {
		send(t, echo, to(m.Addr, m.Buf[:m.N]))
	}
	for i, m := range take(t, s, 2) {
		if want := []string{"one", "two"}[i]; string(m.Buf[:m.N]) != want || m.Addr != echo.LocalAddr() {
			t.Errorf("%q from %v, want %q from %v", m.Buf[:m.N], m.Addr, want, echo.LocalAddr())
		}
	}
	if took := time.Since(begin); took < 6*time.Millisecond {
		t.Errorf("there and back took %v", took)
	}
	if a := s.LocalAddr(); a.Port() != addrPort(pc.LocalAddr()).Port() || a == (netip.AddrPort{}) {
		t.Errorf("bound to %v", a)
	}
}
