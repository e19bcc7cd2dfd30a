package groups

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/wire"
)

func TestServerMemberGetsWhatMembersSend(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{ServerMember: true}, a, b) // ready: no acknowledgement of the server's is awaited
		var want []string
		for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(1)} {
			for _, to := range [][]wire.ID{nil, {wire.Server}, {b.id(), wire.Server, wire.Server}, {b.id()}} {
				s := fmt.Sprint(d.Class(), len(to), slices.Contains(to, wire.Server))
				a.say(g, s, d, to...)
				if to == nil || slices.Contains(to, wire.Server) {
					want = append(want, s)
				}
			}
		}
		must(t, g.Send(1, text("its own"), wire.Reliable))
		must(t, g.Send(1, text("its own"), wire.Unreliable))
		var got []string
		for _, e := range w.events() {
			m, ok := e.(*Message)
			if !ok || m.Group != g || m.Peer != a.peer || m.Code != 1 {
				t.Errorf("owner got %+v", e)
				continue
			}
			got = append(got, string(m.Payload))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("owner got %q, want %q", got, want)
		}
		if joined := a.lastEntry().GetJoined(); len(joined.Members) != 3 || wire.ID(joined.Members[0].Id) != wire.Server {
			t.Errorf("a was told of %v", joined)
		}
	})
}

// stuck is an owner that handles one message for each step it is allowed.
type stuck struct {
	ref   actor.Ref
	steps chan struct{}

	mu  sync.Mutex
	got []any
}

func newStuck(w *world) *stuck {
	s := &stuck{steps: make(chan struct{})}
	s.ref = actortest.Spawn(w.sys, actor.Func(func(c *actor.Context) {
		switch m := c.Message().(type) {
		case actor.Started, actor.Stopping:
		default:
			<-s.steps
			s.mu.Lock()
			s.got = append(s.got, m)
			s.mu.Unlock()
		}
	}))
	return s
}

// reasons are those of the MemberLeft so far.
func (s *stuck) reasons() (codes []wire.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.got {
		if left, ok := e.(MemberLeft); ok {
			codes = append(codes, left.Reason)
		}
	}
	return codes
}

func (s *stuck) letGo() { close(s.steps) }

// The server as a member that lags by 1 MiB has left; the group never waits.
func TestServerThatLagsByMuchHasLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		owner := newStuck(w)
		defer owner.letGo()
		a, b := w.bot(), w.bot()
		g, err := Create(w.sys, Options{Owner: owner.ref, ServerMember: true}, a.peer, b.peer)
		must(t, err)
		w.settle()
		big := strings.Repeat("x", 32<<10)
		for range 31 {
			a.say(g, big, wire.Unreliable) // those may get lost
			w.settle()
		}
		w.settle()
		if left := a.lastEntry().GetLeft(); left != nil {
			t.Fatalf("unreliable messages made it leave: %v", left)
		}
		a.say(g, big, wire.Reliable)
		a.say(g, big, wire.Reliable)
		w.settle()
		left := b.lastEntry().GetLeft()
		if wire.ID(left.GetMember()) != wire.Server || wire.Code(left.GetReason()) != wire.CodeSlow {
			t.Errorf("b was told %v", b.lastEntry())
		}
		if n := len(b.heard()); n != 33 || g.lag.bytes.Load() > maxLag {
			t.Errorf("b heard %d messages, %d bytes wait", n, g.lag.bytes.Load())
		}
	})
}

// So has one that handles nothing for 5 s, and only such a one.
func TestServerThatLagsForLongHasLeft(t *testing.T) {
	for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable} {
		inBubble(t, func(t *testing.T, w *world) {
			owner := newStuck(w)
			a := w.bot()
			g, err := Create(w.sys, Options{Owner: owner.ref, ServerMember: true}, a.peer)
			must(t, err)
			w.settle()
			go func() { // ends with the steps. JoinComplete, Ready, and a message a second
				owner.steps <- struct{}{}
				owner.steps <- struct{}{}
				for range 30 {
					time.Sleep(time.Second)
					owner.steps <- struct{}{}
				}
			}()
			for range 30 {
				a.say(g, "tick", d)
				time.Sleep(time.Second)
			}
			time.Sleep(20 * time.Second) // nothing waits
			if codes := owner.reasons(); len(codes) != 0 {
				t.Fatalf("%v: left for %v though it keeps up", d.Class(), codes)
			}
			a.say(g, "last", d)
			time.Sleep(maxLagTime - 1)
			w.settle()
			if left := a.lastEntry().GetLeft(); left != nil {
				t.Errorf("%v: left too early: %v", d.Class(), left)
			}
			time.Sleep(maxLagTime + 2)
			w.settle()
			if wire.Code(a.lastEntry().GetLeft().GetReason()) != wire.CodeSlow {
				t.Errorf("%v: still a member", d.Class())
			}
			a.say(g, "without it", d)
			w.settle()
			owner.letGo()
			w.settle()
			if codes := owner.reasons(); !slices.Equal(codes, []wire.Code{wire.CodeSlow}) {
				t.Errorf("%v: owner got %v", d.Class(), codes)
			}
			if last, ok := owner.got[len(owner.got)-2].(*Message); !ok || string(last.Payload) != "last" {
				t.Errorf("%v: owner got %+v behind its leave", d.Class(), owner.got)
			}
		})
	}
}

// An owner may pass messages on: they are counted as handled once.
func TestMessagePassedOnIsSettledOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, other := w.bot(), actortest.NewProbe(w.sys)
		owner := actortest.Spawn(w.sys, actor.Func(func(c *actor.Context) {
			if m, ok := c.Message().(*Message); ok {
				_ = other.Ref().Send(m)
			}
		}))
		g, err := Create(w.sys, Options{Owner: owner, ServerMember: true}, a.peer)
		must(t, err)
		w.settle()
		for range 3 {
			a.say(g, "x", wire.Reliable)
		}
		w.settle()
		if n := len(other.All()); n != 3 || g.lag.bytes.Load() != 0 || !g.lag.idle() {
			t.Errorf("%d passed on, %d bytes wait", n, g.lag.bytes.Load())
		}
	})
}

// The owner gets its events in the order of the log, a member's messages before
// its JoinComplete where that is late.
func TestOwnerMaySeeMessagesBeforeTheJoinCompletes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.mute()
		g := w.create(Options{ServerMember: true}, a)
		w.settle()
		a.say(g, "first", wire.Reliable)
		w.settle()
		a.ack(g, 1)
		events := w.events()
		if len(events) != 3 {
			t.Fatalf("owner got %+v", events)
		}
		m, early := events[0].(*Message)
		jc, then := events[1].(JoinComplete)
		if !early || !then || string(m.Payload) != "first" || jc.Result != OK {
			t.Errorf("owner got %+v", events)
		}
	})
}
