package groups

import (
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// core is a group's log: who is in, what they have acknowledged, which joins
// are pending. It is pure: calls come in, an outlet takes what follows.
type core struct {
	// set once
	id  wire.ID
	opt Options
	out outlet

	position uint64    // of the last entry
	shared   uint64    // of the last entry that went to every member
	members  []*member // in order of joining
	byID     map[wire.ID]*member
	pending  []*join // in order of position
	over     bool

	creating int // joins of the Create that are pending
	notOK    []outcome
	ready    bool // Ready has been told

	limit  int // largest frame that every member takes
	listed int // bytes of all members in a Joined, at most
	props  wire.Params
	cache  cache
	frame  []byte // scratch: what is sent is copied
}

// member is one membership.
type member struct {
	id      wire.ID
	epoch   uint64 // the position of its Joined
	told    uint64 // position of the last entry that went to it and not to all
	acked   uint64
	pending bool // its join is
	payload []byte
	who     any // the outlet's own
}

// server reports whether the member is the server itself, which acknowledges nothing.
func (m *member) server() bool { return m.id == wire.Server }

// size is how much of a Joined the member takes, at most.
func (m *member) size() int { return len(m.payload) + 32 }

// joiner asks to become a member.
type joiner struct {
	id      wire.ID
	payload []byte
	limit   int // largest frame that it takes; 0 means wire.MaxFrame
	who     any
	notify  any // besides the owner; nil for nobody

	told bool // its outcome has been reported
}

// outcome is how a join ended.
type outcome struct {
	joiner  *joiner
	result  Result
	missing []wire.ID
}

// outlet is what a core does to the world.
type outlet interface {
	// admit lets a member send, or says why not.
	admit(m *member) (Result, bool)
	// pair pairs the members that were admitted with the others, so that who is told
	// of them may send to them past the group at once.
	pair()
	// open lets the relay reach the members that were admitted.
	open()
	// dismiss ends both.
	dismiss(m *member)
	// tell sends an encoded frame, reliably and in order. It copies.
	tell(to []*member, frame []byte)
	// tellAll sends one to every member.
	tellAll(frame []byte)
	// joined reports to the owner and to whom the join names.
	joined(outcome)
	// room reports whether the owner can be told of a change of properties.
	room(changedEvent) bool
	// report tells the owner anything else.
	report(event any)
}

// The owner's events as the core knows them.
type (
	readyEvent struct{ notOK []outcome }
	leftEvent  struct {
		m      *member
		reason wire.Code
	}
	destroyedEvent struct{ reason wire.Code }
	changedEvent   struct {
		by  wire.ID
		set wire.Params
	}
)

func newCore(id wire.ID, opt Options, out outlet) *core {
	return &core{id: id, opt: opt, out: out, byID: make(map[wire.ID]*member), limit: wire.MaxFrame}
}

func (c *core) insert(m *member) {
	c.members = append(c.members, m)
	c.byID[m.id] = m
	c.listed += m.size()
}

// count is the number of members that are not the server.
func (c *core) count() int {
	if c.byID[wire.Server] != nil {
		return len(c.members) - 1
	}
	return len(c.members)
}

// tell sends an entry at the present position to those who are to acknowledge it.
func (c *core) tell(to []*member, e *wirepb.GroupEntry) {
	for _, m := range to {
		m.told = c.position
	}
	c.out.tell(to, c.encode(e))
}

// tellAll sends an entry at the present position to every member.
func (c *core) tellAll(e *wirepb.GroupEntry) {
	c.shared = c.position
	c.out.tellAll(c.encode(e))
}

// encode returns the entry as a frame, in the core's scratch buffer.
func (c *core) encode(e *wirepb.GroupEntry) []byte {
	e.Group, e.Position = uint64(c.id), c.position
	frame, err := wire.MarshalFrame(c.frame[:0], wire.KindGroupEntry, e)
	if err != nil {
		panic("groups: an entry that was judged before cannot be sent: " + err.Error())
	}
	c.frame = frame
	return frame
}

// sent is the position of the last entry that went to m.
func (c *core) sent(m *member) uint64 { return max(m.told, c.shared) }

// deadline is that of a join at now, zero for none.
func (c *core) deadline(now time.Time) time.Time {
	if c.opt.AckTimeout < 0 {
		return time.Time{}
	}
	return now.Add(c.opt.AckTimeout)
}
