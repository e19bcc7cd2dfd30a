package world

import (
	"sync/atomic"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// Item is a thing in the world. It belongs to one region at a time.
type Item struct {
	id     wire.ID
	kind   Kind
	rules  *Rules
	props  *protocol.Props // not changed: others take its place
	player *Player         // who steers it, or nil

	at             interest.Point
	heading, speed float64
	health         int

	fix    uint8   // counts what its client has to accept: it is elsewhere than the client thought
	room   float64 // metres that it may go at once
	now    uint64  // the region's tick, as far as the item knows
	listed uint64  // tick in whose list it was last
	heard  uint64  // tick of its client's last word
	ready  uint64  // tick from which it may act again
	back   uint64  // tick at which it returns; 0 unless its health is used up
}

// Player is a client, as regions know it: one stay of its character in the world.
type Player struct {
	Ref   actor.Ref     // gets a *Look each tick
	Group *groups.Group // whoever has the player in view may be in it

	left atomic.Bool
}

// Leave ends the stay: the character is gone with the next tick, wherever it is.
func (p *Player) Leave() { p.left.Store(true) }

// Sight is what everybody may see of an item.
type Sight struct {
	Kind Kind
	protocol.State
	Props  *protocol.Props
	Player *Player
	Fix    uint8 // for the player alone
}

// Hurt takes health, and reports whether it was the last.
func (it *Item) Hurt(n int) (last bool) {
	if it.health == 0 {
		return false
	}
	if it.health = max(it.health-n, 0); it.health > 0 {
		return false
	}
	it.speed = 0
	it.fix++
	it.back = it.now + ticks(it.rules.Returns)
	return true
}

// gain gives a person what it has earned.
func (it *Item) gain(g Gain) {
	if it.health > 0 {
		it.health = min(it.health+g.Health, it.rules.Health)
	}
	if g.Score != 0 {
		p := *it.props
		p.Revision++
		p.Score += uint32(g.Score)
		it.props = &p
	}
}

const (
	patience = 0.5  // seconds of walking that may arrive at once, as the network has it
	lenience = 1.05 // clocks differ
	silence  = TickRate / 2
)

// steer takes a client's word on where its character is, if it may be there. Of
// what the client says until it has learned that it may not, nothing counts.
func (it *Item) steer(in *protocol.Input, inside func(interest.Point) bool) (ok bool) {
	it.heard = it.now
	if it.health == 0 || in.Fix != it.fix {
		return true
	}
	to := interest.Point{X: protocol.Metres(in.X), Y: protocol.Metres(in.Y)}
	d := it.at.Distance(to)
	if d > it.room || !inside(to) {
		it.fix++
		it.speed = 0
		return false
	}
	it.room -= d
	it.at, it.heading = to, protocol.Radians(in.Heading)
	it.speed = min(float64(in.Speed)*protocol.SpeedUnit, it.rules.Pace)
	return true
}

// step is the passing of time for an item.
func (it *Item) step(tick uint64) {
	if tick <= it.now { // it came from a region that is ahead
		return
	}
	dt := float64(tick-it.now) / TickRate
	it.now = tick
	it.room = min(it.room+dt*it.rules.Pace*lenience, patience*it.rules.Pace)
	if it.player != nil && tick > it.heard+silence {
		it.speed = 0 // its client has fallen silent
	}
}

// sight is the item as others see it.
func (it *Item) sight() interest.Sighting[Sight] {
	return interest.Sighting[Sight]{ID: it.id, At: it.at, Item: Sight{
		Kind: it.kind, Props: it.props, Player: it.player, Fix: it.fix,
		State: protocol.State{
			X: protocol.Coordinate(it.at.X), Y: protocol.Coordinate(it.at.Y),
			Heading: protocol.Heading(it.heading), Speed: protocol.Speed(it.speed), Health: uint8(it.health),
		},
	}}
}
