package peers_test

import (
	"errors"
	"testing"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

func TestConstructorThatPanicsRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer func(*peers.Init) (peers.Behavior, error)
		want wire.Code
	}{
		{"panic", func(*peers.Init) (peers.Behavior, error) { panic("boom") }, wire.CodeInternal},
		{"error", func(*peers.Init) (peers.Behavior, error) { return nil, errors.New("no database") }, wire.CodeInternal},
		{"refusal", func(*peers.Init) (peers.Behavior, error) { return nil, peers.Refuse(101, "") }, 101},
		{"nothing", func(*peers.Init) (peers.Behavior, error) { return nil, nil }, wire.CodeRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := peerstest.NewServer(t, peers.Config{Auth: byUser, Peer: tt.peer})
			for range 2 { // the place of the first is free again
				_, err := s.TryDial(t.Context(), as("ada"))
				if refused, ok := errors.AsType[*client.RefusedError](err); !ok || refused.Code != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			}
		})
	}
}

func TestRestartWhoseConstructorFailsCloses(t *testing.T) {
	n := 0
	s := peerstest.NewServer(t, peers.Config{OnPanic: peers.RestartOnPanic, Peer: func(*peers.Init) (peers.Behavior, error) {
		if n++; n > 1 {
			panic("not again")
		}
		return peers.Func(clumsy), nil
	}})
	c := s.Dial(client.Config{})
	if r := c.Ask(1, wire.Text("panic")); r.Result != wire.ResultInternal {
		t.Errorf("answer %+v", r)
	}
	if got := c.Closed(); got != wire.CodeInternal {
		t.Errorf("closed with %v", got)
	}
}

// A metrics hook that panics is logged; the peer has done nothing wrong.
func TestObserveThatPanicsCostsNobody(t *testing.T) {
	s := peerstest.NewServer(t, peers.Config{Peer: always(clumsy), Observe: func(peers.Observation) { panic("boom") }})
	c := s.Dial(client.Config{})
	for range 3 {
		if r := c.Ask(1, wire.Text("hello")); string(r.Payload) != "hello" {
			t.Errorf("answer %+v", r)
		}
	}
	c.Ask(1, wire.Text("panic"))
	if got := c.Closed(); got != wire.CodeInternal {
		t.Errorf("closed with %v", got)
	}
}

func TestInterceptorThatPanicsIsAPanicOfItsOperation(t *testing.T) {
	s := peerstest.NewServer(t, peers.Config{OnPanic: peers.RestartOnPanic, Peer: always(echo),
		Intercept: []func(peers.Handler) peers.Handler{func(next peers.Handler) peers.Handler {
			return func(c *peers.Context, op *peers.Operation) {
				next(c, op)
				if op.Code == 1 {
					panic("boom")
				}
			}
		}}})
	c := s.Dial(client.Config{})
	for code := range uint16(3) {
		if r := c.Ask(code, wire.Text("hello")); string(r.Payload) != "hello" {
			t.Errorf("answer %+v", r)
		}
	}
	if got := s.Peers.Stats().Panics; got != 1 {
		t.Errorf("%d panics were counted", got)
	}
}

func TestWhoAsksAPeerThatPanicsIsTold(t *testing.T) {
	c := peerstest.New(t, peers.Func(clumsy))
	_, err := actor.Ask[string](t.Context(), c.Peer.Ref(), boom{})
	if p, ok := errors.AsType[*actor.PanicError](err); !ok || p.Value != "boom" {
		t.Errorf("got %v", err)
	}
}
