package interest

import (
	"iter"
	"math"
	"slices"

	"github.com/troupe-go/troupe/wire"
)

// Area is a circle that an observer sees.
type Area struct {
	Center Point
	Item   wire.ID // the centre follows this item for as long as it is found within Exit; wire.None: it stays
	Enter  float64 // within this distance an item comes into view
	Exit   float64 // beyond this distance it goes; less than Enter means a tenth more than that
}

func (a *Area) exit() float64 {
	if a.Exit < a.Enter {
		return 1.1 * a.Enter
	}
	return a.Exit
}

// View is what one observer sees. The zero View sees nothing. It is for one
// goroutine at a time.
type View[T, D any] struct {
	Areas []Area // may be changed between two looks
	Grace int    // looks for which an item out of sight stays in view; 0 means 5, negative none

	now     uint64 // counts the looks
	seen    map[wire.ID]*Seen[T, D]
	order   []*Seen[T, D] // the same
	in, out []*Seen[T, D]
	scanned int
}

// Seen is an item in view, as it was when it was sighted last.
type Seen[T, D any] struct {
	Sighting[T]
	Tick     uint64  // of the list that it was in
	Distance float64 // from the nearest of the areas
	Data     D       // the observer's own

	looked uint64 // the look that sighted it
}

// Look sees what there is now. It returns what has come into view, as it is,
// and what has gone, as it was last. Both are good until the next Look.
func (v *View[T, D]) Look(g *Grid[T]) (in, out []*Seen[T, D]) {
	if v.seen == nil {
		v.seen = make(map[wire.ID]*Seen[T, D])
	}
	v.now++
	clear(v.in)
	clear(v.out)
	v.in, v.out, v.scanned = v.in[:0], v.out[:0], 0
	for i := range v.Areas {
		a := &v.Areas[i]
		if a.Item != wire.None {
			v.follow(g, a)
		}
		v.scan(g, a)
	}
	v.sweep()
	return v.in, v.out
}

// follow moves an area to its item.
func (v *View[T, D]) follow(g *Grid[T], a *Area) {
	near := a.Center
	_, items := g.Published(g.Square(near)) // where it most likely is
	if v.find(items, a) {
		return
	}
	g.around(near, a.exit(), func(l *list[T]) bool { return !v.find(l.items, a) })
}

func (v *View[T, D]) find(items []Sighting[T], a *Area) bool {
	for i := range items {
		if s := &items[i]; s.ID == a.Item && s.At.square(a.Center) <= a.exit()*a.exit() {
			a.Center = s.At
			return true
		}
	}
	return false
}

// scan sights what lies in an area.
func (v *View[T, D]) scan(g *Grid[T], a *Area) {
	enter, exit := a.Enter*a.Enter, a.exit()*a.exit()
	g.around(a.Center, a.exit(), func(l *list[T]) bool {
		v.scanned += len(l.items)
		for i := range l.items {
			if d := l.items[i].At.square(a.Center); d <= exit {
				v.sight(&l.items[i], l.tick, d, d <= enter)
			}
		}
		return true
	})
}

// sight takes note of an item. A new one has to be near enough to come in.
// Distances are squares until the sweep.
func (v *View[T, D]) sight(s *Sighting[T], tick uint64, distance float64, enters bool) {
	item := v.seen[s.ID]
	switch {
	case item == nil && !enters:
		return
	case item == nil:
		item = &Seen[T, D]{}
		v.seen[s.ID] = item
		v.order = append(v.order, item)
		v.in = append(v.in, item)
	case item.looked == v.now && (tick < item.Tick || tick == item.Tick && distance >= item.Distance):
		return // sighted already, by a nearer area or in a newer list
	}
	item.Sighting, item.Tick, item.Distance, item.looked = *s, tick, distance, v.now
}

// sweep lets go of what has been out of sight for too long.
func (v *View[T, D]) sweep() {
	grace := uint64(max(v.Grace, 0))
	if v.Grace == 0 {
		grace = 5
	}
	v.order = slices.DeleteFunc(v.order, func(s *Seen[T, D]) bool {
		if s.looked == v.now {
			s.Distance = math.Sqrt(s.Distance)
		}
		if v.now-s.looked <= grace {
			return false
		}
		delete(v.seen, s.ID)
		v.out = append(v.out, s)
		return true
	})
}

// Len is the number of items in view.
func (v *View[T, D]) Len() int { return len(v.order) }

// All are the items in view, the oldest there first.
func (v *View[T, D]) All() iter.Seq[*Seen[T, D]] { return slices.Values(v.order) }

// Find returns an item in view, or nil.
func (v *View[T, D]) Find(id wire.ID) *Seen[T, D] { return v.seen[id] }

// Scanned is how many sightings the last look has gone through: what it has cost.
func (v *View[T, D]) Scanned() int { return v.scanned }
