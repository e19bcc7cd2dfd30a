package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// bot is a client that strolls about, hits and takes what it comes by, and talks.
// It keeps a record of where it was and of what it was told.
type bot struct {
	w     welcome
	crowd bool
	c     *client.Client // set by OnOpen

	mu     sync.Mutex
	mirror protocol.Mirror
	at     interest.Point // where it is, as far as it knows; the server agrees while fix is Own's
	fix    uint8
	placed bool
	home   interest.Point // around which it strolls
	goal   interest.Point
	acted  time.Time
	buf    []byte

	own    *client.Group // its view group, once it is in
	others map[wire.ID]*hearsay

	was   [keep]protocol.Own // by tick: where the server says it was
	when  [keep]uint32
	last  time.Time // when the newest update came
	count counts
	fault error
}

// counts are what a bot has had to do with since they were taken.
type counts struct {
	packets uint64 // updates
	ages    ages   // of what they and moves told
	heard   uint64 // lines
	moves   uint64 // of others, told by themselves
	bytes   uint64 // from the server, since the beginning
}

var smallTalk = [...]string{
	"Has anybody seen my sword?", "Nice day, is it not?", "Mind the wolf.", "There is gold in the north.",
	"Wait for me!", "Who is that over there?", "I have lost my way again.", "One more coin and I go home.",
}

const (
	keep  = 128 // ticks for which a bot knows where it was
	brisk = 0.9 // of the pace that is allowed
)

// join brings a bot to a server.
func join(ctx context.Context, o options, name string) (*bot, error) {
	payload, err := json.Marshal(hello{name})
	if err != nil {
		return nil, err
	}
	b := &bot{crowd: o.crowd, others: make(map[wire.ID]*hearsay)}
	cfg := client.Config{
		App: "mmo", Payload: payload, Pin: o.pin, StreamOnly: true, RelayOnly: o.relay, // by TLS alone, or by UDP alone
		DialContext: o.dial,
		OnOpen:      b.opened, OnEvent: b.event, OnGroup: b.entered,
	}
	if strings.HasPrefix(o.connect, "ws://") {
		cfg.Pin = "" // has no key
	}
	if _, err = client.Dial(ctx, cfg, o.connect); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, b.err()
}

func (b *bot) opened(c *client.Client) {
	b.c = c
	b.fault = json.Unmarshal(c.Reply(), &b.w)
	b.last = time.Now()
}

// event is the client's OnEvent.
func (b *bot) event(e wire.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Code {
	case evRoster:
		b.failed(b.mirror.Roster(e.Payload))
	case evUpdate:
		b.count.packets++
		fresh, err := b.mirror.Update(e.Payload)
		b.failed(err)
		i := b.mirror.Tick % keep
		b.was[i], b.when[i], b.last = b.mirror.Own, b.mirror.Tick, time.Now()
		now := b.c.ServerTime()
		for _, t := range fresh {
			then := b.w.timeOf(t.Tick)
			b.count.ages.add(now.Sub(then))
			if h := b.others[t.ID]; h != nil {
				h.check(t.State, then, now)
			}
		}
	}
}

// failed notes the first thing that must not be.
func (b *bot) failed(err error) {
	if b.fault == nil && err != nil {
		b.fault = err
	}
}

// act is what a bot does in a tick.
func (b *bot) act(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mirror.Tick == 0 {
		return // it is not in the world yet
	}
	own := b.mirror.Own
	if !b.placed || own.Fix != b.fix {
		b.at, b.fix, b.placed, b.acted = place(own.X, own.Y), own.Fix, true, now
		b.home = b.at
		b.goal = b.somewhere()
	}
	in := protocol.Input{Fix: b.fix, Ack: b.mirror.Ack()}
	if own.Health > 0 {
		in.Heading, in.Speed = b.walk(min(now.Sub(b.acted).Seconds(), 0.25))
	}
	b.acted = now
	in.X, in.Y = protocol.Coordinate(b.at.X), protocol.Coordinate(b.at.Y)
	b.tell(&in)
	b.buf = in.Append(b.buf[:0])
	b.c.Notify(opInput, wire.Payload(b.buf), wire.Sequenced(0)) // the next one makes up for an error
	if !b.crowd && rand.IntN(world.TickRate) == 0 {             // a fight would scatter the crowd
		b.useSomething()
	}
	if rand.IntN(30*world.TickRate) == 0 {
		b.notify(opSay, sayRequest{smallTalk[rand.IntN(len(smallTalk))]})
	}
}

// walk goes on toward the goal, or picks another one, and returns heading and
// speed.
func (b *bot) walk(seconds float64) (heading, speed uint8) {
	pace := brisk * b.w.Kinds[uint8(world.Person)].Pace
	if b.at.Distance(b.goal) < 1 {
		if !b.crowd && rand.IntN(2*world.TickRate) > 0 {
			return 0, 0 // it rests, for two seconds on average
		}
		b.goal = b.somewhere()
	}
	heading = protocol.Heading(b.at.Heading(b.goal))
	b.at = b.at.Add(min(pace*seconds, b.at.Distance(b.goal)), b.at.Heading(b.goal))
	return heading, protocol.Speed(pace)
}

// somewhere is a place to go to: not far from home, or where the crowd is.
func (b *bot) somewhere() interest.Point {
	from, reach := b.home, 60.0
	if b.crowd {
		from, reach = interest.Point{X: b.w.Size / 2, Y: b.w.Size / 2}, 20
	}
	for {
		p := from.Add(reach*math.Sqrt(rand.Float64()), 2*math.Pi*rand.Float64())
		if min(p.X, p.Y) >= 0 && max(p.X, p.Y) <= b.w.Size {
			return p
		}
	}
}

// useSomething hits or takes what is in reach.
func (b *bot) useSomething() {
	for t := range b.mirror.All() {
		reach := b.w.Kinds[t.Kind].Reach
		if t.ID != b.c.ID() && t.Health > 0 && b.at.Distance(place(t.X, t.Y)) < reach {
			b.notify(opUse, useRequest{t.Slot})
			return
		}
	}
}

func (b *bot) notify(code uint16, v any) {
	body, err := wire.Encode(v)
	if err != nil {
		panic(err) // v can't be encoded
	}
	b.c.Notify(code, body, wire.Reliable) // an error has ended the session
}

// entered is the client's OnGroup: it is in somebody's view group.
func (b *bot) entered(g *client.Group) {
	owner := parseID(g.Payload())
	b.mu.Lock()
	defer b.mu.Unlock()
	if owner == b.c.ID() {
		b.own = g
	}
	g.OnMessage = func(from client.Member, e wire.Event) {
		now := b.c.ServerTime()
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case e.Code == msgSaid && from.ID == wire.Server:
			b.count.heard++
		case e.Code == msgMove && from.ID == owner && owner != b.c.ID():
			b.hear(owner, e.Payload, now)
		}
	}
	g.OnEnd = func(wire.Code) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if delete(b.others, owner); b.own == g {
			b.own = nil
		}
	}
}

// hear takes in what another player says of itself.
func (b *bot) hear(from wire.ID, payload []byte, now time.Time) {
	m, ok := parseMove(payload)
	if !ok {
		return
	}
	h := b.others[from]
	if h == nil {
		h = new(hearsay)
		b.others[from] = h
	}
	h.hear(m, now)
	b.count.moves++
	b.count.ages.add(now.Sub(time.UnixMilli(b.w.Begin + int64(m.At))))
}

// tell says to those who see the bot where it is, past the server to whom a direct
// path leads, and notes for the server who is heard without its updates.
func (b *bot) tell(in *protocol.Input) {
	if !b.w.P2P || b.own == nil {
		return
	}
	now := b.c.ServerTime()
	for t := range b.mirror.All() {
		if h := b.others[t.ID]; h != nil {
			if _, ok := h.last(now); ok {
				in.SetDirect(t.Slot)
			}
		}
	}
	m := move{At: uint32(now.UnixMilli() - b.w.Begin), X: in.X, Y: in.Y, Heading: in.Heading, Speed: in.Speed}
	b.own.Send(msgMove, wire.Payload(m.append(nil)), wire.Sequenced(0)) // the next one makes up for an error
}

// err is what has failed so far.
func (b *bot) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.fault, b.c.Err())
}

// take adds to s what has come since the last time.
func (b *bot) take(s *summary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Bots++; b.c.Err() != nil {
		s.Gone++
	}
	bytes := b.c.Stats().BytesIn
	s.Packets += b.count.packets
	s.Ages.merge(&b.count.ages)
	s.Heard += b.count.heard
	s.Moves += b.count.moves
	if b.own != nil {
		for m := range b.own.Members() {
			path, _ := b.c.Path(m.ID)
			switch {
			case m.ID == b.c.ID():
			case path.Direct:
				s.Direct++
			default:
				s.Relayed++
			}
		}
	}
	s.Bytes += bytes - b.count.bytes
	b.count = counts{bytes: bytes}
}
