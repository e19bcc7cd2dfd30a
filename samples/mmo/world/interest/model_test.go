package interest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// model is the same promise kept the slow way: every item of the world against
// every area, no squares.
type model struct {
	items  map[wire.ID]Point
	areas  []Area
	grace  int
	unseen map[wire.ID]int // of those in view: looks since it was sighted
}

func (m *model) look() (in, out []wire.ID) {
	for i := range m.areas {
		a := &m.areas[i]
		if p, ok := m.items[a.Item]; ok && p.Distance(a.Center) <= a.exit() {
			a.Center = p
		}
	}
	for id := range m.unseen {
		m.unseen[id]++
	}
	for id, p := range m.items {
		_, known := m.unseen[id]
		for _, a := range m.areas {
			d := p.Distance(a.Center)
			if d <= a.Enter && !known {
				in = append(in, id)
				known = true
			}
			if known && d <= a.exit() {
				m.unseen[id] = 0
			}
		}
	}
	for id, n := range m.unseen {
		if n > m.grace {
			out = append(out, id)
			delete(m.unseen, id)
		}
	}
	return in, out
}

// change has things happen to the world: items walk, jump, appear and vanish.
func (m *model) change(r *rand.Rand, width, height float64) {
	for id := wire.ID(1); id <= 200; id++ {
		p, here := m.items[id]
		switch n := r.IntN(100); {
		case n == 0:
			delete(m.items, id)
		case n == 1 || !here && n < 20:
			m.items[id] = Point{r.Float64() * width, r.Float64() * height}
		case here:
			p = p.Add(2*r.Float64(), 7*r.Float64())
			m.items[id] = Point{min(max(p.X, 0), width), min(max(p.Y, 0), height)}
		}
	}
}

// publish lists every item with its square.
func (m *model) publish(g *Grid[wire.ID], tick uint64) {
	lists := make([][]Sighting[wire.ID], g.Len())
	for id, p := range m.items {
		n := g.Square(p)
		lists[n] = append(lists[n], Sighting[wire.ID]{id, p, id})
	}
	for n, l := range lists {
		g.Publish(n, tick, l)
	}
}

func ids(list []*Seen[wire.ID, int]) (ids []wire.ID) {
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

func same(t *testing.T, what string, got, want []wire.ID) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s %v, want %v", what, got, want)
	}
}

func TestViewAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		width, height := 50+300*r.Float64(), 50+300*r.Float64()
		g := NewGrid[wire.ID](width, height, 10+60*r.Float64())
		m := &model{items: map[wire.ID]Point{}, unseen: map[wire.ID]int{}, grace: 1 + r.IntN(8)}
		v := &View[wire.ID, int]{Grace: m.grace}
		for range 1 + r.IntN(3) {
			a := Area{Center: Point{r.Float64() * width, r.Float64() * height}, Enter: 60 * r.Float64()}
			if r.IntN(2) == 0 {
				a.Exit = a.Enter + 20*r.Float64()
			}
			if r.IntN(2) == 0 {
				a.Item = wire.ID(1 + r.IntN(200))
			}
			m.areas = append(m.areas, a)
		}
		v.Areas = slices.Clone(m.areas)
		moves := 0
		for tick := range uint64(200) {
			m.change(r, width, height)
			if r.IntN(40) == 0 { // the observer looks elsewhere
				p := Point{r.Float64() * width, r.Float64() * height}
				m.areas[0].Center, v.Areas[0].Center = p, p
			}
			m.publish(g, tick)
			wantIn, wantOut := m.look()
			in, out := v.Look(g)
			moves += len(in) + len(out)
			same(t, "came in", ids(in), wantIn)
			same(t, "went out", ids(out), wantOut)
			same(t, "in view", ids(slices.Collect(v.All())), slices.Collect(maps.Keys(m.unseen)))
			for s := range v.All() {
				if p, here := m.items[s.ID]; m.unseen[s.ID] == 0 && (!here || s.At != p || s.Tick != tick || s.Item != s.ID) {
					t.Fatalf("%v was sighted as %+v, it is at %v", s.ID, s, p)
				}
			}
			if !slices.Equal(v.Areas, m.areas) {
				t.Fatalf("the areas are %v, want %v", v.Areas, m.areas)
			}
		}
		if moves == 0 {
			t.Errorf("seed %d: nothing came or went", seed)
		}
	}
}
