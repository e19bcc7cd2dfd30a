package world

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// World is all regions together. Its methods may be called from any goroutine.
type World struct {
	// set once
	cfg   Config
	sys   *actor.System
	rules map[Kind]*Rules
	grid  *interest.Grid[Sight]
	begin time.Time // of tick 0

	regions []atomic.Pointer[actor.Ref] // by square
	shown   atomic.Uint64               // ticks
	refused atomic.Uint64
	restart atomic.Uint64
}

// Stats counts since the start.
type Stats struct {
	Refused  uint64 // steps of clients that could not be
	Restarts uint64 // of regions that had panicked
}

// New makes a world, whose actors belong to sys.
func New(sys *actor.System, cfg Config) (*World, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	w := &World{cfg: cfg, sys: sys, rules: make(map[Kind]*Rules), grid: interest.NewGrid[Sight](cfg.Size, cfg.Size, cfg.Region)}
	for k, r := range cfg.Rules {
		w.rules[k] = &r
	}
	w.regions = make([]atomic.Pointer[actor.Ref], w.grid.Len())
	ref := sys.Spawn(actor.Props{Name: "clock", NeverBlocks: true, Mailbox: 16 + 4*w.grid.Len()}, func() actor.Behavior { return &clock{w: w} })
	begin, err := actor.Ask[time.Time](context.Background(), ref, whenBegun{}) // the clock answers at once, or stops with sys
	if err != nil {
		return nil, err
	}
	w.begin = begin
	return w, nil
}

// Size is the length of the world's sides, in metres.
func (w *World) Size() float64 { return w.cfg.Size }

// Rules are those of the kinds. They must not be changed.
func (w *World) Rules() map[Kind]Rules { return w.cfg.Rules }

// Grid is where everything is seen.
func (w *World) Grid() *interest.Grid[Sight] { return w.grid }

// Begin is the time of tick 0.
func (w *World) Begin() time.Time { return w.begin }

// Anywhere is some place in the world.
func (w *World) Anywhere() interest.Point {
	return interest.Point{X: rand.Float64() * w.cfg.Size, Y: rand.Float64() * w.cfg.Size}
}

// Shown is how many ticks have been shown to players so far.
func (w *World) Shown() uint64 { return w.shown.Load() }

// Stats may be called at any time.
func (w *World) Stats() Stats { return Stats{Refused: w.refused.Load(), Restarts: w.restart.Load()} }

// Send sends a region a message: [Enter], *[Steer] or [Use]. An error says
// that it did not take it; what matters is then sent again later.
func (w *World) Send(square int, msg any) error {
	if ref := w.regions[square].Load(); ref != nil {
		return ref.Send(msg)
	}
	return actor.ErrNobody
}

// Enter puts a player's character into the world, or back into it.
type Enter struct {
	ID     wire.ID
	Player *Player
	Props  *protocol.Props
	At     interest.Point
	Health int
	Fix    uint8
}

// Steer is a client's word on where its character is.
type Steer struct {
	ID     wire.ID
	Player *Player
	Input  protocol.Input
}

// Use has a player's character use an item: hit it, take it, whatever its kind's
// rules say. Square is where the item was seen.
type Use struct {
	ID     wire.ID
	Player *Player
	Target wire.ID
	Square int
	Answer func(error) // called once, from any goroutine; the error is a *peers.Error
}

// Look shows a player's character as it is at a tick. It comes from the region
// that the character belongs to. Of the others there is then what is to be seen of
// the same tick.
type Look struct {
	Tick   uint64
	Square int
	Player *Player
	At     interest.Point
	Sight
}
