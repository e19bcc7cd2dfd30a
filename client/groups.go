package client

import (
	"fmt"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// groupEntry handles an entry of a group's log that changes the group.
func (c *Client) groupEntry(m *wirepb.GroupEntry) {
	if m.GetJoined().GetOwn() {
		c.joined(m)
		return
	}
	g := c.Group(wire.ID(m.Group))
	if g == nil {
		c.broken("group %v: an entry before the join or after the end", wire.ID(m.Group))
		return
	}
	if err := g.advance(m.Position); err != nil {
		c.broken("%v", err)
		return
	}
	switch e := m.Entry.(type) {
	case *wirepb.GroupEntry_Joined:
		c.othersJoined(g, m.Position, e.Joined)
	case *wirepb.GroupEntry_Left:
		c.left(g, m.Position, e.Left)
	case *wirepb.GroupEntry_Destroyed:
		c.endGroup(g, codeOf(e.Destroyed.Reason))
	case *wirepb.GroupEntry_Properties:
		c.changed(g, e.Properties)
	}
}

// joined makes a group that this client is in from now on.
func (c *Client) joined(m *wirepb.GroupEntry) {
	if c.Group(wire.ID(m.Group)) != nil {
		c.broken("group %v: joined twice", wire.ID(m.Group))
		return
	}
	g, members, err := c.newGroup(m)
	if err != nil {
		c.broken("%v", err)
		return
	}
	c.mu.Lock()
	c.groups[g.id] = g
	c.mu.Unlock()
	if c.cfg.OnGroup != nil && c.begin() {
		c.cfg.OnGroup(g)
		c.end()
	}
	c.tellJoins(g, members)
	c.startPairs(g, members)
	c.ack(g, m.Position)
	c.recall(g)
}

// newGroup judges and takes over what the entry of this client's own join says.
func (c *Client) newGroup(m *wirepb.GroupEntry) (*Group, []Member, error) {
	e := m.GetJoined()
	g := &Group{
		client: c, id: wire.ID(m.Group), payload: e.Payload, quiet: e.Quiet, maxDirect: int(min(e.MaxDirect, maxDirect)),
		position: m.Position, members: make(map[wire.ID]Member),
	}
	members, err := g.enter(e.Members, 1)
	if err != nil {
		return nil, nil, err
	}
	self, ok := g.members[c.ID()]
	if !ok || self.Epoch != m.Position || m.Position == 0 {
		return nil, nil, fmt.Errorf("group %v: a join at %d without the one who joins", g.id, m.Position)
	}
	g.self = self
	if g.properties, err = wire.ParamsPB(e.Properties); err != nil {
		return nil, nil, fmt.Errorf("group %v: %w", g.id, err)
	}
	return g, members, nil
}

// othersJoined handles the join of others than this client.
func (c *Client) othersJoined(g *Group, position uint64, e *wirepb.Joined) {
	members, err := g.enter(e.Members, position)
	if err != nil {
		c.broken("%v", err)
		return
	}
	c.tellJoins(g, members)
	c.startPairs(g, members)
	c.ack(g, position)
	c.recall(g)
}

func (c *Client) tellJoins(g *Group, members []Member) {
	for _, m := range members {
		if !c.begin() { // nobody hears of its join: nor of its leave
			g.remove(m.ID, m.Epoch)
			continue
		}
		if g.OnJoin != nil {
			g.OnJoin(m)
		}
		c.end()
	}
}

// left handles a leave, this client's own too.
func (c *Client) left(g *Group, position uint64, e *wirepb.Left) {
	id, reason := wire.ID(e.Member), codeOf(e.Reason)
	if id == c.ID() {
		c.endGroup(g, reason)
		return
	}
	m, ok := g.remove(id, e.Epoch)
	if !ok && g.quiet { // its join was not told either
		return
	}
	if !ok {
		c.broken("group %v: member %v left at epoch %d, and is not in", g.id, id, e.Epoch)
		return
	}
	if g.OnLeave != nil {
		c.beginLast()
		g.OnLeave(m, reason)
		c.end()
	}
	c.ack(g, position)
}

// changed handles a change of properties.
func (c *Client) changed(g *Group, e *wirepb.Properties) {
	set, err := wire.ParamsPB(e.Set)
	if err == nil {
		err = g.merge(set)
	}
	if err != nil {
		c.broken("group %v: %v", g.id, err)
		return
	}
	if g.OnProperties != nil && c.begin() {
		g.OnProperties(set)
		c.end()
	}
}

// endGroup ends this client's membership and tells of it.
func (c *Client) endGroup(g *Group, reason wire.Code) {
	c.mu.Lock()
	delete(c.groups, g.id)
	c.mu.Unlock()
	c.ended.note(g.id, g.position)
	c.early.left(g.id)
	for _, m := range g.finish() {
		g.remove(m.ID, m.Epoch)
		if g.OnLeave != nil {
			c.beginLast()
			g.OnLeave(m, reason)
			c.end()
		}
	}
	if g.OnEnd != nil {
		c.beginLast()
		g.OnEnd(reason)
		c.end()
	}
}

// ack tells the server that the callbacks have returned for every change of
// membership up to position. After a Close they need not have.
func (c *Client) ack(g *Group, position uint64) {
	if c.isClosing() {
		return
	}
	m := wire.GroupAck{Group: g.id, Position: position}
	c.flush(c.session.PutFrame(m.AppendFrame(nil), wire.Reliable)) // an error says that the session is over
}

// recall handles again what was held until a join.
func (c *Client) recall(g *Group) {
	for _, m := range c.early.take(g.id) {
		c.groupMessage(&m.GroupMessage, m.pair, m.at)
	}
	c.counts.earlyHeld.Store(int64(c.early.n))
}

// groupMessage handles a message of a group, by a pair or of the server's. at is
// when it came if it has been held since, else zero.
func (c *Client) groupMessage(m *wire.GroupMessage, by *pair, at time.Time) {
	if c.isClosing() {
		c.counts.earlyDropped.Add(heldBefore(at))
		return
	}
	g := c.Group(m.Group)
	var when moment
	var from Member
	var err error
	if by != nil {
		when, from = c.judgePair(g, m)
	} else {
		when, from, err = c.judge(g, m)
	}
	switch {
	case err != nil:
		c.broken("%v", err)
	case when == late:
		c.counts.late.Add(1)
	case when == tooEarly:
		if at.IsZero() {
			at = time.Now()
		}
		if !c.early.hold(m, by, at, g != nil) {
			c.counts.earlyDropped.Add(1)
			by.lost(m)
		}
		c.counts.earlyHeld.Store(int64(c.early.n))
	case g.own(m) && !c.cfg.Loopback:
	case !c.newest(m):
		c.counts.stale.Add(1)
	case g.OnMessage != nil && c.begin():
		g.OnMessage(from, wire.Event{Code: m.Code, Delivery: m.Delivery, Body: m.Body})
		c.end()
	}
}

// newest reports whether no newer message of its key has come from a member, by
// the server or past it. Who is no pair's other end has one way only.
func (c *Client) newest(m *wire.GroupMessage) bool {
	if m.Sequence == 0 || m.Delivery.Class() != wire.ClassSequenced {
		return true
	}
	p := c.pairOf(m.Sender)
	return p == nil || p.order.Newest(m.Group, wire.None, m.Delivery, m.Sequence)
}

func heldBefore(at time.Time) uint64 {
	if at.IsZero() {
		return 0
	}
	return 1
}
