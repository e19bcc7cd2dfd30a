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

func TestForgedAckClosesItsSender(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, above := range []uint64{1, 1 << 40, 1<<64 - 2} {
			a, b := w.mute(), w.bot()
			g := w.create(Options{}, a, b)
			w.settle()
			a.ack(g, 1+above)
			a.ack(g, 1) // does not make good for it
			w.settle()
			if got := a.closeCode(); got != wire.CodeProtocol {
				t.Errorf("closed with %v, want %v", got, wire.CodeProtocol)
			}
			if b.closeCode() != wire.CodeNone || !g.Has(b.id()) {
				t.Error("somebody else has paid for it")
			}
		}
	})
}

// Acknowledging any entry that was sent is no offence, nor is saying less than
// before.
func TestAckOfAnyEntryThatWasSentIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.mute()
		g := w.create(Options{Quiet: true, KeepEmpty: true}, a)
		must(t, g.Send(1, text("x"), wire.Reliable))
		must(t, g.SetProperties(t.Context(), wire.P(1, 1), wire.Params{}))
		a.ack(g, 3)
		a.ack(g, 2)
		a.ack(g, 0)
		w.settle()
		info, err := g.Info(t.Context())
		must(t, err)
		if info.Members[0].Acked != 3 || a.closeCode() != wire.CodeNone {
			t.Errorf("%+v, closed %v", info, a.closeCode())
		}
	})
}

// A quiet group tells no member of others, so its acknowledgements reach only
// as far as what it was sent.
func TestForgedAckInAQuietGroupClosesItsSender(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{Quiet: true}, a)
		must(t, g.Join(b.peer, nil)) // at 2, which a is not told
		w.settle()
		a.ack(g, 2)
		w.settle()
		if got := a.closeCode(); got != wire.CodeProtocol {
			t.Errorf("closed with %v", got)
		}
	})
}

// Frames for groups that the sender is not in, or that there are not, go
// nowhere and are counted.
func TestFramesForOtherGroupsGoNowhere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, c := w.bot(), w.mute(), w.bot()
		g := w.create(Options{}, a, b)
		w.events()
		for _, id := range []wire.ID{g.ID(), g.ID() + 1000, wire.None, wire.Server, a.id()} {
			c.send(wire.KindGroupAck, (&wire.GroupAck{Group: id, Position: 1}).Append(nil))
			c.sayIn(id, "reliable", wire.Reliable)
			c.sayIn(id, "unreliable", wire.Unreliable)
			c.set(id, 9, wire.P(1, 1), wire.Params{})
		}
		if events := w.events(); len(events) != 0 {
			t.Errorf("owner got %+v", events)
		}
		if got := append(a.heard(), b.heard()...); len(got) != 0 {
			t.Errorf("members heard %q", got)
		}
		if n := c.peer.Session().Counts().Late.Load(); n != 20 {
			t.Errorf("%d frames counted as late, want 20", n)
		}
		for _, r := range c.takeResponses() {
			if r.Result != wire.ResultNotMember {
				t.Errorf("a Set was answered with %+v", r)
			}
		}
		if c.closeCode() != wire.CodeNone {
			t.Errorf("closed with %v", c.closeCode())
		}
	})
}

// Targets are members of the group, each once, or nobody.
func TestTargetsAreMembersEachOnce(t *testing.T) {
	for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(3)} {
		inBubble(t, func(t *testing.T, w *world) {
			a, b, c, stranger := w.bot(), w.bot(), w.bot(), w.bot()
			g := w.ready(Options{}, a, b, c)
			w.ready(Options{}, a, stranger)
			a.say(g, "psst", d, b.id(), stranger.id(), b.id(), wire.None, wire.Server, 12345, b.id())
			w.settle()
			if got := b.heard(); !slices.Equal(got, []string{"psst"}) {
				t.Errorf("%v: the target heard %q", d.Class(), got)
			}
			if got := append(c.heard(), stranger.heard()...); len(got) != 0 {
				t.Errorf("%v: others heard %q", d.Class(), got)
			}
			if events := w.events(); len(events) != 0 {
				t.Errorf("%v: the owner got %v though the server is no member", d.Class(), events)
			}
		})
	}
}

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

// A kicked member neither sends nor receives from then on, whatever its frames
// in flight say.
func TestKickEndsRelayAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{}, a, b)
		routes := a.peer.Session().Routes()
		must(t, g.Kick(a.peer, ""))
		w.settle()
		old := routes[g.ID()].(*route)
		for _, d := range []wire.Delivery{wire.Unreliable, wire.Sequenced(1)} { // a reader in the middle of it
			must(t, old.Send(wire.GroupSend{Delivery: d, Body: text("late"), Group: g.ID()}, nil))
			a.say(g, "later", d)
			b.say(g, "to all", d)
			b.say(g, "to it", d, a.id())
		}
		must(t, old.EndRead())
		a.say(g, "later", wire.Reliable)
		w.settle()
		if got := append(a.heard(), b.heard()...); len(got) != 0 {
			t.Errorf("heard %q", got)
		}
		info, err := g.Info(t.Context())
		must(t, err)
		if info.Late != 2 || a.peer.Session().Counts().Late.Load() != 3 {
			t.Errorf("%d and %d counted as late", info.Late, a.peer.Session().Counts().Late.Load())
		}
		// A later membership does not let the old one send.
		must(t, g.Join(a.peer, nil))
		w.settle()
		must(t, old.Send(wire.GroupSend{Delivery: wire.Unreliable, Body: text("late"), Group: g.ID()}, nil))
		must(t, old.EndRead())
		w.settle()
		if got := b.heard(); len(got) != 0 {
			t.Errorf("heard %q", got)
		}
	})
}

// What is sent in one write with the last frame is placed before the leave.
func TestMessagesInFrontOfTheCloseArePlaced(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{}, a, b)
		b.takeLog()
		bye := wire.GroupSend{Code: 1, Body: text("bye"), Group: g.ID()}
		frames := bye.AppendFrame(nil)
		bye.Delivery = wire.Unreliable
		frames = bye.AppendFrame(frames)
		a.out <- wire.AppendFrame(frames, wire.KindClose, nil)
		w.settle()
		log := b.takeLog()
		if !slices.Contains(log, "2 message bye") || !slices.Contains(log, "0 message bye") || !slices.Contains(log, "3 left: disconnected") {
			t.Errorf("got %q", log)
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
		}
		w.settle()
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
