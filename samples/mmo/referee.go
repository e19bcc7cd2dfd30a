package main

import (
	"fmt"
	"math"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// Violations count what bots were told and should not have been, or the reverse.
type Violations struct {
	Missing  uint64 // not shown, though in view for a second
	Ghosts   uint64 // shown, though out of view for a second
	Wrong    uint64 // shown where it was not at that tick
	Stale    uint64 // shown where it was more than a second ago, though it has moved since
	Silent   uint64 // not told anything for three seconds
	Examples []string
}

// Total is how many there are.
func (v *Violations) Total() uint64 { return v.Missing + v.Ghosts + v.Wrong + v.Stale + v.Silent }

func (v *Violations) String() string {
	if v.Total() == 0 {
		return "no violation"
	}
	return fmt.Sprintf("VIOLATIONS: %d missing, %d ghosts, %d wrong, %d stale, %d silent", v.Missing, v.Ghosts, v.Wrong, v.Stale, v.Silent)
}

func (v *Violations) note(count *uint64, format string, args ...any) {
	if *count++; len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

func (v *Violations) add(o *Violations) {
	v.Missing += o.Missing
	v.Ghosts += o.Ghosts
	v.Wrong += o.Wrong
	v.Stale += o.Stale
	v.Silent += o.Silent
	v.Examples = append(v.Examples, o.Examples[:min(len(o.Examples), maxExamples-len(v.Examples))]...)
}

const (
	maxExamples = 10
	allowance   = world.TickRate  // ticks for what the server does to reach the bots
	longest     = 3 * time.Second // from update to update
	margin      = 5               // metres, that two may have moved between two of the moments looked at
)

// witness is what a bot knows at a moment: where it was itself, which is the
// truth, and where it is shown others.
type witness struct {
	id    wire.ID
	tick  uint32
	was   [keep]protocol.Own
	when  [keep]uint32
	shown map[wire.ID]shown
	stale uint32        // ticks after which what is shown is out of date
	since time.Duration // it was told anything
}

type shown struct {
	protocol.State
	tick   uint32
	direct bool // the player itself has said where it is, a moment ago
}

// testify writes down what a bot knows.
func (b *bot) testify() *witness {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &witness{id: b.c.ID(), tick: b.mirror.Tick, was: b.was, when: b.when, shown: make(map[wire.ID]shown, b.mirror.Len()), stale: allowance, since: time.Since(b.last)}
	if b.w.P2P {
		w.stale += world.TickRate // who has just fallen silent was told of by the server up to a second ago
	}
	now := b.c.ServerTime()
	for t := range b.mirror.All() {
		s := shown{State: t.State, tick: t.Tick}
		if h := b.others[t.ID]; h != nil {
			_, s.direct = h.last(now)
		}
		w.shown[t.ID] = s
	}
	return w
}

// at is where the bot was at a tick; ok is false when it does not know.
func (w *witness) at(tick uint32) (o protocol.Own, ok bool) {
	i := tick % keep
	return w.was[i], w.when[i] == tick && tick > 0
}

// path is where a bot was at some moments around the one that is judged: a second
// before, half a second before, at it, and a little later.
type path struct {
	id wire.ID
	at [5]interest.Point
}

const judged = 2 // the moment that is

// paths are those of all that were in the world. All are as of the same ticks, or
// some later where a bot had no update.
func paths(all []*witness, first, last uint32) (list []*path) {
next:
	for _, w := range all {
		p := &path{id: w.id}
		for i, tick := range [len(p.at)]uint32{first - allowance, first - allowance/2, judged: first, last, last + 1} {
			o, ok := w.at(tick)
			for late := uint32(1); !ok && late <= 4; late++ {
				o, ok = w.at(tick + late)
			}
			if !ok {
				continue next
			}
			p.at[i] = place(o.X, o.Y)
		}
		list = append(list, p)
	}
	return list
}

// distances are the least and the largest there were between two.
func (p *path) distances(q *path) (nearest, farthest float64) {
	nearest = math.Inf(1)
	for i := range p.at {
		d := p.at[i].Distance(q.at[i])
		nearest, farthest = min(nearest, d), max(farthest, d)
	}
	return nearest, farthest
}

// judge compares what bots were shown at a moment with where bots were, as is
// known a little later. shown is how many items they were shown on average,
// whatever the kind, sighted how many of the bots have been told often enough for
// what they saw to be judged.
func judge(then, now []*witness, enter, exit float64) (v Violations, shown float64, sighted int) {
	if len(then) == 0 {
		return v, 0, 0
	}
	byID := make(map[wire.ID]*witness, len(now))
	for _, w := range now {
		byID[w.id] = w
		if w.since > longest {
			v.note(&v.Silent, "%v has been told nothing for %v", w.id, w.since)
		}
	}
	first, last := then[0].tick, then[0].tick
	for _, w := range then {
		first, last = min(first, w.tick), max(last, w.tick)
		shown += float64(len(w.shown)) / float64(len(then))
	}
	all := paths(now, first, last)
	known := make(map[wire.ID]*path, len(all))
	for _, p := range all {
		known[p.id] = p
	}
	for _, w := range then {
		w.judgeShown(&v, byID)
		if own := known[w.id]; own != nil {
			w.judgeView(&v, own, known, all, enter, exit)
			sighted++
		}
	}
	return v, shown, sighted
}

// judgeView looks for whom the bot should have seen and did not, or the reverse.
func (w *witness) judgeView(v *Violations, own *path, known map[wire.ID]*path, all []*path, enter, exit float64) {
	for _, p := range all { // as many as there are bots: what most are is found out first
		if own.at[judged].Distance(p.at[judged]) >= enter-margin || p.id == w.id {
			continue
		}
		if _, seen := w.shown[p.id]; seen {
			continue
		}
		if _, farthest := own.distances(p); farthest < enter-margin {
			v.note(&v.Missing, "%v does not see %v, who has been within %.1f m", w.id, p.id, farthest)
		}
	}
	for id := range w.shown {
		p := known[id]
		if p == nil || id == w.id {
			continue
		}
		if nearest, _ := own.distances(p); nearest > exit+margin {
			v.note(&v.Ghosts, "%v sees %v, who has been beyond %.1f m", w.id, id, nearest)
		}
	}
}

// judgeShown looks at those the bot is shown.
func (w *witness) judgeShown(v *Violations, byID map[wire.ID]*witness) {
	for id, s := range w.shown {
		truth := byID[id]
		if truth == nil || id == w.id {
			continue // not a bot
		}
		then, ok := truth.at(s.tick)
		if ok && (then.X != s.X || then.Y != s.Y) {
			v.note(&v.Wrong, "%v sees %v at %d, %d as of tick %d, when it was at %d, %d", w.id, id, s.X, s.Y, s.tick, then.X, then.Y)
		}
		later, known := truth.at(w.tick - w.stale)
		if known && !s.direct && int32(w.tick-w.stale-s.tick) > 0 && (later.X != s.X || later.Y != s.Y) {
			v.note(&v.Stale, "%v sees %v at %d, %d as of %d ticks ago; it was at %d, %d %d ticks ago", w.id, id, s.X, s.Y, w.tick-s.tick, later.X, later.Y, w.stale)
		}
	}
}
