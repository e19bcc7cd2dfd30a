package groups

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// What members send unreliably beyond the group's budget is dropped and counted,
// and nothing else happens to anybody.
func TestBudgetOfUnreliableMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(5)
		g := w.ready(Options{Relay: transport.Rate{PerSecond: 10e3, Burst: 40e3}}, bots...)
		body := strings.Repeat("x", 100)
		sent := 0
		for range 10 * 20 {
			for _, b := range bots[:2] {
				for range 5 {
					b.say(g, body, wire.Unreliable)
					sent++
				}
			}
			w.settle() // else queues drop some
			time.Sleep(50 * time.Millisecond)
		}
		heard := 0
		for _, b := range bots {
			heard += len(b.heard())
		}
		info, err := g.Info(t.Context())
		must(t, err)
		if most := 30e3 + 10*10e3 + 600; float64(info.Sent.Bytes) > most || float64(info.Sent.Bytes) < 0.95*most {
			t.Errorf("%d bytes in 10 s, want %v", info.Sent.Bytes, most)
		}
		if int(info.Sent.Packets) != heard || heard+4*int(info.Dropped) != 4*sent {
			t.Errorf("%d messages to 4: %d have come, %d were sent on, %d were dropped", sent, heard, info.Sent.Packets, info.Dropped)
		}
		must(t, g.Send(1, text("of the server"), wire.Unreliable))
		w.settle()
		if n := len(bots[4].heard()); n != 1 {
			t.Error("the server's own message had no room")
		}
	})
}

// What is reliable waits for the budget, and comes: whole, in order, at its pace,
// from whoever sends it.
func TestBudgetOfReliableMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(5)
		g := w.ready(Options{Relay: transport.Rate{PerSecond: 20e3, Burst: 20e3}}, bots...)
		const each = 300
		begun := time.Now()
		body := strings.Repeat(".", 90)
		for n := range each {
			for i, b := range bots[:2] {
				b.say(g, fmt.Sprintf("%d %03d%s", i, n, body), wire.Reliable)
			}
		}
		for len(bots[2].entriesHeard()) < 2*each && time.Since(begun) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		took := time.Since(begun)
		info, err := g.Info(t.Context())
		must(t, err)
		if want := time.Duration(float64(info.Sent.Bytes-20e3) / 20e3 * float64(time.Second)); took < want*9/10 || took > want*11/10 {
			t.Errorf("%d bytes took %v, want %v", info.Sent.Bytes, took, want)
		}
		next := make(map[string]int)
		for _, s := range bots[2].heard() {
			var who string
			var n int
			fmt.Sscanf(s, "%1s %03d", &who, &n)
			if n != next[who] {
				t.Fatalf("message %d of %s comes instead of %d", n, who, next[who])
			}
			next[who]++
		}
		for _, b := range bots {
			if code := b.closeCode(); code != wire.CodeNone {
				t.Errorf("closed with %v", code)
			}
		}
	})
}

// entriesHeard are the messages so far, which stay.
func (b *bot) entriesHeard() []wire.GroupMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.messages
}

// One message may overdraw the budget; who comes behind it waits, but not for
// ever: a group that is at its end for long still goes on.
func TestBudgetMayBeOverdrawn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(3)
		a, b, c := bots[0], bots[1], bots[2]
		g := w.ready(Options{Relay: transport.Rate{PerSecond: 100, Burst: 1000}}, bots...)
		begun := time.Now()
		a.say(g, strings.Repeat("x", 50e3), wire.Reliable)
		w.settle()
		if n := len(c.heard()); n != 1 || time.Since(begun) != 0 {
			t.Fatalf("the first has come %d times after %v", n, time.Since(begun))
		}
		b.say(g, "second", wire.Reliable)
		b.say(g, "lossy", wire.Unreliable)
		a.say(g, "lossy", wire.Unreliable)
		w.settle()
		if got := c.heard(); len(got) != 0 {
			t.Errorf("%q came at once", got)
		}
		time.Sleep(overloadTime + time.Millisecond)
		w.settle()
		if got := c.heard(); len(got) != 1 || got[0] != "second" {
			t.Errorf("%q came after %v", got, overloadTime)
		}
		time.Sleep(30 * time.Second) // at most a burst is owed
		b.say(g, "third", wire.Reliable)
		w.settle()
		if got := c.heard(); len(got) != 1 {
			t.Errorf("%q came when all was paid", got)
		}
	})
}

// A group that ends lets go of who waits for its budget.
func TestBudgetOfAGroupThatEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		g := w.ready(Options{Relay: transport.Rate{PerSecond: 1, Burst: 1}}, bots...)
		other := w.ready(Options{}, bots...)
		for range 3 {
			bots[0].say(g, "x", wire.Reliable)
			w.settle()
		}
		bots[0].say(other, "y", wire.Reliable)
		w.settle()
		bots[1].heard()
		begun := time.Now()
		g.Destroy()
		w.settle()
		if got := bots[1].heard(); len(got) != 1 || got[0] != "y" || time.Since(begun) != 0 {
			t.Errorf("%q came after %v", got, time.Since(begun))
		}
	})
}

// What pairs have relayed is a group's to pay: of what need not arrive some is
// dropped, what must arrive passes. With the group's end another one pays.
func TestBudgetPaysForPairs(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		o := Options{Relay: transport.Rate{PerSecond: 1, Burst: 2000}}
		g := w.ready(o, a, b)
		more := w.ready(Options{}, a, b)
		pour := func(c wire.Class) int {
			before := b.relays()
			for range 100 {
				a.relay(a.slotOf(b), c, sealed(100))
				w.settle() // else queues drop some
			}
			return b.relays() - before
		}
		if n := pour(wire.ClassUnreliable); n != 15 {
			t.Errorf("%d unreliable packets, want 1,500 bytes of 2,000", n)
		}
		if n := pour(wire.ClassReliable); n != 100 {
			t.Errorf("%d reliable packets of 100", n)
		}
		info, err := g.Info(t.Context())
		must(t, err)
		if info.Dropped != 85 {
			t.Errorf("%d are counted", info.Dropped)
		}
		g.Destroy()
		w.settle()
		if n := pour(wire.ClassUnreliable); n != 100 {
			t.Errorf("%d packets at the cost of the other group", n)
		}
		if i, _ := more.Path(a.id(), b.id()); i.Relayed.Packets != 215 {
			t.Errorf("%d packets are known of", i.Relayed.Packets)
		}
	})
}
