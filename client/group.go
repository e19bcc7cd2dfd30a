package client

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Group is this client's membership in a group. When the client leaves, the
// Group is over; another join of the same group makes another Group.
//
// The callbacks are set in Config.OnGroup, or in a later callback, and may be
// nil. Between a member's OnJoin and its OnLeave, each called once, and only
// there, come its messages and word of its path. All members see the reliable ones in one order,
// into which joins, leaves and changes of properties fit.
//
// The methods may be called from any goroutine.
type Group struct {
	OnJoin       func(Member)              // a member, at first each one, this client and, where it is a member, wire.Server; the server learns when it has returned
	OnLeave      func(Member, wire.Code)   // a member has left; when the group ends each one and this client itself
	OnMessage    func(Member, wire.Event)  // a member has sent; lent. The server's messages come as from Member{ID: wire.Server}
	OnPath       func(Member, Path)        // a member is reached another way, or is known to be by another group; the last word counts
	OnProperties func(changed wire.Params) // some properties have new values, null for those that are gone
	OnEnd        func(wire.Code)           // once, last: this client has left, the group was destroyed, or the session has ended

	// set once
	client    *Client
	id        wire.ID
	payload   []byte
	quiet     bool // members are not told of each other
	maxDirect int  // members that Send sends to past the server
	self      Member

	reach atomic.Pointer[reach] // nil before the first Send that wants it

	position uint64 // of the last entry of the log; the callback goroutine's

	mu         sync.Mutex
	members    map[wire.ID]Member
	told       map[wire.ID]struct{} // those of them whose OnJoin has returned
	properties wire.Params
	over       bool
}

// Member is a peer in a group, for as long as it stays.
type Member struct {
	ID      wire.ID
	Epoch   uint64 // tells the stays of one peer apart: later ones have larger epochs
	Payload []byte // given to the join; not to be changed
}

// ID is the group's id.
func (g *Group) ID() wire.ID { return g.id }

// Client is the member that this client is the end of.
func (g *Group) Client() *Client { return g.client }

// Payload is what the server gave to the group. It must not be changed.
func (g *Group) Payload() []byte { return g.payload }

// Quiet reports whether the group's members are not told of each other: a large
// audience. Members then has this client alone, and messages come from senders
// that did not join.
func (g *Group) Quiet() bool { return g.quiet }

// Self is this client's own membership.
func (g *Group) Self() Member { return g.self }

// Members are those of this moment, the oldest first, this client among them.
// As a callback runs they are what it tells: OnJoin's member is in, OnLeave's
// is not.
func (g *Group) Members() iter.Seq[Member] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Values(g.sortedLocked())
}

func (g *Group) sortedLocked() []Member {
	return slices.SortedFunc(maps.Values(g.members), func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.ID, b.ID))
	})
}

// Properties are the group's properties as they stand.
func (g *Group) Properties() wire.Params {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.properties
}

// Set changes the properties that are in set, null deleting one, if those in
// expect have the values there, null meaning that there is none. It waits for
// the server's answer until ctx ends; an [*Error] says that it declined, with
// ResultConflict when expect is not met. OnProperties tells of the change, and
// Properties has it, when the group's log has come to it, which may be later.
func (g *Group) Set(ctx context.Context, set, expect wire.Params) error {
	if g.Over() {
		return ErrClosed
	}
	c := g.client
	r, err := c.ask(ctx, func(request uint32) error {
		frame, err := wire.MarshalFrame(nil, wire.KindGroupSet, &wirepb.GroupSet{
			Group: uint64(g.id), Request: request, Set: set.PB(), Expect: expect.PB(),
		})
		if errors.Is(err, wire.ErrTooLarge) || err == nil && len(frame) > wire.FrameSize(c.env.FrameLimit-1) {
			return ErrTooLarge
		}
		if err != nil {
			return err
		}
		return c.flush(c.session.PutFrame(frame, wire.Reliable))
	})
	if err != nil {
		return err
	}
	return failure(&r)
}

// Over reports whether this membership has ended: in OnLeave, whether everybody
// leaves because this client does.
func (g *Group) Over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.over
}
