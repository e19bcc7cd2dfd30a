package client

import (
	"fmt"
	"maps"
	"slices"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// advance goes on to the next entry of the log. A quiet group's has holes.
func (g *Group) advance(position uint64) error {
	if position != g.position+1 && !(g.quiet && position > g.position) {
		return fmt.Errorf("group %v: entry %d comes behind %d", g.id, position, g.position)
	}
	g.position = position
	return nil
}

// enter takes new members in, all or none; since is the earliest epoch that
// they may have.
func (g *Group) enter(list []*wirepb.Member, since uint64) ([]Member, error) {
	members := make([]Member, 0, len(list))
	g.mu.Lock()
	defer g.mu.Unlock()
	all := maps.Clone(g.members)
	for _, pb := range list {
		m := Member{ID: wire.ID(pb.Id), Epoch: pb.Epoch, Payload: pb.Payload}
		if _, in := all[m.ID]; in || m.ID == wire.None || m.Epoch < since || m.Epoch > g.position {
			return nil, fmt.Errorf("group %v: member %v at epoch %d can't join at %d", g.id, m.ID, m.Epoch, g.position)
		}
		all[m.ID] = m
		members = append(members, m)
	}
	g.members = all
	g.client.pairs.version.Add(1)
	return members, nil
}

// remove takes out the member of that id and epoch, if it is in.
func (g *Group) remove(id wire.ID, epoch uint64) (Member, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, in := g.members[id]
	if !in || m.Epoch != epoch {
		return Member{}, false
	}
	delete(g.members, id)
	delete(g.told, id)
	g.client.pairs.version.Add(1)
	return m, true
}

// merge applies a change of properties.
func (g *Group) merge(set wire.Params) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	merged := g.properties
	var err error
	for key, v := range set.All() {
		if v.IsNull() {
			merged, err = without(merged, key)
		} else {
			merged, err = merged.With(key, v)
		}
		if err != nil {
			return err
		}
	}
	g.properties = merged
	return nil
}

func without(p wire.Params, key uint8) (wire.Params, error) {
	var kv []any
	for k, v := range p.All() {
		if k != key {
			kv = append(kv, k, v)
		}
	}
	return wire.NewParams(kv...)
}

// finish ends the group and returns who was in, this client last.
func (g *Group) finish() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	members := g.sortedLocked()
	for i, m := range members {
		if m.ID == g.self.ID {
			return append(append(members[:i:i], members[i+1:]...), m)
		}
	}
	return members
}

// own reports whether a message is this client's own, of this membership. What
// an earlier one has left in the group's cache comes as from another.
func (g *Group) own(m *wire.GroupMessage) bool {
	return m.Sender == g.self.ID && m.Epoch == g.self.Epoch
}

// moment is when a message comes, seen from its sender's membership.
type moment int

const (
	inTime moment = iota
	tooEarly
	late
)

// judge decides what becomes of a group message, and whom it is from. g is nil
// when this client is not in the group. A message with a place in the log takes
// it. An error is the server's fault.
func (c *Client) judge(g *Group, m *wire.GroupMessage) (moment, Member, error) {
	if g == nil {
		return c.judgeStrange(m)
	}
	if m.Position > 0 {
		if err := g.advance(m.Position); err != nil {
			return late, Member{}, err
		}
	}
	from := Member{ID: m.Sender, Epoch: m.Epoch}
	if m.Sender == wire.Server || g.quiet {
		return inTime, from, nil
	}
	g.mu.Lock()
	member, in := g.members[m.Sender]
	g.mu.Unlock()
	reliable := m.Delivery.Class() == wire.ClassReliable
	switch {
	case in && member.Epoch == m.Epoch:
		return inTime, member, nil
	case m.Position > 0:
		return late, from, fmt.Errorf("group %v: message %d is from %v, who is not in", g.id, m.Position, m.Sender)
	case m.Epoch > g.position && reliable:
		return late, from, fmt.Errorf("group %v: a reliable message of %v is before its join", g.id, m.Sender)
	case m.Epoch > g.position:
		return tooEarly, from, nil
	case m.Delivery.IsCached(): // replayed: its sender may have gone
		return inTime, from, nil
	}
	return late, from, nil
}

// judgeStrange judges a message of a group that this client is not in.
func (c *Client) judgeStrange(m *wire.GroupMessage) (moment, Member, error) {
	last, ended := c.ended.last(m.Group)
	switch {
	case m.Position > 0, m.Delivery.Class() == wire.ClassReliable && !ended:
		return late, Member{}, fmt.Errorf("group %v: a reliable message before the join or after the end", m.Group)
	case m.Delivery.Class() == wire.ClassReliable, ended && m.Epoch <= last:
		return late, Member{}, nil
	}
	return tooEarly, Member{}, nil
}

// maxEnded is how many groups that this client has left are remembered.
const maxEnded = 256

// ended knows the groups that this client has left, so that messages that come
// late are not taken for early ones. It belongs to the callback goroutine.
type ended struct {
	positions map[wire.ID]uint64 // of the last entry seen
	order     []wire.ID          // oldest first
}

// last is the position of the last entry seen of a group that was left.
func (e *ended) last(group wire.ID) (uint64, bool) {
	position, ok := e.positions[group]
	return position, ok
}

func (e *ended) note(group wire.ID, position uint64) {
	if e.positions == nil {
		e.positions = make(map[wire.ID]uint64)
	}
	e.order = slices.DeleteFunc(e.order, func(id wire.ID) bool { return id == group }) // from an earlier stay
	if len(e.order) == maxEnded {
		delete(e.positions, e.order[0])
		e.order = slices.Delete(e.order, 0, 1)
	}
	e.positions[group] = position
	e.order = append(e.order, group)
}
