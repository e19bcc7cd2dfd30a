package protocol

import (
	"math"

	"github.com/troupe-go/troupe/wire"
)

// Track is an item as one client is told of it. Its [Sender] owns it.
type Track struct {
	ID   wire.ID
	Kind uint8
	Mute bool // its state is not said: that of the client's own character, which each update begins with

	stage  stage
	slot   int
	roster uint64 // that has introduced it, or says goodbye

	// as it is
	now      State
	tick     uint64 // at which it was so
	distance float64
	props    *Props

	// as the client knows it, and as it was told
	known    State
	knownBy  uint64 // number of the update that has told; 0: the roster
	unsure   bool   // whether the client knows that, or something later
	sent     State
	sentAt   uint64 // tick
	revision uint32
	changed  bool // it waits in Sender.changed
	direct   bool // the client hears of it without the server
}

// stage is how far a client has got with an item.
type stage uint8

const (
	waiting stage = iota // to be introduced
	told                 // introduced; the client has not said that it knows
	live                 // it has
	leaving              // to be said goodbye
	gone                 // the goodbye is said; when the client has said that it knows, its slot is free
)

// urgent reports whether something is to be said of the item at a tick. check says
// that it is the time to do so of what the client hears of without the server.
func (t *Track) urgent(tick uint64, check bool) bool {
	if t.stage != live || t.Mute || t.age(tick) > maxAge {
		return false
	}
	if t.direct {
		return check // also when it stands: it may have said that it walks
	}
	return t.now != t.sent || tick-t.sentAt >= sayAgain && (t.now != t.known || t.unsure)
}

// age is for how many ticks the state has been known, at the most maxAge. It is
// below 0 where the item has been seen later than what else is told of.
func (t *Track) age(tick uint64) int8 {
	return int8(min(max(int64(tick-t.tick), math.MinInt8), math.MaxInt8))
}

// change is what is to be said: the difference from what the client knows where
// that is certain.
func (t *Track) change(slot int, tick uint64, whole bool) Change {
	c := Change{what: hasAll, State: t.now}
	if !whole && !t.unsure {
		c = difference(t.known, t.now)
	}
	c.Slot, c.Age = slot, t.age(tick)
	return c
}

// score is the more, the nearer the item is and the longer nothing was said.
func (t *Track) score(tick uint64) float32 {
	return float32(float64(tick-t.sentAt) / (1 + t.distance/halfway))
}

const (
	maxAge     = 100 // ticks: what is older is not told any more
	sayAgain   = 4   // ticks until what was said, and not acknowledged, is said again
	checkEvery = 20  // ticks from saying to saying where those are whom the client hears without the server: all at once, so that most ticks need no update
	heartbeat  = 4   // ticks from update to update when there is nothing to say
	halfway    = 10  // metres at which an item counts half as much as at none
)
