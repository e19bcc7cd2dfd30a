package world

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

func at(x, y float64) interest.Point { return interest.Point{X: x, Y: y} }

// meadow is a region alone: square 0 of a world of four, 100 m each way.
func meadow(rules map[Kind]Rules) *Region {
	grid := interest.NewGrid[Sight](200, 200, 100)
	r := &Region{size: 200, where: grid.Square, rules: map[Kind]*Rules{}, rand: rand.New(rand.NewPCG(1, 1)), items: map[wire.ID]*Item{}, moved: map[wire.ID]move{}}
	r.least, r.largest = grid.Corners(0)
	next := wire.ID(1000)
	r.newID = func() wire.ID { next++; return next }
	for k, rules := range rules {
		r.rules[k] = &rules
	}
	return r
}

// person puts a client's character into a region.
func person(r *Region, id wire.ID, p interest.Point) *Item {
	r.enter(Enter{ID: id, Player: &Player{}, Props: &protocol.Props{Revision: 1, Name: "ann"}, At: p, Health: 100})
	return r.items[id]
}

// thing puts something else there.
func thing(r *Region, id wire.ID, kind Kind, p interest.Point) *Item {
	it := &Item{id: id, kind: kind, rules: r.rules[kind], health: r.rules[kind].Health, at: p, props: &protocol.Props{}, now: r.tick}
	r.add(it)
	return it
}

// to is a client's word that its character is at p.
func to(it *Item, p interest.Point) *protocol.Input {
	return &protocol.Input{Fix: it.fix, X: protocol.Coordinate(p.X), Y: protocol.Coordinate(p.Y), Speed: 8}
}

// Whatever a client says, its character gets nowhere faster than its kind walks,
// but for what the network may have held up.
func TestNobodyIsFasterThanAllowed(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		r := meadow(Standard())
		it := person(r, 1, at(50, 50))
		track := []interest.Point{it.at}
		for tick := uint64(1); tick < 300; tick++ {
			r.step(tick)
			for range rnd.IntN(5) {
				goal := at(200*rnd.Float64(), 200*rnd.Float64()) // a jump
				if rnd.IntN(10) > 0 {                            // or a dash, of a length that might be let through
					goal = it.at.Add(it.room*(0.5+0.6*rnd.Float64()), 7*rnd.Float64())
				}
				in := to(it, goal)
				if rnd.IntN(10) == 0 {
					in.Fix--
				}
				it.steer(in, r.inWorld)
			}
			track = append(track, it.at)
		}
		moved := 0.0
		for i, from := range track {
			for j, p := range track[i:] {
				d := from.Distance(p)
				if most := it.rules.Pace*(lenience*float64(j)/TickRate+patience) + protocol.Unit; d > most {
					t.Fatalf("seed %d: %.2f m in %d ticks, at most %.2f are allowed", seed, d, j, most)
				}
				moved = max(moved, d)
			}
		}
		if moved < 5 {
			t.Errorf("seed %d: it got %.1f m far: the test tests nothing", seed, moved)
		}
	}
}

// Who walks as fast as is allowed is never held up, be it that the network brings
// what it says in heaps.
func TestHonestWalkersAreNotRefused(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		r := meadow(Standard())
		it := person(r, 1, at(100, 100))
		p, heading := it.at, 0.0
		var held []*protocol.Input
		for tick := uint64(1); tick < 2000; tick++ {
			r.step(tick)
			if rnd.IntN(20) == 0 || p.Distance(at(100, 100)) > 60 {
				heading = p.Heading(at(100, 100)) + rnd.Float64() - 0.5
			}
			p = p.Add(it.rules.Pace/TickRate, heading)
			held = append(held, to(it, p))
			if len(held) < 9 && rnd.IntN(3) > 0 {
				continue
			}
			for _, in := range held {
				if !it.steer(in, r.inWorld) {
					t.Fatalf("seed %d: a step to %d, %d was refused in tick %d", seed, in.X, in.Y, tick)
				}
			}
			if held = nil; it.at.Distance(p) > protocol.Unit {
				t.Fatalf("it is at %v, its client says %v", it.at, p)
			}
		}
	}
}

func TestStepsThatCannotBe(t *testing.T) {
	r := meadow(Standard())
	it := person(r, 1, at(0.5, 0.5))
	for tick := range uint64(20) {
		r.step(tick + 1)
	}
	fix := it.fix
	old := to(it, at(1, 1)) // said before the client learns what follows
	far := to(it, at(50, 50))
	if it.steer(far, r.inWorld) || it.at != at(0.5, 0.5) || it.fix != fix+1 || it.speed != 0 {
		t.Errorf("after a jump: %+v", it)
	}
	if !it.steer(old, r.inWorld) || it.at != at(0.5, 0.5) || it.fix != fix+1 {
		t.Error("a step from where it has never been counts")
	}
	if !it.steer(to(it, at(1, 1)), r.inWorld) || it.at != at(1, 1) {
		t.Error("a step that could be was not made")
	}
	r.size = 1.5
	if it.steer(to(it, at(2, 1)), r.inWorld) || it.at != at(1, 1) {
		t.Error("it has left the world")
	}
	it.health = 0
	if !it.steer(to(it, at(1.2, 1)), r.inWorld) || it.at != at(1, 1) {
		t.Error("the dead walk")
	}
}

func TestWhoFallsSilentStops(t *testing.T) {
	r := meadow(Standard())
	it := person(r, 1, at(50, 50))
	it.steer(to(it, it.at), r.inWorld)
	for tick := range uint64(silence) {
		if r.step(tick + 1); it.speed != 1 {
			t.Fatalf("it stops after %d ticks", tick)
		}
	}
	if r.step(silence + 1); it.speed != 0 {
		t.Error("it walks on")
	}
}

func TestUse(t *testing.T) {
	for _, tt := range []struct {
		name string
		with func(r *Region, user, it *Item)
		want error
	}{
		{"near", func(*Region, *Item, *Item) {}, nil},
		{"far", func(_ *Region, _, it *Item) { it.at = it.at.Add(1.6, 0) }, errFar},
		{"taken", func(_ *Region, _, it *Item) { it.Hurt(1) }, errGone},
		{"dead", func(_ *Region, user, _ *Item) { user.health = 0 }, errDead},
		{"at once again", func(r *Region, user, _ *Item) { r.act(user) }, errTired},
		{"again", func(r *Region, user, _ *Item) { r.act(user); r.tick += pause }, nil},
		{"no use", func(_ *Region, _, it *Item) { it.rules = &Rules{} }, errUse},
	} {
		r := meadow(Standard())
		user, coin := person(r, 1, at(10, 10)), thing(r, 2, Coin, at(11, 10))
		tt.with(r, user, coin)
		err := r.act(user)
		var gain Gain
		if err == nil {
			gain, err = r.use(coin, user.id, user.at)
		}
		if err != tt.want && (err != nil || tt.want != nil) || (gain != Gain{}) != (tt.want == nil) {
			t.Errorf("%s: %+v, %v, want %v", tt.name, gain, err, tt.want)
		}
	}
	r := meadow(Standard())
	user := person(r, 1, at(10, 10))
	if _, err := r.use(user, user.id, user.at); err != errUse {
		t.Errorf("using oneself: %v", err)
	}
}

// A fight: ten hits are the end, and three seconds later it is alive again.
func TestFight(t *testing.T) {
	r := meadow(Standard())
	ann, bob := person(r, 1, at(10, 10)), person(r, 2, at(12, 10))
	fix := bob.fix
	for n := range 10 {
		gain, err := r.use(bob, ann.id, ann.at)
		if err != nil || (gain.Score > 0) != (n == 9) {
			t.Fatalf("hit %d: %+v, %v", n, gain, err)
		}
		ann.gain(gain)
	}
	if bob.health != 0 || ann.props.Score != 5 || ann.props.Revision != 2 || bob.fix == fix {
		t.Errorf("%+v, %+v", bob, ann.props)
	}
	bob.gain(Gain{Health: 50})
	for tick := range uint64(59) {
		if r.step(tick + 1); bob.health != 0 {
			t.Fatalf("alive after %d ticks", tick+1)
		}
	}
	if r.step(60); bob.health != 100 || bob.at == at(12, 10) || bob.back != 0 {
		t.Errorf("%+v", bob)
	}
	ann.health = 90
	if ann.gain(Gain{Health: 50}); ann.health != 100 {
		t.Errorf("a health of %d", ann.health)
	}
}

func TestWhatIsTakenReturns(t *testing.T) {
	r := meadow(Standard())
	coin := thing(r, 2, Coin, at(11, 10))
	coin.Hurt(1)
	for tick := range uint64(299) {
		if r.step(tick + 1); coin.health != 0 {
			t.Fatalf("back after %d ticks", tick+1)
		}
	}
	if r.step(300); coin.health != 1 || !r.has(coin.at) {
		t.Errorf("%+v", coin)
	}
}

// A wolf runs after people, bites, and stays in its region.
func TestWolf(t *testing.T) {
	r := meadow(Standard())
	wolf, ann := thing(r, 1, Wolf, at(50, 50)), person(r, 2, at(57, 50))
	for tick := uint64(1); tick <= 100; tick++ {
		r.step(tick)
	}
	if wolf.at.Distance(ann.at) > 1.3 || ann.health != 100-bite && ann.health != 100-2*bite {
		t.Errorf("after 5 s it is %.1f m away, and her health is %d", wolf.at.Distance(ann.at), ann.health)
	}
	ann.at = at(150, 50) // in the next region
	strolled := 0.0
	for tick := uint64(101); tick <= 20_000; tick++ {
		before := wolf.at
		r.step(tick)
		if strolled += before.Distance(wolf.at); !r.has(wolf.at) {
			t.Fatalf("it is at %v", wolf.at)
		}
	}
	if strolled < 100 {
		t.Errorf("it strolled %.0f m in a quarter of an hour", strolled)
	}
}

func TestLeavingTheRegion(t *testing.T) {
	r := meadow(Standard())
	it := person(r, 1, at(99.9, 50))
	person(r, 2, at(50, 50)).player.Leave()
	for tick := range uint64(10) {
		r.step(tick + 1)
	}
	if r.items[2] != nil || len(r.order) != 1 {
		t.Error("who has left is there")
	}
	it.steer(to(it, at(100, 50)), r.inWorld)
	if out := r.step(11); len(out) != 1 || out[0] != it || len(r.sights()) != 1 {
		t.Fatalf("%v leave, %d are seen", out, len(r.sights()))
	}
	if out := r.step(12); len(out) != 1 {
		t.Error("what was not sent on does not leave any more")
	}
	r.gone(it, 1)
	if r.items[1] != nil || len(r.sights()) != 0 || r.moved[1].square != 1 {
		t.Error("it is there still")
	}
	for tick := uint64(13); tick < 200; tick++ {
		r.step(tick)
	}
	if len(r.moved) != 0 {
		t.Errorf("%d are remembered", len(r.moved))
	}
	r.gone(person(r, 1, at(50, 50)), 1)
	r.add(it)
	if len(r.moved) != 0 || len(r.order) != 1 {
		t.Error("who is back counts as gone")
	}
}

// What a region has published is what it begins with again.
func TestRecover(t *testing.T) {
	r := meadow(Standard())
	r.populate()
	if len(r.order) != 3 {
		t.Fatalf("%d items", len(r.order))
	}
	ann, bob := person(r, 1, at(10, 10)), person(r, 2, at(20, 20))
	ann.gain(Gain{Score: 7})
	ann.fix, ann.health = 9, 50
	bob.Hurt(100)
	person(r, 3, at(150, 50)) // is leaving
	r.step(1)
	list := r.sights()
	fresh := meadow(Standard())
	fresh.recover(1, list)
	list = slices.DeleteFunc(list, func(s interest.Sighting[Sight]) bool { return s.ID == 3 })
	if got := fresh.sights(); !slices.Equal(got, list) {
		t.Errorf("recovered\n%+v, want\n%+v", got, list)
	}
	if fresh.items[2].back != 1+60 {
		t.Errorf("bob returns in tick %d", fresh.items[2].back)
	}
	if it := fresh.items[1]; !it.steer(to(it, it.at), fresh.inWorld) || it.player != ann.player {
		t.Error("ann is somebody else's")
	}
}

// An item from a region that is ahead by some ticks is none the worse.
func TestRegionsOutOfStep(t *testing.T) {
	r := meadow(Standard())
	r.step(5)
	it := person(r, 1, at(50, 50))
	it.now, it.heard = 7, 7
	for tick := uint64(6); tick < 10; tick++ {
		r.step(tick)
		if it.room < 0 || math.IsInf(it.room, 0) || it.room > 1 {
			t.Fatalf("it may walk %v m", it.room)
		}
	}
	if it.now != 9 {
		t.Errorf("its time is %d", it.now)
	}
}

// Entering again takes over the character that is there.
func TestEnterAgain(t *testing.T) {
	r := meadow(Standard())
	it := person(r, 1, at(50, 50))
	it.gain(Gain{Score: 3})
	old, again := it.player, &Player{}
	r.enter(Enter{ID: 1, Player: again, Props: &protocol.Props{}, At: at(10, 10), Health: 1})
	if it.player != again || it.health != 100 || it.at != at(50, 50) || it.props.Score != 3 || len(r.order) != 1 {
		t.Errorf("%+v", it)
	}
	if r.steered(1, old) != nil || r.steered(1, again) != it || r.steered(2, again) != nil {
		t.Error("who steers?")
	}
}
