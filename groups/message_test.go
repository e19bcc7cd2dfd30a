package groups

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// Reliable messages have one order at all members, their own included, and in
// it each sender's are in the order of their sending.
func TestReliableMessagesComeInOneOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(8)
		g := w.ready(Options{}, bots...)
		late := w.crowd(2)
		const each = 100
		var senders sync.WaitGroup
		for i, b := range bots {
			senders.Go(func() {
				for n := range each {
					b.say(g, fmt.Sprintf("%d.%03d", i, n), wire.Reliable)
					if n == each/2 && i < len(late) {
						if err := g.Join(late[i].peer, nil); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		senders.Go(func() {
			for n := range each {
				if err := g.Send(1, text(fmt.Sprintf("s.%03d", n)), wire.Reliable); err != nil {
					t.Error(err)
				}
			}
		})
		senders.Wait()
		w.settle()
		logs := make([][]string, 0, len(bots))
		for _, b := range bots {
			logs = append(logs, b.takeLog())
		}
		for i, log := range logs {
			if !slices.Equal(log, logs[0]) || len(log) != each*(len(bots)+1)+1+len(late) {
				t.Fatalf("member %d has %d entries, the first %d, or in another order", i, len(log), len(logs[0]))
			}
		}
		for _, b := range late {
			log := b.takeLog()
			at := slices.IndexFunc(logs[0], func(s string) bool { return strings.HasPrefix(s, strings.Fields(log[0])[0]+" ") })
			if !slices.Equal(log[1:], logs[0][at+1:]) {
				t.Errorf("a late member's log is not the rest of the others' from entry %d on", at)
			}
		}
		last := make(map[string]string)
		for i, entry := range logs[0] {
			if !strings.HasPrefix(entry, fmt.Sprintf("%d ", i+1)) {
				t.Fatalf("entry %d is %q", i+1, entry)
			}
			if f := strings.Fields(entry); f[1] == "message" {
				sender, n, _ := strings.Cut(f[2], ".")
				if n <= last[sender] {
					t.Fatalf("%s comes behind %s", f[2], last[sender])
				}
				last[sender] = n
			}
		}
	})
}

// The server stamps the source: what a member says of itself is not asked.
func TestSourceIsStampedByTheServer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{KeepEmpty: true}, a)
		must(t, g.Join(b.peer, nil)) // at 2
		w.settle()
		for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(1)} {
			m := wire.GroupMessage{Code: 5, Delivery: d, Body: text("me"), Group: g.ID(), Sender: a.id(), Epoch: 1, Position: 77}
			b.send(wire.KindGroupSend, m.Append(nil)) // the fields that it has too many are skipped
			w.settle()
			a.mu.Lock()
			got := a.messages[len(a.messages)-1]
			a.mu.Unlock()
			if got.Sender != b.id() || got.Epoch != 2 || got.Position == 77 || got.Code != 5 {
				t.Errorf("%v: got %+v", d.Class(), got)
			}
		}
	})
}

// Unreliable and sequenced messages go from reader to queues: a group's actor
// that is held up does not hold them up.
func TestUnreliableDoesNotPassThroughTheActor(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{}, a, b)
		release := w.hold()
		defer release()
		a.say(g, "reliable", wire.Reliable)
		a.say(g, "unreliable", wire.Unreliable)
		a.say(g, "sequenced", wire.Sequenced(1))
		must(t, g.Send(1, text("server"), wire.Unreliable))
		w.settle()
		got := b.heard()
		slices.Sort(got)
		if !slices.Equal(got, []string{"sequenced", "server", "unreliable"}) {
			t.Errorf("heard %q", got)
		}
		release()
		w.settle()
		if got := b.heard(); !slices.Equal(got, []string{"reliable"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// Of sequenced messages that wait, the newest of each key and sender arrives.
func TestSequencedConflatesPerSenderAndKey(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, slow := w.bot(), w.bot(), w.deaf()
		g := w.create(Options{}, a, b, slow)
		w.settle() // slow's writer is stuck in the first frame
		for n := range 50 {
			for key := range uint16(2) {
				a.say(g, fmt.Sprintf("a%d.%02d", key, n), wire.Sequenced(key))
				b.say(g, fmt.Sprintf("b%d.%02d", key, n), wire.Sequenced(key))
			}
		}
		must(t, g.Send(1, text("s0.00"), wire.Sequenced(0)))
		must(t, g.Send(1, text("s0.49"), wire.Sequenced(0)))
		w.settle()
		go slow.read()
		w.settle()
		got := slow.heard()
		slices.Sort(got)
		if want := []string{"a0.49", "a1.49", "b0.49", "b1.49", "s0.49"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// Cached messages come to later members behind their join, the newest of them,
// as old ones: without a place and marked.
func TestCacheIsReplayedToLaterMembers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, c := w.bot(), w.bot(), w.bot()
		g := w.ready(Options{Cache: 2}, a, b)
		for i := range 3 {
			a.say(g, fmt.Sprint("old", i), wire.Reliable.Cached())
		}
		a.say(g, "not for later", wire.Reliable)
		a.say(g, "to one", wire.Reliable.Cached(), b.id())
		a.say(g, "unreliable", wire.Unreliable.Cached())
		w.settle()
		must(t, g.Leave(a.peer))
		must(t, g.Join(c.peer, nil))
		w.settle()
		if got := c.takeLog(); !slices.Equal(got, []string{"7 joined 2", "0 message old1", "0 message old2"}) {
			t.Errorf("got %q", got)
		}
		for _, m := range c.messages {
			if !m.Delivery.IsCached() || m.Sender != a.id() || m.Epoch != 1 {
				t.Errorf("replayed %+v", m)
			}
		}
		for _, m := range b.messages { // a mark on what is no replay would lift the client's rules
			if m.Position == 0 && m.Delivery.IsCached() {
				t.Errorf("%q is marked as cached", m.Payload)
			}
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	var k cache
	for i := range 10_000 {
		k.add(&wire.GroupMessage{Code: 1, Position: uint64(i + 1), Body: wire.Payload(make([]byte, i%5000))}, 64)
		total := 0
		for _, f := range k.frames {
			total += len(f)
		}
		if len(k.frames) > 64 || k.bytes > maxCacheBytes || k.bytes != total {
			t.Fatalf("%d frames, %d bytes counted, %d held", len(k.frames), k.bytes, total)
		}
	}
	k = cache{}
	k.add(&wire.GroupMessage{}, -1)
	if len(k.frames) != 0 {
		t.Error("kept though off")
	}
}

// What one member sends in one read keeps its order among messages and changes
// of properties.
func TestPropertiesDoNotOvertakeMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		g := w.ready(Options{Writable: true}, a)
		a.takeLog()
		m := wire.GroupSend{Code: 1, Body: text("first"), Group: g.ID()}
		a.out <- append(m.AppendFrame(nil), a.setFrame(g.ID(), 1, wire.P(1, 2), wire.Params{})...)
		w.settle()
		if got := a.takeLog(); !slices.Equal(got, []string{"2 message first", "3 properties"}) {
			t.Errorf("got %q", got)
		}
	})
}
