package world

import "time"

// Kind is what an item is. The page gets the names of all kinds as it connects.
type Kind uint8

// The kinds. A new one takes a constant, and its rules in Standard.
const (
	Person Kind = 1 + iota // steered by a client
	Wolf
	Coin
)

// Rules are what holds for the items of a kind. See README.md for a new one.
type Rules struct {
	Name      string        // for people
	Health    int           // when it is whole; at most 255
	Pace      float64       // metres a second, at most; 0: it stays where it is
	PerRegion int           // how many there are on each region's square
	Returns   time.Duration // how long it is gone when its health is used up

	Reach float64              // metres from which a person may use it
	Use   func(it *Item) Gain  // a person uses it: hits it, takes it, eats it; nil: it can't be used
	Think func(*Region, *Item) // what it does by itself in each tick; nil: nothing
}

// Gain is what a person has of using an item.
type Gain struct{ Health, Score int }

// Standard are the rules of the game.
func Standard() map[Kind]Rules {
	return map[Kind]Rules{
		Person: {
			Name: "person", Health: 100, Pace: 6, Returns: 3 * time.Second,
			Reach: 3,
			Use: func(it *Item) Gain {
				if it.Hurt(10) {
					return Gain{Score: 5}
				}
				return Gain{}
			},
		},
		Wolf: {
			Name: "wolf", Health: 60, Pace: 5, PerRegion: 1, Returns: 20 * time.Second,
			Reach: 3,
			Use: func(it *Item) Gain {
				if it.Hurt(10) {
					return Gain{Health: 20, Score: 10}
				}
				return Gain{}
			},
			Think: prowl,
		},
		Coin: {
			Name: "coin", Health: 1, PerRegion: 2, Returns: 15 * time.Second,
			Reach: 2,
			Use: func(it *Item) Gain {
				it.Hurt(1)
				return Gain{Score: 1}
			},
		},
	}
}

const (
	scent   = 10 // metres from which a wolf notices people
	bite    = 8  // of their health
	stroll  = 1.5
	restful = 3 * TickRate // ticks between two bites, and between two changes of mind
)

// prowl is how wolves think: they run after whoever is near, and stroll else.
func prowl(r *Region, it *Item) {
	prey := r.nearest(it, Person, scent)
	switch {
	case prey == nil:
		if r.rand.IntN(restful) == 0 {
			it.heading, it.speed = r.rand.Float64()*7, stroll*float64(r.rand.IntN(2))
		}
	case it.at.Distance(prey.at) > 1:
		it.heading, it.speed = it.at.Heading(prey.at), it.rules.Pace
	default:
		it.speed = 0
		if r.tick >= it.ready {
			it.ready = r.tick + restful
			prey.Hurt(bite)
		}
	}
	r.walk(it)
}
