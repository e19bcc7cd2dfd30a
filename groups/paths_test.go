package groups

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

func paths(g *Group) []PathInfo { return slices.Collect(g.Paths()) }

// word has a bot tell how it reaches another one.
func (b *bot) word(o *bot, m *wirepb.PairPath) {
	m.Slot = b.slotOf(o)
	b.tell(wire.KindPairPath, m)
	b.w.settle()
}

// What is known of a pair is what both ends have said last, and the server has
// counted itself.
func TestPathOfTwo(t *testing.T) {
	const relayed, looking, direct, doubt = 0, 1, 2, 3
	tests := []struct {
		name     string
		words    [][2]uint32 // an end, and its state
		want     wire.PathState
		reason   wire.PathReason // of the word with that number, from 1; 0: nothing has changed
		switches int
	}{
		{"nothing said", nil, wire.PathRelayed, 0, 0},
		{"one looks", [][2]uint32{{0, looking}}, wire.PathLooking, 1, 0},
		{"both look", [][2]uint32{{0, looking}, {1, looking}}, wire.PathLooking, 1, 0},
		{"one has found", [][2]uint32{{0, looking}, {1, looking}, {0, direct}}, wire.PathLooking, 1, 0},
		{"both have", [][2]uint32{{0, direct}, {1, direct}}, wire.PathDirect, 2, 1},
		{"and say so again", [][2]uint32{{0, direct}, {1, direct}, {0, direct}}, wire.PathDirect, 2, 1},
		{"one doubts", [][2]uint32{{0, direct}, {1, direct}, {0, doubt}}, wire.PathInDoubt, 3, 1},
		{"and no longer", [][2]uint32{{0, direct}, {1, direct}, {0, doubt}, {0, direct}}, wire.PathDirect, 4, 1},
		{"one has lost it", [][2]uint32{{0, direct}, {1, direct}, {0, doubt}, {0, relayed}}, wire.PathRelayed, 4, 2},
		{"and looks again", [][2]uint32{{0, direct}, {1, direct}, {0, relayed}, {0, looking}}, wire.PathLooking, 4, 2},
		{"one alone is direct", [][2]uint32{{1, direct}}, wire.PathRelayed, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inPairs(t, func(t *testing.T, w *world) {
				begun := time.Now()
				bots := w.crowd(2)
				g := w.ready(Options{}, bots...)
				changed := begun
				for i, x := range tt.words {
					time.Sleep(time.Second)
					bots[x[0]].word(bots[1-x[0]], &wirepb.PairPath{State: x[1], Reason: uint32(i + 1)})
					if uint32(tt.reason) == uint32(i+1) {
						changed = time.Now()
					}
				}
				i, ok := g.Path(bots[1].id(), bots[0].id())
				if !ok || i.A != bots[0].peer || i.B != bots[1].peer {
					t.Fatalf("a path from %v to %v: %v", i.A, i.B, ok)
				}
				if i.State != tt.want || i.Switches != tt.switches || i.Reason != tt.reason || !i.Since.Equal(changed) {
					t.Errorf("%v for reason %d after %v, %d switches", i.State, i.Reason, i.Since.Sub(begun), i.Switches)
				}
			})
		})
	}
}

func TestPathFigures(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		g := w.ready(Options{}, bots...)
		a.word(b, &wirepb.PairPath{State: 2, Rtt: 20000, Loss: 10, Packets: 5, Bytes: 500})
		b.word(a, &wirepb.PairPath{State: 2, Rtt: 30000, Loss: 9000, Packets: 1 << 40, Bytes: 1 << 50, Reason: 1 << 31})
		a.relay(a.slotOf(b), wire.ClassReliable, sealed(100))
		b.relay(b.slotOf(a), wire.ClassUnreliable, sealed(50))
		w.settle()
		i, _ := g.Path(a.id(), b.id())
		if i.RTT != 30*time.Millisecond || i.Loss != 1 || i.Reason != 255 {
			t.Errorf("%v, %v lost, %v", i.RTT, i.Loss, i.Reason)
		}
		if want := (Traffic{Packets: 1<<40 + 5, Bytes: 1<<50 + 500}); i.Direct != want {
			t.Errorf("%v directly, want %v", i.Direct, want)
		}
		if want := (Traffic{Packets: 2, Bytes: 150}); i.Relayed != want {
			t.Errorf("%v relayed, want %v", i.Relayed, want)
		}
		a.word(b, &wirepb.PairPath{})
		if i, _ = g.Path(a.id(), b.id()); i.RTT != 0 { // the server has measured nothing in a world without time
			t.Errorf("%v by the relay", i.RTT)
		}
		a.word(b, &wirepb.PairPath{State: 4})
		if a.closeCode() != wire.CodeProtocol {
			t.Errorf("a state that there is not: closed with %v", a.closeCode())
		}
	})
}

// Paths are those of a group's members, once each and in order, whatever happens
// meanwhile.
func TestPathsOfAGroup(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(5)
		w.paired = false
		stream := w.bot()
		g := w.ready(Options{}, append(bots[:3:3], stream)...)
		other := w.ready(Options{}, bots[1:]...)
		quiet := w.ready(Options{Quiet: true}, bots...)
		count := func(g *Group, want int) {
			t.Helper()
			all := paths(g)
			sorted := slices.IsSortedFunc(all, func(a, b PathInfo) int {
				return slices.Compare([]wire.ID{a.A.ID(), a.B.ID()}, []wire.ID{b.A.ID(), b.B.ID()})
			})
			if len(all) != want || !sorted {
				t.Errorf("%d paths, want %d; sorted: %v", len(all), want, sorted)
			}
			for _, i := range all {
				if i.A.ID() >= i.B.ID() || !g.Has(i.A.ID()) || !g.Has(i.B.ID()) {
					t.Errorf("a path between %v and %v", i.A, i.B)
				}
			}
		}
		count(g, 3)
		count(other, 6)
		count(quiet, 0)
		if _, ok := g.Path(bots[0].id(), bots[3].id()); ok {
			t.Error("a path to who is in another group")
		}
		if _, ok := g.Path(bots[0].id(), stream.id()); ok {
			t.Error("a path to who has no UDP")
		}
		var askers sync.WaitGroup
		for range 4 {
			askers.Go(func() {
				for range 50 {
					for i := range g.Paths() {
						g.Path(i.A.ID(), i.B.ID())
					}
				}
			})
		}
		for range 20 {
			must(t, g.Leave(bots[2].peer))
			w.settle()
			must(t, g.Join(bots[2].peer, nil))
			w.settle()
		}
		askers.Wait()
		must(t, g.Leave(bots[0].peer))
		w.settle()
		count(g, 1)
		g.Destroy()
		w.settle()
		count(g, 0)
	})
}

// The owner is told why.
func TestPathChangedTellsWhy(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		g := w.ready(Options{}, bots...)
		b.word(a, &wirepb.PairPath{State: 2, Reason: uint32(wire.PathEchoed), Rtt: 40000})
		a.word(b, &wirepb.PairPath{State: 2, Reason: uint32(wire.PathEchoed), Rtt: 30000})
		time.Sleep(time.Second)
		a.word(b, &wirepb.PairPath{State: 3, Reason: uint32(wire.PathOverdue), Rtt: 30000})
		time.Sleep(time.Second)
		a.word(b, &wirepb.PairPath{Reason: uint32(wire.PathSilent)})
		want := []any{
			PathChanged{Group: g, A: a.peer, B: b.peer, Direct: true, Reason: wire.PathEchoed, RTT: 40 * time.Millisecond},
			PathChanged{Group: g, A: a.peer, B: b.peer, Reason: wire.PathSilent},
		}
		if got := w.events(); !slices.Equal(got, want) {
			t.Errorf("the owner was told %+v", got)
		}
	})
}
