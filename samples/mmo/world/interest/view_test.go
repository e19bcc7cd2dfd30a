package interest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

func at(x, y float64) Point { return Point{x, y} }

// put publishes items, by their ids, on a world of one square.
func put(g *Grid[string], tick uint64, items ...Sighting[string]) { g.Publish(0, tick, items) }

// look looks and returns what the observer would write down.
func look(g *Grid[string], v *View[string, int]) (s string) {
	in, out := v.Look(g)
	for _, i := range in {
		s += fmt.Sprintf("+%d:%s ", uint64(i.ID), i.Item)
	}
	for _, i := range out {
		s += fmt.Sprintf("-%d:%s ", uint64(i.ID), i.Item)
	}
	return s
}

func TestHysteresis(t *testing.T) {
	g := NewGrid[string](100, 100, 100)
	v := &View[string, int]{Areas: []Area{{Center: at(0, 0), Enter: 10, Exit: 20}}, Grace: -1}
	for i, step := range []struct {
		x    float64
		want string
	}{
		{15, ""}, {10.5, ""}, {10, "+1:10 "}, {15, ""}, {20, ""}, {9, ""}, {20.5, "-1:9 "}, {15, ""}, {3, "+1:3 "},
	} {
		put(g, uint64(i), Sighting[string]{1, at(step.x, 0), fmt.Sprint(step.x)})
		if got := look(g, v); got != step.want { // what has gone is told as it was when sighted last
			t.Errorf("at %v: %q, want %q", step.x, got, step.want)
		}
	}
}

// An item that is in nobody's list for some looks, and comes back, has not left.
func TestGrace(t *testing.T) {
	g := NewGrid[string](100, 100, 100)
	v := &View[string, int]{Areas: []Area{{Center: at(0, 0), Enter: 10}}, Grace: 3}
	there := Sighting[string]{1, at(1, 0), "a"}
	put(g, 1, there)
	if got := look(g, v); got != "+1:a " {
		t.Fatal(got)
	}
	v.Find(1).Data = 7
	for range 5 {
		put(g, 2)
		for range 3 {
			if got := look(g, v); got != "" {
				t.Errorf("%q though it may be back", got)
			}
		}
		put(g, 3, there)
		if got := look(g, v); got != "" || v.Find(1).Data != 7 {
			t.Errorf("%q when it was back", got)
		}
	}
	put(g, 4)
	for i, want := range []string{"", "", "", "-1:a ", ""} {
		if got := look(g, v); got != want {
			t.Errorf("look %d: %q, want %q", i, got, want)
		}
	}
}

// While an item goes from one owner to the next it may be listed twice: what is
// newer counts, whichever comes first.
func TestListedTwice(t *testing.T) {
	for _, newer := range []int{0, 1} {
		g := NewGrid[string](20, 10, 10)
		v := &View[string, int]{Areas: []Area{{Center: at(10, 5), Enter: 10}, {Center: at(8, 5), Enter: 10}}}
		g.Publish(newer, 8, []Sighting[string]{{1, at(10, 5), "new"}})
		g.Publish(1-newer, 7, []Sighting[string]{{1, at(9.9, 5), "old"}})
		if got := look(g, v); got != "+1:new " || v.Len() != 1 {
			t.Errorf("%q, %d in view", got, v.Len())
		}
		if s := v.Find(1); s.Tick != 8 || s.Distance != 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestDistanceIsFromTheNearestArea(t *testing.T) {
	g := NewGrid[string](100, 100, 100)
	put(g, 1, Sighting[string]{1, at(10, 0), "a"})
	v := &View[string, int]{Areas: []Area{{Center: at(0, 0), Enter: 20}, {Center: at(13, 0), Enter: 20}, {Center: at(30, 0), Enter: 20}}}
	v.Look(g)
	if d := v.Find(1).Distance; d != 3 {
		t.Errorf("the distance is %v, want 3", d)
	}
}

func TestSquares(t *testing.T) {
	g := NewGrid[string](95, 45, 10)
	if g.Len() != 50 {
		t.Fatalf("%d squares, want 50", g.Len())
	}
	for p, want := range map[Point]int{
		at(0, 0): 0, at(9.9, 9.9): 0, at(10, 0): 1, at(0, 10): 10, at(94, 44): 49, // each in its own
		at(-5, -5): 0, at(1e9, 0): 9, at(-1e9, 1e9): 40, at(1e300, 1e300): 49, // outside: the nearest
	} {
		if got := g.Square(p); got != want {
			t.Errorf("%v is on square %d, want %d", p, got, want)
		}
	}
	for n := range g.Len() {
		a, b := g.Corners(n)
		if g.Square(a) != n || b != at(a.X+10, a.Y+10) || n < 9 && g.Square(b) != n+11 {
			t.Errorf("square %d has the corners %v and %v", n, a, b)
		}
	}
}

// town is a world of a side, with 30 items in a circle of 50 m wherever one looks.
func town(side float64) (*Grid[int], *rand.Rand) {
	const each = 50 * 50 * 3.14159 / 30 // square metres
	g := NewGrid[int](side, side, 64)
	r := rand.New(rand.NewPCG(1, 2))
	lists := make([][]Sighting[int], g.Len())
	for i := range int(side * side / each) {
		s := Sighting[int]{ID: wire.ID(i + 2), At: at(side*r.Float64(), side*r.Float64())}
		lists[g.Square(s.At)] = append(lists[g.Square(s.At)], s)
	}
	for n, l := range lists {
		g.Publish(n, 1, l)
	}
	return g, r
}

// What a look costs is a matter of the neighbourhood: the same in a world that is
// 64 times as large.
func TestCostIsIndependentOfTheWorldsSize(t *testing.T) {
	scanned := func(side float64) (mean float64) {
		g, r := town(side)
		const looks = 500
		for range looks {
			v := View[int, int]{Areas: []Area{{Center: at(100+(side-200)*r.Float64(), 100+(side-200)*r.Float64()), Enter: 50, Exit: 58}}}
			v.Look(g)
			mean += float64(v.Scanned()) / looks
		}
		return mean
	}
	small, large := scanned(400), scanned(400*8)
	t.Logf("a look goes through %.0f sightings, in a world of 64 times the size through %.0f", small, large)
	if large > 1.2*small {
		t.Errorf("a look goes through %.0f sightings, in a large world through %.0f", small, large)
	}
}

func BenchmarkLook(b *testing.B) {
	for _, side := range []float64{500, 1000, 4000} {
		g, _ := town(side)
		b.Run(fmt.Sprintf("%.0fm", side), func(b *testing.B) {
			b.ReportAllocs()
			v := View[int, int]{Areas: []Area{{Center: at(side/2, side/2), Enter: 50, Exit: 58}}}
			v.Look(g)
			for b.Loop() {
				v.Look(g)
			}
			b.ReportMetric(float64(v.Len()), "inview")
		})
	}
}
