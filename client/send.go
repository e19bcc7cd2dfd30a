package client

import (
	"errors"
	"slices"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Via says which way a message goes to members of a group.
type Via uint8

// The ways.
const (
	Auto   Via = iota // directly where there is a path, else by the server
	Relay             // by the server, be there a path or not
	Direct            // directly or not at all
)

// Sender sends to a group by one way: see [Group.Via].
type Sender struct {
	g   *Group
	via Via
}

// Via returns the group's Send and SendTo by a way of the caller's choice:
//
//	g.Via(client.Direct).Send(msgVoice, voice, wire.Unreliable)
//
// Relay spares this client's uplink. Direct spares the server: who can't be
// reached directly gets nothing, and is counted in Stats.NotDirect; ErrNotDirect
// says that nobody could. It takes all members that a path leads to, however many
// the server wants to be sent to directly, and looks for no more paths than Send
// does.
func (g *Group) Via(v Via) Sender { return Sender{g, v} }

// Send sends to the members named, at most 256, or to all others if none is. It
// copies b, at most 60 KiB, and does not wait; nil means queued. Members that
// have left are left out.
//
// Reliable messages go by the server, which gives them their place in the group's
// log. The others go past it, sealed for each, to members that a direct path leads
// to: the oldest ones, as many as the server has said (MaxDirect of the group's
// Options); one upload serves all the rest. Paths are looked for with the first
// such message. Nobody gets a message twice, nor a sequenced one behind a newer
// one of its key, whatever ways they have come.
func (g *Group) Send(code uint16, b wire.Body, d wire.Delivery, to ...wire.ID) error {
	return Sender{g, Auto}.Send(code, b, d, to...)
}

// SendTo sends to one member past the server, by the direct path where there is
// one and by the server's relay else, sealed for that member alone. The first
// message has both look for a direct path. Reliable messages of a pair are
// ordered among themselves on their channel, and not with those of Send. It
// copies b and does not wait; nil means queued.
//
// Where the two are no pair, because one does not speak UDP or the pair has
// failed, it is Send to that member.
func (g *Group) SendTo(member wire.ID, code uint16, b wire.Body, d wire.Delivery) error {
	return Sender{g, Auto}.SendTo(member, code, b, d)
}

// Send is Group.Send by the chosen way. Reliable messages have their order by the
// server: Direct does not send them.
func (s Sender) Send(code uint16, b wire.Body, d wire.Delivery, to ...wire.ID) error {
	g, c := s.g, s.g.client
	m := wire.GroupSend{Code: code, Delivery: d, Body: b, Group: g.id}
	if err := g.judgeSend(&m, len(to)); err != nil {
		return err
	}
	c.number(&m)
	switch {
	case d.Class() == wire.ClassReliable && s.via == Direct:
		return ErrNotDirect
	case d.Class() == wire.ClassReliable || s.via == Relay:
		return g.upload(&m, to...)
	}
	reached, missed := g.sendDirectly(&m, to, s.via == Direct)
	switch {
	case reached > 0 && missed == 0:
		return nil
	case s.via == Auto:
		return c.flush(c.session.PutGroupSend(&m))
	}
	c.counts.notDirect.Add(uint64(missed))
	if reached == 0 {
		return ErrNotDirect
	}
	return nil
}

// SendTo is Group.SendTo by the chosen way. By Relay it is Send to that member.
// Direct sends if there is a direct path at this moment: a reliable message that
// is on its way when the path dies comes by the relay nevertheless.
func (s Sender) SendTo(member wire.ID, code uint16, b wire.Body, d wire.Delivery) error {
	g, c := s.g, s.g.client
	m := wire.GroupSend{Code: code, Delivery: d, Body: b, Group: g.id}
	if err := g.judgeSend(&m, 1); err != nil {
		return err
	}
	c.number(&m)
	if s.via != Relay {
		err := g.sendByPair(&m, member, s.via == Direct)
		if s.via == Direct && errors.Is(err, ErrNotDirect) {
			c.counts.notDirect.Add(1)
		}
		if err == nil || s.via == Direct || errors.Is(err, ErrOverloaded) {
			return err
		}
	}
	return g.upload(&m, member)
}

// judgeSend says what is wrong with a message to so many members, if anything.
func (g *Group) judgeSend(m *wire.GroupSend, to int) error {
	switch {
	case g.Over():
		return ErrClosed
	case !m.Delivery.Valid():
		return ErrNoSuchChannel
	case to > session.MaxTargets || len(m.Params.Raw())+len(m.Payload) > session.MaxGroupBody(g.client.env.FrameLimit):
		return ErrTooLarge
	}
	return nil
}

// number counts a sequenced message. Who speaks UDP may send the next one by
// another way, and that may come first.
func (c *Client) number(m *wire.GroupSend) {
	if m.Delivery.Class() != wire.ClassSequenced || !c.session.Pairs() {
		return
	}
	for m.Sequence == 0 { // which says that it is not counted
		m.Sequence = c.sequence.Add(1)
	}
}

// upload sends a message by the server.
func (g *Group) upload(m *wire.GroupSend, to ...wire.ID) error {
	m.To = wire.MakeIDs(to...)
	return g.client.flush(g.client.session.PutGroupSend(m))
}

// message is m as members get it past the server.
func (g *Group) message(m *wire.GroupSend) wire.GroupMessage {
	return wire.GroupMessage{
		Code: m.Code, Delivery: m.Delivery &^ wire.Reliable.Cached(), Body: m.Body,
		Group: g.id, Sender: g.client.ID(), Epoch: g.self.Epoch, Sequence: m.Sequence,
	}
}

func (g *Group) sendByPair(m *wire.GroupSend, member wire.ID, direct bool) error {
	p := g.client.pairOf(member)
	if p == nil {
		return ErrNoPair
	}
	defer p.want()
	if direct && !p.isDirect() {
		return ErrNotDirect
	}
	out := g.message(m)
	err := p.s.PutGroupMessage(&out)
	p.s.Flush()
	return err
}

// sendDirectly sends a message to those that it is for and a direct path leads
// to, to no more than the server wants unless it is to be every one, and has m be
// for the others. It returns how many there are of either.
func (g *Group) sendDirectly(m *wire.GroupSend, to []wire.ID, every bool) (reached, missed int) {
	r, out := g.reachable(), g.message(m)
	most := len(r.direct)
	if !every {
		most = min(most, g.maxDirect)
	}
	if len(to) > 0 {
		return r.sendToSome(m, &out, to, most)
	}
	var some [16]wire.ID
	ids := some[:0]
	for _, p := range r.direct[:most] {
		if p.put(&out) {
			ids = append(ids, p.id)
		}
	}
	session.FlushAll(r.sessions[:most])
	if m.Except = r.except; len(ids) != m.Except.Len() {
		m.Except = wire.MakeIDs(ids...)
	}
	return len(ids), r.others - len(ids)
}

func (r *reach) sendToSome(m *wire.GroupSend, out *wire.GroupMessage, to []wire.ID, most int) (reached, missed int) {
	if most == 0 {
		m.To = wire.MakeIDs(to...)
		return 0, len(to)
	}
	var rest []wire.ID
	var some [16]*session.Session
	sent := some[:0]
	for i, id := range to {
		p := r.of(id)
		switch {
		case slices.Contains(to[:i], id):
		case p != nil && len(sent) < most && p.put(out):
			sent = append(sent, p.s)
		default:
			rest = append(rest, id)
		}
	}
	session.FlushAll(sent)
	m.To = wire.MakeIDs(rest...)
	return len(sent), len(rest)
}

// put queues a message for the other end and reports whether that settles it: one
// that there is no room for is lost, as on the way.
func (p *pair) put(m *wire.GroupMessage) bool {
	err := p.s.PutGroupMessage(m)
	return err == nil || errors.Is(err, ErrOverloaded)
}
