package groups

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

var (
	// ErrDestroyed says that the group is over.
	ErrDestroyed = errors.New("groups: destroyed")
	// ErrOverloaded says that the group has too much to do; nothing was done.
	ErrOverloaded = errors.New("groups: overloaded")
	// ErrEmpty says that a group without KeepEmpty needs a member.
	ErrEmpty = errors.New("groups: a group without members needs KeepEmpty")
	// ErrTooLarge says that a message, with what the group adds, exceeds a frame.
	ErrTooLarge = session.ErrTooLarge
)

// MaxBody is the most bytes of parameters and payload in a group message: what
// the group adds on the way must fit into the frame as well. Where a member's
// FrameLimit is lower than 64 KiB it is 128 bytes less than that.
const MaxBody = wire.MaxFrame - 4096

// Group is a group of peers. Its methods may be called from any goroutine; none
// waits unless it takes a context. The actor behind it does all in the order of
// the calls, so nil means that it will be done, not that it has been.
type Group struct {
	// set once
	id   wire.ID
	opt  Options
	home *home
	ref  actor.Ref

	view  atomic.Pointer[view]
	index sync.Map     // wire.ID → *seat: the members, for the relay
	limit atomic.Int64 // largest frame that every member takes
	lag   lag
	late  atomic.Uint64
	room  room

	budget budget

	serverSlow atomic.Bool // the owner could not keep up: the server is no member any more

	ready   chan struct{} // closed with Ready
	outcome []JoinComplete
}

// Create makes a group. Its first members, if any, join with its first entry;
// each gets a JoinComplete, and all together a Ready.
func Create(sys *actor.System, o Options, members ...*peers.Peer) (*Group, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	switch {
	case len(members) == 0 && !o.KeepEmpty:
		return nil, ErrEmpty
	case len(members) > o.MaxMembers:
		return nil, fmt.Errorf("groups: %d members, at most %d are allowed", len(members), o.MaxMembers)
	}
	g := &Group{id: peers.NewID(sys), opt: o, home: homeOf(sys), ready: make(chan struct{})}
	g.view.Store(&view{})
	g.limit.Store(wire.MaxFrame)
	g.budget.rate = o.Relay
	first := &createCall{g: g, joiners: make([]*joiner, len(members))}
	for i, p := range members {
		first.joiners[i] = newJoiner(p)
	}
	sh := &shell{g: g}
	sh.core = newCore(g.id, o, sh)
	g.ref = sys.SpawnUnder(g.home.ref, actor.Props{Name: "group", Mailbox: 2 * maxQueued, NeverBlocks: true}, func() actor.Behavior { return sh })
	if err := g.home.begin(g, first); err != nil {
		return nil, err
	}
	return g, nil
}

func newJoiner(p *peers.Peer) *joiner {
	return &joiner{id: p.ID(), limit: p.Session().FrameLimit(), who: p}
}

// ID is the group's id.
func (g *Group) ID() wire.ID { return g.id }

// String returns the group's id, for logs.
func (g *Group) String() string { return g.id.String() }

// Options are those of Create, with defaults.
func (g *Group) Options() Options { return g.opt }

// Ref refers to the group's actor.
func (g *Group) Ref() actor.Ref { return g.ref }

// Done is closed when the group is over.
func (g *Group) Done() <-chan struct{} { return g.ref.Done() }

// Join takes a peer in; payload, at most 1 KiB, goes with it to every member. The
// JoinComplete comes to the owner and to notify; with an error there is none.
func (g *Group) Join(p *peers.Peer, payload []byte, notify ...actor.Ref) error {
	j := newJoiner(p)
	j.payload = bytes.Clone(payload)
	if len(notify) > 0 {
		j.notify = slices.Clone(notify)
	}
	return postedError(g.ref.TryPost(&joinCall{g, j})) // not Send: that would release it, which tells of a join
}

// Leave takes a peer out.
func (g *Group) Leave(p *peers.Peer) error {
	return g.post(leaveCall{id: p.ID(), reason: wire.CodeLeft})
}

// Kick takes a peer out for a reason that every member is told: of text, as much
// as is UTF-8 and fits into 512 bytes.
func (g *Group) Kick(p *peers.Peer, text string) error {
	return g.post(leaveCall{id: p.ID(), reason: wire.CodeKicked, text: clean(text)})
}

// Destroy ends the group.
func (g *Group) Destroy() error { return postedError(g.ref.Force(destroyCall{})) }

// Send sends the members, or those in to, a message of the server's. Reliable
// ones come to every member in the same place among those of the members.
func (g *Group) Send(code uint16, b wire.Body, d wire.Delivery, to ...wire.ID) error {
	if !d.Valid() {
		return session.ErrNoSuchChannel
	}
	m := wire.GroupSend{Code: code, Delivery: d, Body: b, To: wire.MakeIDs(to...)}
	if err := checkSend(&m, g.maxBody()); err != nil {
		return err
	}
	if d.Class() != wire.ClassReliable {
		if g.view.Load().over {
			return ErrDestroyed
		}
		r := relay{g: g}
		r.send(nil, &m)
		r.flush()
		return nil
	}
	m.Body = b.Clone()
	return g.post(&sendCall{m: m})
}

// SetProperties changes properties at once, if those in expect have these
// values; a null value expects that there is none, and deletes. ErrConflict says
// that one is different.
func (g *Group) SetProperties(ctx context.Context, set, expect wire.Params) error {
	_, err := actor.Ask[struct{}](ctx, g.ref, setCall{set: set.Clone(), expect: expect.Clone()})
	return g.gone(err)
}

// Properties are the group's properties.
func (g *Group) Properties() wire.Params { return g.view.Load().props }

// Members iterates over the members, those whose join is pending included, in
// the order of their joining.
func (g *Group) Members() iter.Seq[*peers.Peer] {
	seats := g.view.Load().seats
	return func(yield func(*peers.Peer) bool) {
		for _, s := range seats {
			if !yield(s.peer) {
				return
			}
		}
	}
}

// Len is the number of members, the server not counted.
func (g *Group) Len() int { return len(g.view.Load().seats) }

// Has reports whether a peer is a member.
func (g *Group) Has(id wire.ID) bool {
	_, ok := g.index.Load(id)
	return ok
}

// AwaitReady waits until every join of the Create is complete, and returns
// those that were not OK. In a member's own behaviour it takes 10 to 20 ms: its
// acknowledgement has to be read meanwhile.
func (g *Group) AwaitReady(ctx context.Context) ([]JoinComplete, error) {
	select {
	case <-g.ready:
	case <-g.Done():
	case <-ctx.Done():
	}
	select {
	case <-g.ready:
		return g.outcome, nil
	default:
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, ErrDestroyed // its actor failed so badly that it could not tell
}

func (g *Group) maxBody() int { return session.MaxGroupBody(int(g.limit.Load())) }

func (g *Group) post(call any) error { return postedError(g.ref.TryPost(call)) }

// gone translates the actor's errors.
func (g *Group) gone(err error) error {
	switch {
	case errors.Is(err, actor.ErrStopped):
		return ErrDestroyed
	case errors.Is(err, actor.ErrFull):
		return ErrOverloaded
	}
	return err
}

func postedError(p actor.Posted) error {
	switch p {
	case actor.Full:
		return ErrOverloaded
	case actor.Dead:
		return ErrDestroyed
	}
	return nil
}

// clean makes of s what a text on the wire may be.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
