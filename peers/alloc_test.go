package peers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// treadmill is a connection whose client sends the same bytes again and again,
// and counts what comes back.
type treadmill struct {
	net.Conn
	in    []byte
	rest  []byte
	turns chan struct{} // each lets the bytes come once
	back  chan int      // lengths of what was written
}

func (c *treadmill) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if _, ok := <-c.turns; !ok {
			return 0, io.EOF
		}
		c.rest = c.in
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *treadmill) Write(p []byte) (int, error) {
	c.back <- len(p)
	return len(p), nil
}

func (c *treadmill) Close() error                     { return nil }
func (c *treadmill) LocalAddr() net.Addr              { return nil }
func (c *treadmill) RemoteAddr() net.Addr             { return nil }
func (c *treadmill) SetReadDeadline(time.Time) error  { return nil }
func (c *treadmill) SetWriteDeadline(time.Time) error { return nil }

// run has n batches answered, whose answers have size bytes.
func (c *treadmill) run(n, size int) {
	for range n {
		c.turns <- struct{}{}
		for got := 0; got < size; got += <-c.back {
		}
	}
}

// From the reader through the batch, the actor, the behaviour and Respond to the
// writer an operation allocates nothing: what a batch costs is the goroutine that
// writes to this kind of connection, once for each of the reads that 64 take.
func TestEchoAllocatesNothing(t *testing.T) {
	if session.Poison {
		t.Skip("poisoning builds re-use no memory")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools
	one, many := allocationsOfEcho(t, 1), allocationsOfEcho(t, 64)
	t.Logf("a batch of one costs %.2f allocations, one of 64 %.2f", one, many)
	if each := (many - one) / 63; each > 0.02 {
		t.Errorf("an operation allocates %.3f times", each)
	}
	if one > 4 {
		t.Errorf("a batch allocates %.2f times", one)
	}
}

// allocationsOfEcho measures batches of ops operations.
func allocationsOfEcho(t *testing.T, ops uint32) float64 {
	c, size := startTreadmill(t, ops)
	c.run(200, size)
	const rounds = 500
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.run(rounds, size)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / rounds
}

// BenchmarkEcho is a batch's way from the reader to the writer and back.
func BenchmarkEcho(b *testing.B) {
	for _, ops := range []uint32{1, 16, 64} {
		b.Run(fmt.Sprint(ops), func(b *testing.B) {
			c, size := startTreadmill(b, ops)
			b.ReportAllocs()
			for b.Loop() {
				c.run(1, size)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(ops), "ns/operation")
		})
	}
}

// startTreadmill has an echo peer answer batches of ops operations, whose
// answers have size bytes.
func startTreadmill(t testing.TB, ops uint32) (c *treadmill, size int) {
	s := peerstest.NewServer(t, peers.Config{Peer: always(echo)})
	who, err := s.Peers.Admit(t.Context(), &transport.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	c = &treadmill{turns: make(chan struct{}), back: make(chan int, 16)}
	for i := range ops {
		m := wire.Operation{Code: 5, Request: i + 1, Body: wire.Text("sixty-four bytes are what games send most of the time, they say.")}
		c.in = m.AppendFrame(c.in)
		size += len((&wire.Response{Code: 5, Request: i + 1, Body: m.Body}).AppendFrame(nil))
	}
	env := session.NewEnv(session.Limits{Rate: session.Rate{PerSecond: -1}})
	id, _ := who.Welcome()
	ss := session.New(id, session.NewConn(c), env, true)
	who.Start(ss)
	t.Cleanup(func() {
		close(c.turns)
		<-ss.Done()
		if err := env.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c, size
}
