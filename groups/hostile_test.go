package groups

import (
	"slices"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

func TestForgedAckClosesItsSender(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, above := range []uint64{1, 1 << 40, 1<<64 - 2} {
			a, b := w.mute(), w.bot()
			g := w.create(Options{}, a, b)
			w.settle()
			release := w.hold()
			a.ack(g, 1+above)
			a.ack(g, 1) // does not make good for it
			w.settle()
			release()
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

// A kicked member neither sends nor receives from then on, whatever its frames
// in flight say.
func TestKickEndsRelayAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{}, a, b)
		routes, stale := a.peer.Session().Routes(), g.view.Load()
		must(t, g.Kick(a.peer, ""))
		w.settle()
		old := routes[g.ID()].(*route)
		g.view.Store(stale)                                                     // as another reader may still have it
		for _, d := range []wire.Delivery{wire.Unreliable, wire.Sequenced(1)} { // a reader in the middle of it
			must(t, old.Send(wire.GroupSend{Delivery: d, Body: text("late"), Group: g.ID()}, nil))
			a.say(g, "later", d)
			b.say(g, "to all", d)
			b.say(g, "to it", d, a.id())
		}
		must(t, old.EndRead(true))
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
		must(t, old.EndRead(true))
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
