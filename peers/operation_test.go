package peers_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

// onOperation is a behaviour that knows only operations.
func onOperation(f func(c *peers.Context, op *peers.Operation)) peers.Func {
	return func(c *peers.Context) {
		if op, ok := c.Message().(*peers.Operation); ok {
			f(c, op)
		}
	}
}

func TestAnswers(t *testing.T) {
	big := wire.Payload(make([]byte, wire.MaxFrame))
	for _, tt := range []struct {
		name string
		f    func(t *testing.T, c *peers.Context, op *peers.Operation)
		want wire.Response
	}{
		{"respond", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			wantErr(t, op.Respond(wire.Text("yes")), nil)
		}, wire.Response{Body: wire.Text("yes")}},
		{"fail", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			wantErr(t, op.Fail(5, "no"), nil)
		}, wire.Response{Result: 5, Text: "no"}},
		{"fail with a body", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			wantErr(t, op.FailWith(5, "no", wire.Text("because")), nil)
		}, wire.Response{Result: 5, Text: "no", Body: wire.Text("because")}},
		{"nothing", func(*testing.T, *peers.Context, *peers.Operation) {},
			wire.Response{Result: wire.ResultUnanswered, Text: "the server did not answer"}},
		{"twice", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			wantErr(t, op.Respond(wire.Text("yes")), nil)
			wantErr(t, op.Fail(5, "no"), peers.ErrNotAsked)
			wantErr(t, op.Later().Respond(wire.Body{}), peers.ErrNotAsked)
			wantErr(t, op.Clone().Respond(wire.Body{}), peers.ErrNotAsked)
		}, wire.Response{Body: wire.Text("yes")}},
		{"later and at once", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			reply := op.Later()
			wantErr(t, op.Respond(wire.Text("yes")), nil)
			wantErr(t, reply.Respond(wire.Body{}), peers.ErrNotAsked)
		}, wire.Response{Body: wire.Text("yes")}},
		{"later twice", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			a, b := op.Later(), op.Later()
			wantErr(t, a.Fail(6, "a"), nil)
			wantErr(t, b.Fail(6, "b"), peers.ErrNotAsked)
			wantErr(t, op.Respond(wire.Text("yes")), peers.ErrNotAsked)
		}, wire.Response{Result: 6, Text: "a"}},
		{"two clones", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			a, b := op.Clone(), op.Clone()
			wantErr(t, b.Respond(wire.Text("b")), nil)
			wantErr(t, a.Respond(wire.Text("a")), peers.ErrNotAsked)
			wantErr(t, a.Clone().Respond(wire.Text("a")), peers.ErrNotAsked)
		}, wire.Response{Body: wire.Text("b")}},
		{"too large, then another", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			wantErr(t, op.Respond(big), peers.ErrTooLarge)
			wantErr(t, op.Fail(8, "too much"), nil)
		}, wire.Response{Result: 8, Text: "too much"}},
		{"too large later, then another", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			reply := op.Later()
			wantErr(t, op.Respond(big), peers.ErrTooLarge)
			wantErr(t, reply.Respond(big), peers.ErrTooLarge)
			wantErr(t, reply.Fail(8, "too much"), nil)
		}, wire.Response{Result: 8, Text: "too much"}},
		{"too large, then nothing", func(t *testing.T, c *peers.Context, op *peers.Operation) {
			wantErr(t, op.Respond(big), peers.ErrTooLarge)
		}, wire.Response{Result: wire.ResultUnanswered, Text: "the server did not answer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := peerstest.New(t, onOperation(func(c *peers.Context, op *peers.Operation) { tt.f(t, c, op) }))
			r := c.Ask(3, wire.Text("please"))
			if r.Code != 3 || r.Result != tt.want.Result || r.Text != tt.want.Text || string(r.Payload) != string(tt.want.Payload) {
				t.Errorf("answer %+v, want %+v", r, tt.want)
			}
		})
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNoticesAreNotAnswered(t *testing.T) {
	done := make(chan struct{})
	c := peerstest.New(t, onOperation(func(c *peers.Context, op *peers.Operation) {
		defer close(done)
		if op.Asks() || op.Delivery() != wire.Reliable || op.Peer() != c.Peer {
			t.Errorf("asks %v, delivery %v", op.Asks(), op.Delivery())
		}
		wantErr(t, op.Respond(wire.Body{}), peers.ErrNotAsked)
		wantErr(t, op.Later().Respond(wire.Body{}), peers.ErrNotAsked)
		wantErr(t, op.Clone().Fail(1, ""), peers.ErrNotAsked)
	}))
	c.Tell(1, wire.Body{})
	<-done
}

// Answers to the operations of a channel keep to it.
func TestAnswerComesOnTheChannelOfItsOperation(t *testing.T) {
	r := dialRaw(t, serve(t, onOperation(func(c *peers.Context, op *peers.Operation) {
		if op.Code == 1 {
			op.Respond(wire.Body{})
		} else {
			op.Later().Respond(wire.Body{})
		}
	})))
	for code, d := range map[uint16]wire.Delivery{1: wire.Unreliable.On(3), 2: wire.Sequenced(9).On(5)} {
		r.write((&wire.Operation{Code: code, Request: 1, Delivery: d}).AppendFrame(nil))
		if m := r.response(); m.Delivery != wire.Reliable.On(d.Channel()) {
			t.Errorf("an operation of %v is answered by %v", d, m.Delivery)
		}
	}
}

func TestLaterFromManyGoroutinesAnswersOnce(t *testing.T) {
	var answered atomic.Int32
	var wg sync.WaitGroup
	c := peerstest.New(t, onOperation(func(c *peers.Context, op *peers.Operation) {
		reply := op.Later()
		for i := range 20 {
			wg.Go(func() {
				if reply.Respond(wire.Text(fmt.Sprint(i))) == nil {
					answered.Add(1)
				}
			})
		}
	}))
	c.Ask(1, wire.Body{})
	wg.Wait()
	if n := answered.Load(); n != 1 {
		t.Errorf("%d have answered", n)
	}
}

func TestLaterAfterTheEnd(t *testing.T) {
	replies := make(chan peers.Reply, 1)
	c := peerstest.New(t, onOperation(func(c *peers.Context, op *peers.Operation) { replies <- op.Later() }))
	go c.Call(t.Context(), 1, wire.Body{})
	reply := <-replies
	c.Peer.Abort()
	c.Closed()
	if err := reply.Respond(wire.Body{}); err != peers.ErrClosed {
		t.Errorf("got %v", err)
	}
}

// An operation may be sent to another actor, which answers it.
func TestForwardedOperationArrivesWhole(t *testing.T) {
	params := wire.P(1, "ada", 2, int32(7))
	want := wire.Body{Params: params, Payload: []byte(strings.Repeat("payload ", 100))}
	room := func(t *testing.T, sys *actor.System, handle func(op *peers.Operation)) actor.Ref {
		return actortest.Spawn(sys, actor.Func(func(c *actor.Context) {
			if op, ok := c.Message().(*peers.Operation); ok {
				time.Sleep(20 * time.Millisecond) // the sender's Receive has returned long ago
				handle(op)
				c.Respond("handled")
			}
		}))
	}
	for _, tt := range []struct {
		name string
		send func(c *peers.Context, to actor.Ref, op *peers.Operation) error
	}{
		{"Send", func(_ *peers.Context, to actor.Ref, op *peers.Operation) error { return to.Send(op) }},
		{"a clone", func(_ *peers.Context, to actor.Ref, op *peers.Operation) error { return to.Send(op.Clone()) }},
		{"Ask", func(_ *peers.Context, to actor.Ref, op *peers.Operation) error {
			_, err := actor.Ask[string](context.Background(), to, op)
			return err
		}},
		{"After", func(c *peers.Context, to actor.Ref, op *peers.Operation) error {
			c.After(time.Millisecond, op)
			c.Become(onOperation(func(_ *peers.Context, later *peers.Operation) { to.Send(later) }))
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *peerstest.Server
				var to actor.Ref
				s = serve(t, onOperation(func(c *peers.Context, op *peers.Operation) { wantErr(t, tt.send(c, to, op), nil) }))
				to = room(t, s.System, func(op *peers.Operation) {
					if op.Code != 4 || !op.Asks() || op.Peer().ID() == wire.None {
						t.Errorf("operation %+v", op)
					}
					op.Respond(op.Body)
				})
				c := s.Dial(client.Config{})
				r := c.Ask(4, want)
				if string(r.Payload) != string(want.Payload) || r.Params.Get(1).Text() != "ada" || r.Params.Get(2).Int() != 7 {
					t.Errorf("answer %+v", r)
				}
			})
		})
	}
}

// Where the right to answer was passed on and lost, the client waits; nobody
// answers in its place.
func TestCloneThatIsNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peerstest.New(t, onOperation(func(c *peers.Context, op *peers.Operation) { op.Clone() }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if r, err := c.Call(ctx, 1, wire.Body{}); err != context.DeadlineExceeded {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

func TestGoBringsTheAnswerBack(t *testing.T) {
	type found struct {
		op   *peers.Operation
		item string
	}
	c := peerstest.New(t, peers.Func(func(c *peers.Context) {
		switch m := c.Message().(type) {
		case *peers.Operation:
			op := m.Clone()
			c.Go(func(context.Context) any { return found{op, "item of " + string(op.Payload)} })
		case found:
			m.op.Respond(wire.Text(m.item))
		}
	}))
	if r := c.Ask(1, wire.Text("ada")); string(r.Payload) != "item of ada" {
		t.Errorf("answer %+v", r)
	}
}
