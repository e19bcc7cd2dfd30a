package world

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }

// visitor stands for a player's actor.
type visitor struct {
	w      *World
	id     wire.ID
	probe  *actortest.Probe
	player *Player
	last   *Look
}

// bomb is a kind whose rules have a fault: used, it fails in the region's next step.
const bomb Kind = 99

var fault = Rules{
	Name: "bomb", Health: 1, PerRegion: 1, Reach: 1000,
	Use: func(it *Item) Gain {
		it.heading = 1
		return Gain{}
	},
	Think: func(_ *Region, it *Item) {
		if it.heading == 1 {
			panic("boom")
		}
	},
}

func begin(t *testing.T) (*World, *actor.System) {
	t.Helper()
	rules := Standard()
	delete(rules, Wolf) // nobody gets hurt
	rules[bomb] = fault
	sys := actortest.New(t)
	w, err := New(sys, Config{Size: 256, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return w, sys
}

func enter(w *World, sys *actor.System, id wire.ID, p interest.Point) *visitor {
	v := &visitor{w: w, id: id, probe: actortest.NewProbe(sys)}
	v.enter(p)
	return v
}

func (v *visitor) enter(p interest.Point) {
	v.player = &Player{Ref: v.probe.Ref()}
	v.w.Send(v.w.grid.Square(p), Enter{ID: v.id, Player: v.player, Props: &protocol.Props{Revision: 1}, At: p, Health: 100})
}

// looks are those that have come since the last time.
func (v *visitor) looks() (list []*Look) {
	for _, m := range v.probe.All() {
		v.last = m.(*Look)
		list = append(list, v.last)
	}
	return list
}

// wait lets n ticks pass. Time begins in the middle between two.
func wait(n int) {
	time.Sleep(time.Duration(n) * Tick)
	synctest.Wait()
}

// sightings are all of an item, wherever it is listed.
func (w *World) sightings(id wire.ID) (list []interest.Sighting[Sight]) {
	for square := range w.grid.Len() {
		_, items := w.grid.Published(square)
		for _, s := range items {
			if s.ID == id {
				list = append(list, s)
			}
		}
	}
	return list
}

// Whoever looks at a tick finds all of the world as of that tick.
func TestAllRegionsShowTheSameTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sys := begin(t)
		var visitors []*visitor
		for n := range 16 {
			visitors = append(visitors, enter(w, sys, wire.ID(n+1), at(float64(n%4*64+5), float64(n/4*64+5))))
		}
		wait(1)
		time.Sleep(Tick / 2)
		for tick := uint64(2); tick < 10; tick++ {
			wait(1)
			for _, v := range visitors {
				looks := v.looks()
				if l := looks[len(looks)-1]; l.Tick != tick || l.Player != v.player || l.Square != w.grid.Square(l.At) {
					t.Fatalf("tick %d: %d looks, the last is %+v", tick, len(looks), l)
				}
			}
			for square := range w.grid.Len() {
				if got, items := w.grid.Published(square); got != tick || len(items) != 4 {
					t.Fatalf("tick %d: square %d has %d items of tick %d", tick, square, len(items), got)
				}
			}
			if now := w.Begin().Add(time.Duration(tick) * Tick); time.Since(now).Abs() > Tick {
				t.Errorf("tick %d is said to be at %v, it is %v", tick, now, time.Now())
			}
		}
	})
}

// Who walks from region to region is seen in each tick, once, and sees in each.
func TestWalkAcrossTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sys := begin(t)
		v := enter(w, sys, 1, at(10, 20))
		time.Sleep(Tick / 2)
		wait(2)
		v.looks()
		squares := map[int]bool{}
		p := at(10, 20)
		for p.X < 230 && p.Y < 230 {
			p = p.Add(5.9/TickRate, 0.7)
			w.Send(v.last.Square, &Steer{ID: 1, Player: v.player, Input: protocol.Input{Fix: v.last.Fix, X: protocol.Coordinate(p.X), Y: protocol.Coordinate(p.Y), Speed: 40}})
			wait(1)
			looks := v.looks()
			seen := w.sightings(1)
			if len(looks) != 1 || len(seen) != 1 || seen[0].Item != looks[0].Sight || seen[0].At != looks[0].At {
				t.Fatalf("near %v: %d looks, seen as %+v", p, len(looks), seen)
			}
			if d := v.last.At.Distance(p); d > protocol.Unit { // also in crossing, where the next region has it by now
				t.Fatalf("it is %.2f m from where it says", d)
			}
			squares[looks[0].Square] = true
		}
		if len(squares) < 6 || w.Stats().Refused > 0 {
			t.Errorf("it came by %d regions, %d steps were refused", len(squares), w.Stats().Refused)
		}
	})
}

// What two do at a border is done in both regions.
func TestUseAcrossABorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sys := begin(t)
		ann, bob := enter(w, sys, 1, at(63, 20)), enter(w, sys, 2, at(65, 20))
		time.Sleep(Tick / 2)
		wait(1)
		ann.looks()
		var answers []error
		done := func(err error) { answers = append(answers, err) }
		for range 10 {
			w.Send(ann.last.Square, Use{ID: 1, Player: ann.player, Target: 2, Square: w.grid.Square(bob.last.at()), Answer: done})
			wait(pause)
			ann.looks()
			bob.looks()
		}
		if len(answers) != 10 || errors.Join(answers...) != nil {
			t.Errorf("answered with %v", answers)
		}
		if bob.last.Health != 0 || ann.last.Props.Score != 5 {
			t.Errorf("his health is %d, her score %d", bob.last.Health, ann.last.Props.Score)
		}
	})
}

func (l *Look) at() interest.Point {
	if l == nil {
		return at(65, 20)
	}
	return l.At
}

// A region panics: what was there is there again with the next tick, and others
// have noticed nothing.
func TestRegionThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sys := begin(t)
		ann, bob := enter(w, sys, 1, at(20, 20)), enter(w, sys, 2, at(80, 20))
		time.Sleep(Tick / 2)
		wait(3)
		ann.looks()
		bob.looks()
		_, before := w.grid.Published(0)
		w.Send(0, Use{ID: 1, Player: ann.player, Target: w.bombIn(0), Answer: func(error) {}})
		for tick := range 20 {
			wait(1)
			if a, b := len(ann.looks()), len(bob.looks()); a != 1 && tick > 0 || b != 1 {
				t.Errorf("%d ticks later: %d looks there, %d elsewhere", tick+1, a, b)
			}
		}
		_, after := w.grid.Published(0)
		if w.Stats().Restarts != 1 || len(after) != len(before) {
			t.Fatalf("%d restarts, %d items, %d before", w.Stats().Restarts, len(after), len(before))
		}
		for i := range before {
			if after[i].ID != before[i].ID || after[i].Item.Props != before[i].Item.Props || after[i].At.Distance(before[i].At) > 3 {
				t.Errorf("%+v has become %+v", before[i], after[i])
			}
		}
	})
}

// A region that takes its time keeps the others from nothing but being shown at
// once.
func TestSlowRegionHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := Standard()
		rules[bomb] = Rules{
			Name: "sloth", Health: 1, PerRegion: 1, Reach: 1000, Use: func(it *Item) Gain { it.heading = 1; return Gain{} },
			Think: func(_ *Region, it *Item) {
				if it.heading == 1 {
					time.Sleep(5*Tick + 3*Tick/4)
					it.heading = 0
				}
			},
		}
		sys := actortest.New(t)
		w, err := New(sys, Config{Size: 256, Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		ann, bob := enter(w, sys, 1, at(20, 20)), enter(w, sys, 2, at(80, 20))
		time.Sleep(Tick / 2)
		wait(3)
		w.Send(0, Use{ID: 1, Player: ann.player, Target: w.bombIn(0), Answer: func(error) {}})
		wait(1)
		ann.looks()
		bob.looks()
		wait(5)
		if a, b := len(ann.looks()), len(bob.looks()); a != 0 || b != 6 {
			t.Errorf("%d looks there, %d elsewhere", a, b)
		}
		wait(2)
		ann.looks()
		if bob.looks(); ann.last.Tick != bob.last.Tick {
			t.Errorf("tick %d there, %d elsewhere", ann.last.Tick, bob.last.Tick)
		}
	})
}

func (w *World) bombIn(square int) wire.ID {
	_, items := w.grid.Published(square)
	for _, s := range items {
		if s.Item.Kind == bomb {
			return s.ID
		}
	}
	return wire.None
}

// One that panics again and again is replaced. Its people are gone, but find it out
// and can enter again; the others go on.
func TestRegionThatPanicsTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sys := begin(t)
		ann, bob := enter(w, sys, 1, at(20, 20)), enter(w, sys, 2, at(80, 20))
		time.Sleep(Tick / 2)
		for range 3 {
			wait(pause + 1)
			w.Send(0, Use{ID: 1, Player: ann.player, Target: w.bombIn(0), Answer: func(error) {}})
		}
		wait(1)
		ann.looks()
		bob.looks()
		wait(20)
		if a, b := len(ann.looks()), len(bob.looks()); a != 0 || b != 20 {
			t.Errorf("%d looks there, %d elsewhere", a, b)
		}
		if tick, items := w.grid.Published(0); tick != bob.last.Tick || len(items) != 3 {
			t.Errorf("%d items at tick %d", len(items), tick)
		}
		ann.enter(at(20, 20))
		wait(2)
		if len(ann.looks()) == 0 || len(w.sightings(1)) != 1 {
			t.Error("she can't come back")
		}
	})
}

// A character that is lost and found is not there twice for long.
func TestGhosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sys := begin(t)
		ann := enter(w, sys, 1, at(20, 20))
		time.Sleep(Tick / 2)
		wait(2)
		ann.player.Leave()
		ann.enter(at(100, 100))
		wait(1)
		if seen := w.sightings(1); len(seen) != 1 || seen[0].At != at(100, 100) {
			t.Errorf("seen as %+v", seen)
		}
	})
}

func TestConfig(t *testing.T) {
	sys := actortest.New(t)
	for _, cfg := range []Config{
		{Size: -1}, {Size: 5000}, {Size: math.NaN()}, {Region: 0.1}, {Rules: map[Kind]Rules{Wolf: {}}}, {Rules: map[Kind]Rules{Wolf: {Health: 256}}},
	} {
		if _, err := New(sys, cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	w, err := New(sys, Config{})
	if err != nil || w.Size() != 512 || w.grid.Len() != 64 || len(w.Rules()) != len(Standard()) {
		t.Errorf("the zero Config: %v", err)
	}
	if err := w.Send(0, Leftover{}); err != nil {
		t.Error(err)
	}
	if err := sys.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(0, Leftover{}); !errors.Is(err, actor.ErrStopped) {
		t.Error(err)
	}
	if w, err := New(sys, Config{}); err == nil || w != nil {
		t.Error("a world in a system that has ended")
	}
}

// Leftover is a message that regions don't know.
type Leftover struct{}
