package peers_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

func TestRatesOfOperationCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := peerstest.NewServer(t, peers.Config{Peer: always(echo), Rates: map[uint16]peers.Rate{
			1: {PerSecond: 2, Burst: 3},
			2: {}, // no limit
		}})
		c, other := s.Dial(client.Config{}), s.Dial(client.Config{})
		asked := func(c *peerstest.Client, code uint16, n int) (done int) {
			for range n {
				switch r := c.Ask(code, wire.Body{}); {
				case r.Result == wire.ResultOK:
					done++
				case r.Result != wire.ResultRate || r.Text != "operation 1: at most 2 a second":
					t.Errorf("answer %+v", r)
				}
			}
			return done
		}
		if n := asked(c, 1, 10); n != 3 {
			t.Errorf("%d were done at once, want 3", n)
		}
		if n := asked(c, 2, 100) + asked(c, 3, 100); n != 200 {
			t.Errorf("%d of 200 without a limit were done", n)
		}
		if n := asked(other, 1, 3); n != 3 {
			t.Errorf("%d of another peer were done, want 3", n)
		}
		time.Sleep(time.Second)
		if n := asked(c, 1, 10); n != 2 {
			t.Errorf("%d were done a second later, want 2", n)
		}
		c.Tell(1, wire.Body{})
		synctest.Wait()
		if got := s.Peers.Stats().Limited; got != 7+8+1 {
			t.Errorf("%d were counted, want 16", got)
		}
		if c.Err() != nil {
			t.Errorf("the client was closed: %v", c.Err())
		}
	})
}

// One that goes on and on is closed.
func TestFloodOverARateCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := peerstest.NewServer(t, peers.Config{Peer: always(echo), Rates: map[uint16]peers.Rate{1: {PerSecond: 1}}})
		r := dialRaw(t, s)
		go func() {
			for {
				if _, err := r.Write(batchOf(50)); err != nil {
					return
				}
			}
		}()
		r.wantClose(wire.CodeRate)
		r.Close()
	})
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[uint16]peers.Observation{}
		s := peerstest.NewServer(t, peers.Config{
			OnPanic: peers.RestartOnPanic,
			Observe: func(o peers.Observation) {
				mu.Lock()
				defer mu.Unlock()
				seen[o.Code] = o
			},
			Peer: always(func(c *peers.Context) {
				op, ok := c.Message().(*peers.Operation)
				if !ok {
					return
				}
				time.Sleep(time.Duration(op.Code) * time.Second)
				switch op.Code {
				case 1:
					op.Respond(wire.Body{})
				case 2:
					op.Fail(22, "")
				case 3:
					op.Later().Respond(wire.Body{})
				case 4:
					panic("boom")
				}
			}),
		})
		r := dialRaw(t, s)
		var batch []byte
		for code := range uint16(6) {
			batch = append(batch, opFrame(code, uint32(code)+1, "")...)
		}
		r.write(batch)
		for range 6 {
			r.response()
		}
		r.Close()
		synctest.Wait()
		for code, want := range map[uint16]peers.Observation{
			0: {Answered: true, Result: wire.ResultUnanswered},
			1: {Answered: true},
			2: {Answered: true, Result: 22},
			3: {},
			4: {Answered: true, Result: wire.ResultInternal, Panicked: true},
		} {
			want.Code, want.Took = code, time.Duration(code)*time.Second
			if seen[code] != want {
				t.Errorf("got %+v, want %+v", seen[code], want)
			}
		}
	})
}

func TestInterceptorsAreAroundInOrder(t *testing.T) {
	var j journal
	note := func(name string) func(peers.Handler) peers.Handler {
		return func(next peers.Handler) peers.Handler {
			return func(c *peers.Context, op *peers.Operation) {
				j.add(name + " in")
				if op.Code == 2 && name == "b" {
					op.Fail(9, "not here")
					return
				}
				next(c, op)
				j.add(name + " out")
			}
		}
	}
	s := peerstest.NewServer(t, peers.Config{
		Intercept: []func(peers.Handler) peers.Handler{note("a"), note("b")},
		Peer: always(func(c *peers.Context) {
			if op, ok := c.Message().(*peers.Operation); ok {
				j.add("handled")
				op.Respond(wire.Body{})
			}
		}),
	})
	c := s.Dial(client.Config{})
	c.Ask(1, wire.Body{})
	if r := c.Ask(2, wire.Body{}); r.Result != 9 {
		t.Errorf("answer %+v", r)
	}
	want := []string{"a in", "b in", "handled", "b out", "a out", "a in", "b in", "a out"}
	c.Ask(3, wire.Body{}) // "a out" comes behind the answer
	if got := j.all()[:len(want)]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
