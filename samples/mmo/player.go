package main

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// The view. Between the two distances there is more than anything walks in a
// tick, so that nobody comes and goes at the border.
const (
	enterView = 50 // metres
	exitView  = 58
	enterSpot = 20 // around what is watched
	exitSpot  = 24
)

// lost is for how many ticks that are shown a character may be missing before it
// counts as lost.
const lost = world.TickRate

// player is the server's end of a client: it passes on where the client walks,
// looks at what is to be seen from there, and tells the client. What it does is
// its own affair, so that many work at the same time; what holds for all is the
// regions'.
type player struct {
	w    *world.World
	p2p  bool
	log  *slog.Logger
	name string

	me     *world.Player // the present stay in the world
	last   world.Look    // as its region has shown it
	seen   uint64        // how often the world had been shown then
	view   interest.View[world.Sight, contact]
	feed   protocol.Sender
	groups int // of others, that it is in
	asks   peers.Router
}

// contact is what a player keeps of an item in view.
type contact struct {
	track *protocol.Track
	group *groups.Group // that the player is in, because it has the item's player in view; or nil
}

func newPlayer(w *world.World, o options, log *slog.Logger, name string) troupe.Behavior {
	p := &player{w: w, p2p: o.p2p, log: log, name: name}
	p.last.At = w.Anywhere()
	if o.spawn != nil {
		p.last.At = o.spawn()
	}
	p.feed.Budget = o.budget
	p.view.Areas = []interest.Area{{Enter: enterView, Exit: exitView}}
	peers.HandleLater(&p.asks, opUse, p.use)
	peers.Handle(&p.asks, opSay, p.say)
	peers.Handle(&p.asks, opWatch, p.watch)
	return p
}

// Receive implements troupe.Behavior.
func (p *player) Receive(c *troupe.Context) {
	switch m := c.Message().(type) {
	case *world.Look:
		p.look(c, m)
	case *troupe.Operation:
		if m.Code == opInput {
			p.input(c, m)
			return
		}
		p.asks.Receive(c)
	case peers.Started:
		p.begin(c)
	case actor.Tick:
		p.check(c)
	case groups.JoinComplete:
		p.joined(c, m)
	case groups.GroupDestroyed: // it has failed
		if p.me != nil && m.Group == p.me.Group {
			p.enter(c)
		}
	case peers.Closed:
		if p.me != nil {
			p.me.Leave()
		}
	}
}

// begin puts a new character into the world.
func (p *player) begin(c *troupe.Context) {
	p.last.Kind = world.Person
	p.last.Health = uint8(p.w.Rules()[world.Person].Health)
	p.last.Props = &protocol.Props{Revision: 1, Name: p.name}
	p.enter(c)
	c.Every(time.Second, nil)
}

// enter begins another stay, with the character as it was seen last.
func (p *player) enter(c *troupe.Context) {
	if p.me != nil {
		p.me.Leave()
	}
	g, err := newViewGroup(c, p.p2p)
	if err != nil {
		c.Close(wire.CodeInternal, "no group")
		return
	}
	p.me = &world.Player{Ref: c.Self(), Group: g}
	p.seen = p.w.Shown()
	p.w.Send(p.w.Grid().Square(p.last.At), world.Enter{ // an error shows as silence
		ID: c.ID(), Player: p.me, Props: p.last.Props, At: p.last.At, Health: int(p.last.Health), Fix: p.last.Fix + 1,
	})
}

// check looks after what may have gone wrong.
func (p *player) check(c *troupe.Context) {
	if p.w.Shown()-p.seen > lost { // a region has failed, or the character has got lost on the way to one
		p.log.Warn("character lost", slog.Any("peer", c.Peer), slog.Int("square", p.last.Square))
		p.enter(c)
	}
	p.meetAll(c)
}

// input takes the client's word on where it walks and what it has received.
func (p *player) input(c *troupe.Context, op *troupe.Operation) {
	m := &world.Steer{ID: c.ID(), Player: p.me}
	if err := m.Input.Parse(op.Payload); err != nil {
		c.Close(wire.CodeProtocol, "not an input")
		return
	}
	p.feed.Ack(&m.Input)
	m.Input.Direct = nil       // it is lent
	p.w.Send(p.last.Square, m) // an error is made up for by the next one
}

// look tells the client what is to be seen now.
func (p *player) look(c *troupe.Context, m *world.Look) {
	if m.Player != p.me { // of an earlier stay
		m.Player.Leave()
		return
	}
	p.last, p.seen = *m, p.w.Shown()
	p.view.Areas[0].Center = m.At
	in, out := p.view.Look(p.w.Grid())
	for _, s := range out {
		p.feed.Remove(s.Data.track)
		p.part(c, s)
	}
	for _, s := range in {
		s.Data.track = p.feed.Add(s.ID, uint8(s.Item.Kind), s.Item.Props)
		s.Data.track.Mute = s.ID == c.ID()
		p.meet(c, s)
	}
	for s := range p.view.All() {
		p.feed.Set(s.Data.track, s.Tick, s.Item.State, s.Distance, s.Item.Props)
	}
	own := protocol.Own{Fix: m.Fix, X: m.X, Y: m.Y, Health: m.Health}
	roster, updates := p.feed.Pack(m.Tick, own)
	if roster != nil {
		c.Event(evRoster, wire.Payload(roster), wire.Reliable) // an error has ended the session
	}
	for i, u := range updates {
		c.Event(evUpdate, wire.Payload(u), wire.Sequenced(uint16(i))) // what a slow client has no room for, it is told later
	}
}

// use has the region judge what the character does to an item.
func (p *player) use(c *troupe.Context, req useRequest, answer func(struct{}, error) error) {
	track := p.feed.In(req.Slot)
	if track == nil {
		answer(struct{}{}, &peers.Error{Code: codeSlot, Text: "There is nothing."})
		return
	}
	square := p.last.Square
	if s := p.view.Find(track.ID); s != nil {
		square = p.w.Grid().Square(s.At)
	}
	err := p.w.Send(p.last.Square, world.Use{ID: c.ID(), Player: p.me, Target: track.ID, Square: square, Answer: func(err error) { answer(struct{}{}, err) }})
	if err != nil {
		answer(struct{}{}, err)
	}
}

// say tells all who see the player.
func (p *player) say(c *troupe.Context, req sayRequest) (struct{}, error) {
	text, err := checkText(req.Text)
	if err != nil {
		return struct{}{}, err
	}
	payload, err := json.Marshal(said{ID: c.ID().String(), Name: p.name, Text: text})
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, p.me.Group.Send(msgSaid, wire.Payload(payload), wire.Reliable)
}

// watch has the player see what is around an item as well as what is around
// itself: another area, which goes where the item goes. It has to be in the
// player's own view at first, or one could look from item to item to wherever one
// likes.
func (p *player) watch(c *troupe.Context, req watchRequest) (struct{}, error) {
	own := p.view.Areas[:1]
	if req.Slot < 0 {
		p.view.Areas = own
		return struct{}{}, nil
	}
	if track := p.feed.In(req.Slot); track != nil {
		if s := p.view.Find(track.ID); s != nil && s.At.Distance(own[0].Center) <= exitView {
			p.view.Areas = append(own, interest.Area{Item: track.ID, Center: s.At, Enter: enterSpot, Exit: exitSpot})
			return struct{}{}, nil
		}
	}
	return struct{}{}, &peers.Error{Code: codeSlot, Text: "There is nothing."}
}
