package world

import (
	"math/rand/v2"
	"slices"

	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// Region is a square of the world with the items on it, and what happens there:
// all of it without a network, a clock or an actor.
type Region struct {
	square         int
	least, largest interest.Point                    // its corners
	where          func(interest.Point) (square int) // the world's
	size           float64                           // likewise
	rules          map[Kind]*Rules
	newID          func() wire.ID
	rand           *rand.Rand

	tick  uint64
	items map[wire.ID]*Item
	order []*Item // the same
	moved map[wire.ID]move
}

// move is where an item has gone to, for those who look for it here.
type move struct {
	square int
	tick   uint64
}

// Why an item can't be used.
var (
	errDead  = &peers.Error{Code: 1, Text: "You are dead."}
	errTired = &peers.Error{Code: 2, Text: "Not so fast."}
	errGone  = &peers.Error{Code: 3, Text: "It is not there any more."}
	errFar   = &peers.Error{Code: 4, Text: "It is too far away."}
	errUse   = &peers.Error{Code: 5, Text: "It can't be used."}
)

const (
	pause   = TickRate / 2 // ticks between two uses by a person
	recall  = 2 * TickRate // ticks for which a region remembers where items have gone
	allowed = 0.5          // metres by which things may have moved since a player saw them within reach
)

// populate puts the region's own items there.
func (r *Region) populate() {
	for kind, rules := range r.rules {
		for range rules.PerRegion {
			it := &Item{id: r.newID(), kind: kind, rules: rules, health: rules.Health, at: r.anywhere()}
			it.props = &protocol.Props{Revision: 1, Name: rules.Name}
			r.add(it)
		}
	}
}

// recover puts the items there that the region had when it published last.
func (r *Region) recover(tick uint64, list []interest.Sighting[Sight]) {
	r.tick = tick
	for i := range list {
		s := &list[i]
		rules := r.rules[s.Item.Kind]
		it := &Item{id: s.ID, kind: s.Item.Kind, rules: rules, props: s.Item.Props, player: s.Item.Player, at: s.At, fix: s.Item.Fix, now: tick, heard: tick}
		it.heading, it.speed = protocol.Radians(s.Item.Heading), float64(s.Item.Speed)*protocol.SpeedUnit
		if it.health = int(s.Item.Health); it.health == 0 {
			it.back = tick + ticks(rules.Returns)
		}
		if r.has(it.at) { // else the next region has it by now
			r.add(it)
		}
	}
}

func (r *Region) add(it *Item) {
	if old := r.items[it.id]; old != nil {
		r.remove(old)
	}
	delete(r.moved, it.id)
	r.items[it.id] = it
	r.order = append(r.order, it)
}

func (r *Region) remove(it *Item) {
	delete(r.items, it.id)
	i := slices.Index(r.order, it)
	r.order = slices.Delete(r.order, i, i+1)
}

// has reports whether a point lies on the region's square.
func (r *Region) has(p interest.Point) bool { return r.where(p) == r.square }

// inWorld reports whether a point lies in the world.
func (r *Region) inWorld(p interest.Point) bool {
	return p.X >= 0 && p.X <= r.size && p.Y >= 0 && p.Y <= r.size
}

// anywhere is some point of the region.
func (r *Region) anywhere() interest.Point {
	x, y := min(r.largest.X, r.size), min(r.largest.Y, r.size)
	return interest.Point{X: r.least.X + r.rand.Float64()*(x-r.least.X), Y: r.least.Y + r.rand.Float64()*(y-r.least.Y)}
}

// nearest is the item of a kind that is alive and nearest to another one, within
// a distance.
func (r *Region) nearest(to *Item, kind Kind, within float64) (found *Item) {
	for _, it := range r.order {
		if it.kind != kind || it.health == 0 || it == to {
			continue
		}
		if d := it.at.Distance(to.at); d <= within {
			found, within = it, d
		}
	}
	return found
}

// walk moves an item on as it is headed, by a tick. At the region's border it
// turns back: only persons go from region to region.
func (r *Region) walk(it *Item) {
	to := it.at.Add(it.speed/TickRate, it.heading)
	if !r.has(to) || !r.inWorld(to) {
		it.heading += 2.5
		return
	}
	it.at = to
}

// enter takes a player's character in. If it is here already, as somebody else's
// or as the same one's of a moment ago, it is steered by this player from now on.
func (r *Region) enter(m Enter) {
	if it := r.items[m.ID]; it != nil {
		it.player = m.Player
		return
	}
	it := &Item{id: m.ID, kind: Person, rules: r.rules[Person], player: m.Player, props: m.Props, at: m.At, health: m.Health, fix: m.Fix, now: r.tick, heard: r.tick}
	if it.health == 0 {
		it.back = r.tick + ticks(it.rules.Returns)
	}
	r.add(it)
}

// steered finds a player's character.
func (r *Region) steered(id wire.ID, by *Player) *Item {
	if it := r.items[id]; it != nil && it.player == by {
		return it
	}
	return nil
}

// act is what a person needs to use something.
func (r *Region) act(it *Item) *peers.Error {
	switch {
	case it.health == 0:
		return errDead
	case r.tick < it.ready:
		return errTired
	}
	it.ready = r.tick + pause
	return nil
}

// use has an item used by a person who is at a place.
func (r *Region) use(it *Item, by wire.ID, from interest.Point) (Gain, *peers.Error) {
	switch {
	case it.rules.Use == nil || it.id == by:
		return Gain{}, errUse
	case it.health == 0:
		return Gain{}, errGone
	case it.at.Distance(from) > it.rules.Reach+allowed:
		return Gain{}, errFar
	}
	return it.rules.Use(it), nil
}

// step moves the region on by a tick. It returns the items that have walked out
// of it, which stay its own until they are sent on.
func (r *Region) step(tick uint64) (out []*Item) {
	r.tick = tick
	r.order = slices.DeleteFunc(r.order, func(it *Item) bool {
		if it.player == nil || !it.player.left.Load() {
			return false
		}
		delete(r.items, it.id)
		return true
	})
	for _, it := range r.order {
		it.step(tick)
		switch {
		case it.back > 0 && tick >= it.back:
			r.revive(it)
		case it.health > 0 && it.rules.Think != nil:
			it.rules.Think(r, it)
		}
		if !r.has(it.at) {
			out = append(out, it)
		}
	}
	if tick%recall == 0 {
		for id, m := range r.moved {
			if tick > m.tick+recall {
				delete(r.moved, id)
			}
		}
	}
	return out
}

// revive has an item return: a region's own on its square, a person anywhere.
func (r *Region) revive(it *Item) {
	it.back, it.health = 0, it.rules.Health
	if it.at = r.anywhere(); it.player != nil {
		it.at = interest.Point{X: r.rand.Float64() * r.size, Y: r.rand.Float64() * r.size}
	}
	it.fix++
}

// gone notes that an item is another region's.
func (r *Region) gone(it *Item, square int) {
	r.remove(it)
	r.moved[it.id] = move{square, r.tick}
}

// sights are the items as others see them in this tick. One that has come from a
// region which had stepped before is in that one's list.
func (r *Region) sights() []interest.Sighting[Sight] {
	list := make([]interest.Sighting[Sight], 0, len(r.order))
	for _, it := range r.order {
		if it.listed < r.tick {
			it.listed = r.tick
			list = append(list, it.sight())
		}
	}
	return list
}
