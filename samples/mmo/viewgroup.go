package main

import (
	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/transport"
)

// Every player has a view group, whose members are the player and who sees it:
//
//	created     when the player connects; the player's actor owns it
//	destroyed   when the player is gone, with its owner
//	joined      by who gets the player into view
//	left        by who loses it from view, or disconnects
//
// What the player says goes to this group, so those who see it hear it. With -p2p
// it is more than that: its members are told of each other, and reach each other
// past the server where their networks let them, maxDirect of them: each costs a
// player's uplink a packet a tick, and the others share one, which costs the server
// a packet for each of them. Two who see each other share two groups, and one pair
// link.
//
// A crowd is larger than what anybody can listen to, and each pair costs packets of
// its own. So a player is in at most maxGroups groups of others: those that came
// into view first, and others as soon as one of them goes. All that anybody sees is
// told by the server, with or without groups.
const (
	maxGroups = 48
	maxDirect = 64
)

// What the members of a group may make the server send to each other, in bytes: with
// -p2p as much as it takes if all of them hear of the player by the server, and next
// to nothing where members have nothing to say. Else one that has would have the
// server tell everybody in all the groups that it is in.
var (
	talk    = transport.Rate{PerSecond: 512 << 10}
	silence = transport.Rate{PerSecond: 64, Burst: 4 << 10}
)

func newViewGroup(c *troupe.Context, p2p bool) (*groups.Group, error) {
	o := groups.Options{Owner: c.Self(), Payload: appendID(nil, c.ID()), MaxDirect: maxDirect, Relay: talk}
	if !p2p {
		o.Quiet = true // who hears whom is nobody's business
		o.Relay = silence
	}
	return groups.Create(c.System(), o, c.Peer)
}

// meet joins the group of a player who came into view.
func (p *player) meet(c *troupe.Context, s *interest.Seen[world.Sight, contact]) {
	other := s.Item.Player
	if other == nil || s.ID == c.ID() || s.Data.group == other.Group {
		return
	}
	p.part(c, s) // from a former group of the same player's
	if p.groups >= maxGroups || other.Group.Join(c.Peer, nil, c.Self()) != nil {
		return // check tries again
	}
	s.Data.group = other.Group
	p.groups++
}

// part leaves the group of a player who went out of view.
func (p *player) part(c *troupe.Context, s *interest.Seen[world.Sight, contact]) {
	if s.Data.group == nil {
		return
	}
	s.Data.group.Leave(c.Peer) // an error says that the group is over
	s.Data.group = nil
	p.groups--
}

// meetAll joins the groups of players in view that there was no room for, or who
// have another now.
func (p *player) meetAll(c *troupe.Context) {
	for s := range p.view.All() {
		p.meet(c, s)
	}
}

// joined is told what has come of a join, of the player's own and of those to its
// group.
func (p *player) joined(c *troupe.Context, m groups.JoinComplete) {
	if m.Peer != c.Peer || m.Result == groups.OK || m.Result == groups.AlreadyMember || m.Result == groups.TimedOut {
		return
	}
	for s := range p.view.All() {
		if s.Data.group == m.Group {
			s.Data.group = nil
			p.groups--
		}
	}
}
