package groups

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// A full group mailbox stops its sender's reader, nobody else's, and nothing
// reliable is lost; after 5 s the sender is closed as overloaded.
func TestFullGroupStopsItsSendersReader(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, c := w.bot(), w.bot(), w.bot()
		g := w.ready(Options{}, a, b)
		other := w.ready(Options{}, b, c)
		a.takeLog()
		b.takeLog()
		release := w.hold()
		defer release()
		for g.ref.Queued() < maxQueued {
			must(t, g.Send(1, text("fill"), wire.Reliable))
		}
		a.say(g, "waits", wire.Reliable)
		a.say(g, "behind it", wire.Unreliable)
		w.settle()
		must(t, g.Leave(c.peer)) // the server's own calls have room left
		c.say(other, "free", wire.Unreliable)
		w.settle()
		if got := b.heard(); !slices.Equal(got, []string{"free"}) {
			t.Errorf("heard %q while a's reader waits", got)
		}
		time.Sleep(overloadTime - time.Second)
		release()
		w.settle()
		got := b.heard()
		if n := len(got); n != maxQueued+2 || !slices.Contains(got, "waits") || !slices.Contains(got, "behind it") || a.closeCode() != wire.CodeNone {
			t.Errorf("%d messages heard, closed %v", n, a.closeCode())
		}
		release = w.hold()
		defer release()
		for g.ref.Queued() < maxQueued {
			must(t, g.Send(1, text("fill"), wire.Reliable))
		}
		a.say(g, "too much", wire.Reliable)
		time.Sleep(overloadTime)
		w.settle()
		if got := a.closeCode(); got != wire.CodeOverloaded {
			t.Errorf("closed with %v, want %v", got, wire.CodeOverloaded)
		}
		if b.closeCode() != wire.CodeNone {
			t.Error("somebody else was closed")
		}
	})
}

// What a member sends while the group has no time is bounded by buffers, not by
// the number of messages, and nothing of it is lost.
func TestSendersReaderStopsAtItsBuffers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{}, a, b)
		release := w.hold()
		defer release()
		for range 20 {
			a.say(g, strings.Repeat("x", 30<<10), wire.Reliable)
		}
		w.settle()
		if n := a.peer.Session().Counts().BytesIn.Load(); n > 300<<10 {
			t.Errorf("%d bytes read", n)
		}
		release()
		w.settle()
		if n := len(b.heard()); n != 20 {
			t.Errorf("%d messages heard", n)
		}
	})
}

// A sender that waits for a group that ends does not wait on.
func TestFullGroupThatEndsLetsItsSendersGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		g := w.ready(Options{}, a)
		release := w.hold()
		defer release()
		must(t, g.Destroy())
		for g.ref.Queued() < maxQueued {
			must(t, g.Send(1, text("fill"), wire.Reliable))
		}
		a.say(g, "waits", wire.Reliable)
		w.settle()
		release()
		w.settle()
		if n := g.late.Load(); n != 1 {
			t.Errorf("%d messages counted as late", n)
		}
		a.say(g, "reads on", wire.Reliable)
		w.settle()
		if n := a.peer.Session().Counts().Late.Load(); n != 1 || a.closeCode() != wire.CodeNone {
			t.Errorf("%d frames counted as late, closed %v", n, a.closeCode())
		}
		if err := g.Send(1, text("x"), wire.Reliable); err != ErrDestroyed {
			t.Errorf("Send: %v", err)
		}
		if err := g.Send(1, text("x"), wire.Unreliable); err != ErrDestroyed {
			t.Errorf("unreliable Send: %v", err)
		}
	})
}

// A sender gets no place in a group that is over, though its mailbox is still full.
func TestFullGroupThatIsOverIsDead(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		g := w.ready(Options{}, w.bot())
		release := w.hold()
		defer release()
		for g.ref.Queued() < maxQueued {
			must(t, g.Send(1, text("fill"), 0))
		}
		g.end()
		if err := postedError(g.offerPatiently(&batch{})); err != ErrDestroyed {
			t.Errorf("offered: %v", err)
		}
	})
}
