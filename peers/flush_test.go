package peers_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

func frames(t *testing.T, b []byte) (n int) {
	t.Helper()
	for len(b) > 0 {
		_, _, size, err := wire.ParseFrame(b, wire.MaxFrame)
		if err != nil || size == 0 {
			t.Fatalf("%d bytes are no frame: %v", len(b), err)
		}
		b = b[size:]
		n++
	}
	return n
}

func batchOf(n int) (b []byte) {
	for i := range n {
		b = append(b, opFrame(1, uint32(i+1), "hello")...)
	}
	return b
}

func TestAnswersOfABatchLeaveInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still: nothing takes a millisecond
		r := dialRaw(t, serve(t, echo))
		for _, n := range []int{1, 16, 64} {
			r.write(batchOf(n))
			synctest.Wait()
			b, err := r.read()
			if err != nil {
				t.Fatal(err)
			}
			if got := frames(t, b); got != n {
				t.Errorf("the first write has %d of %d answers", got, n)
			}
		}
		r.Close()
	})
}

func TestSlowHandlerHoldsUpNoAnswerBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := dialRaw(t, serve(t, func(c *peers.Context) {
			if op, ok := c.Message().(*peers.Operation); ok {
				time.Sleep(10 * time.Millisecond)
				op.Respond(op.Body)
			}
		}))
		begin := time.Now()
		r.write(batchOf(100)) // two batches of one read
		for i := range 100 {
			r.response()
			if took, want := time.Since(begin), time.Duration(i+1)*10*time.Millisecond; took != want {
				t.Fatalf("answer %d after %v, want %v", i, took, want)
			}
		}
		r.Close()
	})
}

// The same for what other actors' messages cause.
func TestSlowMessagesHoldUpNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *peers.Context) {
			if m, ok := c.Message().(string); ok {
				time.Sleep(10 * time.Millisecond)
				c.Event(1, wire.Text(m), wire.Reliable)
			}
		})
		c := s.Dial(client.Config{})
		begin := time.Now()
		for range 20 {
			c.Send("news")
		}
		for i := range 20 {
			c.Event()
			if took, want := time.Since(begin), time.Duration(i+1)*10*time.Millisecond; took != want {
				t.Fatalf("event %d after %v, want %v", i, took, want)
			}
		}
	})
}

func TestFlushBeforeBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *peers.Context) {
			if op, ok := c.Message().(*peers.Operation); ok {
				c.Event(1, wire.Body{}, wire.Reliable)
				c.Broadcast(peers.All(c.System()), 2, wire.Body{}, wire.Reliable)
				op.Respond(wire.Body{})
				c.Flush()
				time.Sleep(5 * time.Second)
			}
		})
		a, b := s.Dial(client.Config{}), s.Dial(client.Config{})
		begin := time.Now()
		a.Ask(1, wire.Body{})
		a.Event()
		b.Event()
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestBroadcastsOfATurnLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *peers.Context) {
			if c.Message() == "go" {
				for i := range 10 {
					if err := c.Broadcast(peers.All(c.System()), uint16(i), wire.Text("news"), wire.Reliable); err != nil {
						t.Error(err)
					}
				}
			}
		})
		r := dialRaw(t, s)
		c := s.Dial(client.Config{})
		synctest.Wait() // both have started
		c.Send("go")
		synctest.Wait()
		b, err := r.read()
		if err != nil || frames(t, b) != 10 {
			t.Errorf("the first write has %d frames, %v", frames(t, b), err)
		}
		if got := c.Events(); len(got) != 10 || got[9].Code != 9 {
			t.Errorf("events %v", got)
		}
		r.Close()
	})
}

func TestBroadcast(t *testing.T) {
	s := serve(t, echo)
	a, b, gone := s.Dial(client.Config{}), s.Dial(client.Config{}), s.Dial(client.Config{})
	gone.Close()
	gone.Closed()
	all := slices.Values([]*peers.Peer{a.Peer, gone.Peer, b.Peer})
	if err := peers.Broadcast(all, 5, wire.Text("news"), wire.Reliable); err != nil {
		t.Fatal(err)
	}
	if e := a.Event(); e.Code != 5 || string(e.Payload) != "news" {
		t.Errorf("event %+v", e)
	}
	if e := b.Event(); string(e.Payload) != "news" {
		t.Errorf("event %+v", e)
	}
	if err := peers.Broadcast(all, 5, wire.Payload(make([]byte, wire.MaxFrame)), wire.Reliable); err != peers.ErrTooLarge {
		t.Errorf("too large: %v", err)
	}
	if err := peers.Broadcast(all, 5, wire.Body{}, 3); err != peers.ErrNoSuchChannel {
		t.Errorf("no such class: %v", err)
	}
}
