package groups

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// upload is a sequenced message as it comes to the server: whatever the network
// has done to the order in which its sender counted.
type upload struct {
	sequence uint32
	to       string // members by letter; "" is all
	except   string
	key      uint16
}

// No member gets a sequenced message behind a newer one of its sender and key,
// whomever the two are for; and none is lost to one for somebody else.
func TestSequencedByReceiver(t *testing.T) {
	tests := []struct {
		name string
		in   []upload
		b, c string // what comes, by sequence
		late uint64
	}{
		{"in order", []upload{{1, "", "", 0}, {2, "", "", 0}}, "1 2", "1 2", 0},
		{"the older one late", []upload{{2, "", "", 0}, {1, "", "", 0}}, "2", "2", 1},
		{"twice", []upload{{2, "", "", 0}, {2, "", "", 0}}, "2", "2", 1},
		{"each by itself", []upload{{2, "c", "", 0}, {1, "b", "", 0}}, "1", "2", 0},
		{"by another key", []upload{{2, "", "", 1}, {1, "", "", 2}}, "2 1", "2 1", 0},
		{"to one, then an older one to all", []upload{{2, "b", "", 0}, {1, "", "", 0}}, "2", "1", 0},
		{"to all, then an older one to one", []upload{{2, "", "", 0}, {1, "b", "", 0}}, "2", "2", 1},
		{"to some, overlapping", []upload{{2, "bc", "", 0}, {1, "b", "", 0}, {3, "c", "", 0}}, "2", "2 3", 0},
		{"except one", []upload{{1, "", "b", 0}, {2, "", "c", 0}, {3, "", "bc", 0}}, "2", "1", 0},
		{"one directly, then the other", []upload{{2, "", "b", 0}, {1, "", "c", 0}}, "", "2", 1}, // b has 2 already
		{"not counted", []upload{{0, "", "", 0}, {0, "b", "", 0}, {0, "", "", 0}}, "0 0 0", "0 0", 0},
		{"past the wrap", []upload{{1<<32 - 1, "", "", 0}, {1, "", "", 0}, {1<<32 - 2, "", "", 0}}, "4294967295 1", "4294967295 1", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inPairs(t, func(t *testing.T, w *world) {
				bots := w.crowd(3)
				a, b, c := bots[0], bots[1], bots[2]
				g := w.ready(Options{}, bots...)
				ids := func(letters string) wire.IDs {
					var list []wire.ID
					for _, l := range letters {
						list = append(list, bots[l-'a'].id())
					}
					return wire.MakeIDs(list...)
				}
				for _, u := range tt.in {
					m := wire.GroupSend{Delivery: wire.Sequenced(u.key), Group: g.ID(), To: ids(u.to), Except: ids(u.except), Sequence: u.sequence}
					a.send(wire.KindGroupSend, m.Append(nil))
					w.settle() // else queues conflate
				}
				if got := b.sequences(); got != tt.b {
					t.Errorf("b got %q, want %q", got, tt.b)
				}
				if got := c.sequences(); got != tt.c {
					t.Errorf("c got %q, want %q", got, tt.c)
				}
				if n := a.peer.Session().Counts().Stale.Load(); n != tt.late {
					t.Errorf("%d were counted as late, want %d", n, tt.late)
				}
			})
		})
	}
}

// sequences are those of the messages that have come.
func (b *bot) sequences() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, m := range b.messages {
		list = append(list, strconv.FormatUint(uint64(m.Sequence), 10))
	}
	return strings.Join(list, " ")
}

// Members that have it already may be named where a message is for all, so many
// as there can be pairs: more is the sender's fault.
func TestExceptIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(3)
		g := w.ready(Options{}, bots...)
		for i, n := range []int{maxPaired, maxPaired + 1} {
			m := wire.GroupSend{Delivery: wire.Unreliable, Group: g.ID(), Except: wire.MakeIDs(slices.Repeat([]wire.ID{bots[1].id()}, n)...)}
			bots[0].send(wire.KindGroupSend, m.Append(nil))
			w.settle()
			if got := len(bots[2].heard()); got != 1-i {
				t.Errorf("with %d names the third got %d messages", n, got)
			}
		}
		if n := len(bots[1].heard()); n != 0 {
			t.Errorf("who was left out got %d messages", n)
		}
		if code := bots[0].closeCode(); code != wire.CodeTooLarge {
			t.Errorf("closed with %v, want %v", code, wire.CodeTooLarge)
		}
	})
}
