package world

import (
	"math/rand/v2"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// maxPlayers is how many messages may wait for a region: a few of each of as many
// players as may crowd there. Steps of clients that find no room are dropped, as
// the next is on its way.
const maxPlayers = 4096

// behindhand is how many messages wait for a player who does not keep up: it has
// not looked at the last tick, and is not shown another one yet. So a machine that
// has too much to do shows fewer ticks, and no old ones.
const behindhand = 2

// shell is a region's actor.
type shell struct {
	w     *World
	clock actor.Ref
	r     *Region
	list  []interest.Sighting[Sight] // as published last
}

// regions makes the behaviours of a square's actor: the first begins with the
// items that belong there, one that follows a panic with those there were.
func regions(w *World, clock actor.Ref, square int) func() actor.Behavior {
	begun := false
	return func() actor.Behavior {
		r := &Region{
			square: square, size: w.cfg.Size, where: w.grid.Square, rules: w.rules, newID: func() wire.ID { return peers.NewID(w.sys) },
			rand: rand.New(rand.NewPCG(w.cfg.Seed, uint64(square))), items: make(map[wire.ID]*Item), moved: make(map[wire.ID]move),
		}
		r.least, r.largest = w.grid.Corners(square)
		if begun {
			w.restart.Add(1)
			r.recover(w.grid.Published(square))
		} else {
			r.populate()
		}
		begun = true
		return &shell{w: w, clock: clock, r: r}
	}
}

// What regions send each other.
type (
	// arrive hands over an item.
	arrive struct{ it *Item }
	// strike uses an item for a person of another region.
	strike struct {
		target wire.ID
		by     wire.ID
		square int // of that person, who is known to be
		from   interest.Point
		answer func(error)
	}
	// reward gives a person what it gained.
	reward struct {
		id wire.ID
		Gain
	}
)

// Receive implements actor.Behavior.
func (s *shell) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		s.clock.Send(done{s.r.square, 0}) // after a panic the clock may be waiting for it
	case step:
		s.step(m.tick)
	case show:
		s.show(m.tick)
	case *Steer:
		if it := s.r.steered(m.ID, m.Player); it == nil {
			s.forward(m.ID, m)
		} else if !it.steer(&m.Input, s.r.inWorld) {
			s.w.refused.Add(1)
		}
	case Use:
		s.use(m)
	case strike:
		s.strike(m)
	case reward:
		if it := s.r.items[m.id]; it != nil {
			it.gain(m.Gain)
		} else {
			s.forward(m.id, m)
		}
	case arrive:
		s.r.add(m.it)
	case Enter:
		s.r.enter(m)
	}
}

// forward sends a message after an item that was here.
func (s *shell) forward(id wire.ID, msg any) bool {
	to, ok := s.r.moved[id]
	return ok && s.w.Send(to.square, msg) == nil
}

func (s *shell) step(tick uint64) {
	out := s.r.step(tick)
	s.list = s.r.sights()
	s.w.grid.Publish(s.r.square, tick, s.list)
	for _, it := range out {
		to := s.w.grid.Square(it.at)
		if s.w.Send(to, arrive{it}) == nil { // else it stays for another tick
			s.r.gone(it, to)
		}
	}
	s.clock.Send(done{s.r.square, tick})
}

// show shows the players of the region the tick that it has stepped to, unless it
// was left out of that.
func (s *shell) show(tick uint64) {
	if s.r.tick != tick {
		return
	}
	for i := range s.list {
		l := &s.list[i]
		if p := l.Item.Player; p != nil && p.Ref.Queued() < behindhand {
			p.Ref.Send(&Look{Tick: tick, Square: s.r.square, Player: p, At: l.At, Sight: l.Item})
		}
	}
}

func (s *shell) use(m Use) {
	user := s.r.steered(m.ID, m.Player)
	if user == nil {
		if !s.forward(m.ID, m) {
			m.Answer(errGone)
		}
		return
	}
	if err := s.r.act(user); err != nil {
		m.Answer(err)
		return
	}
	hit := strike{target: m.Target, by: m.ID, square: s.r.square, from: user.at, answer: m.Answer}
	if s.r.items[m.Target] != nil {
		s.strike(hit)
	} else if s.w.Send(m.Square, hit) != nil {
		m.Answer(errGone)
	}
}

func (s *shell) strike(m strike) {
	it := s.r.items[m.target]
	if it == nil {
		if !s.forward(m.target, m) {
			m.answer(errGone)
		}
		return
	}
	gain, err := s.r.use(it, m.by, m.from)
	if err != nil {
		m.answer(err)
		return
	}
	m.answer(nil)
	if gain != (Gain{}) {
		s.w.Send(m.square, reward{m.by, gain})
	}
}
