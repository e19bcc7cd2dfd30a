package groups

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

func TestTooManyTargetsCloseTheSender(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable} {
			a, b := w.bot(), w.bot()
			g := w.ready(Options{}, a, b)
			to := make([]wire.ID, session.MaxTargets+1)
			for i := range to {
				to[i] = wire.ID(1000 + i)
			}
			to[0] = b.id()
			a.say(g, "256", d, to[:session.MaxTargets]...)
			w.settle()
			if got := b.heard(); !slices.Equal(got, []string{"256"}) {
				t.Errorf("heard %q", got)
			}
			a.say(g, "257", d, to...)
			w.settle()
			if a.closeCode() != wire.CodeTooLarge || len(b.heard()) != 0 {
				t.Errorf("closed with %v", a.closeCode())
			}
			if err := g.Send(1, text("x"), d, to...); err != ErrTooLarge {
				t.Errorf("the server's own: %v", err)
			}
		}
	})
}

// The largest body passes, and one byte more closes its sender: it would make a
// frame that closes its receivers. Lower limits of a listener count.
func TestBodiesThatWouldNotFitCloseTheSender(t *testing.T) {
	for _, limit := range []int{0, 2048} {
		for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable} {
			t.Run(fmt.Sprint(limit, d.Class()), func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					if limit > 0 {
						w.limit(session.Limits{FrameLimit: limit})
					}
					a, b := w.bot(), w.bot()
					g := w.ready(Options{}, a, b)
					largest := min(MaxBody, w.env.FrameLimit-128)
					a.say(g, strings.Repeat("x", largest), d)
					w.settle()
					if got := b.heard(); len(got) != 1 || len(got[0]) != largest {
						t.Fatalf("%d messages heard", len(got))
					}
					if err := g.Send(1, text(strings.Repeat("x", largest+1)), d); err != ErrTooLarge {
						t.Errorf("the server's own: %v", err)
					}
					a.say(g, strings.Repeat("x", largest+1), d)
					w.settle()
					if a.closeCode() != wire.CodeTooLarge || len(b.heard()) != 0 || b.closeCode() != wire.CodeNone {
						t.Errorf("closed with %v", a.closeCode())
					}
				})
			})
		}
	}
}

func TestFrameLimitTooSmallForGroups(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		w.limit(session.Limits{FrameLimit: minFrame - 1})
		b := w.bot()
		g := w.create(Options{}, a, b)
		if notOK, err := g.AwaitReady(t.Context()); err != nil || len(notOK) != 1 || notOK[0].Result != TooLarge || notOK[0].Peer != b.peer {
			t.Errorf("ready with %+v, %v", notOK, err)
		}
	})
}

// Above the session's rate what is unreliable is dropped; what is reliable never
// leaves a hole: its sender is closed.
func TestReliableMessagesAboveTheRateCloseTheSender(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.limit(session.Limits{Rate: session.Rate{PerSecond: 1, Burst: 4}})
		a, b := w.bot(), w.bot()
		g := w.ready(Options{Writable: true}, a, b)
		for range 6 {
			a.say(g, "x", wire.Unreliable)
		}
		a.set(g.ID(), 1, wire.P(1, 1), wire.Params{})
		w.settle()
		if n := len(b.heard()); n != 4 || a.closeCode() != wire.CodeNone {
			t.Errorf("%d heard, closed %v", n, a.closeCode())
		}
		if r := a.takeResponses(); len(r) != 1 || r[0].Result != wire.ResultRate {
			t.Errorf("the Set was answered with %+v", r)
		}
		a.say(g, "x", wire.Reliable)
		w.settle()
		if a.closeCode() != wire.CodeRate || len(b.heard()) != 0 {
			t.Errorf("closed %v", a.closeCode())
		}
	})
}

// Nobody is held up by a member that never reads: it is closed as slow.
func TestMemberThatNeverReadsCostsOnlyItself(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, deaf := w.bot(), w.bot(), w.deaf()
		g := w.create(Options{}, a, b)
		must(t, g.Join(deaf.peer, nil))
		w.events()
		start := time.Now()
		for i := range 40 {
			a.say(g, fmt.Sprintf("%02d%s", i, strings.Repeat("x", 32<<10)), wire.Reliable)
			if i%8 == 7 { // the others read, but not at any speed
				w.settle()
			}
		}
		if n := len(b.heard()); n != 40 || time.Since(start) != 0 {
			t.Errorf("%d messages heard, after %v", n, time.Since(start))
		}
		time.Sleep(5 * time.Second)
		var got []string
		for _, e := range w.events() {
			switch e := e.(type) {
			case JoinComplete:
				got = append(got, e.Result.String())
			case MemberLeft:
				got = append(got, e.Reason.String())
			}
		}
		if !slices.Equal(got, []string{"Disconnected", "disconnected"}) || g.Len() != 2 {
			t.Errorf("owner got %q, %d members", got, g.Len())
		}
		if err := deaf.peer.Session().Err(); err == nil || err.Code != wire.CodeSlow {
			t.Errorf("closed with %v", err)
		}
	})
}
