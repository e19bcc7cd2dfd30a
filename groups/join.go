package groups

import (
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// join is a membership that is not complete.
type join struct {
	m        *member
	joiner   *joiner
	position uint64
	waiting  int // acknowledgements that are missing
	created  bool
	deadline time.Time
}

// create is the group's first entry.
func (c *core) create(list []*joiner, now time.Time) {
	if c.opt.ServerMember {
		c.insert(&member{id: wire.Server, epoch: 1})
	}
	c.add(list, now, true)
	c.checkReady()
	c.checkEmpty()
}

// join takes a peer in.
func (c *core) join(j *joiner, now time.Time) { c.add([]*joiner{j}, now, false) }

// add takes peers in with one entry.
func (c *core) add(list []*joiner, now time.Time, created bool) {
	older := len(c.members)
	var joins []*join
	for _, j := range list {
		m := &member{id: j.id, epoch: c.position + 1, payload: j.payload, who: j.who}
		if result, ok := c.take(m, j.limit); !ok {
			c.refused(outcome{joiner: j, result: result}, created)
			continue
		}
		m.pending = true
		joins = append(joins, &join{m: m, joiner: j, position: m.epoch, created: created, deadline: c.deadline(now)})
	}
	if len(joins) == 0 {
		return
	}
	c.position++
	waiting := 1
	if !c.opt.Quiet {
		for _, m := range c.members[:older] {
			if !m.server() {
				waiting++
			}
		}
	}
	for _, j := range joins {
		j.waiting = waiting
		c.pending = append(c.pending, j)
		if created {
			c.creating++
		}
	}
	c.announce(older)
}

// take makes a member of a joiner, if it may be one.
func (c *core) take(m *member, limit int) (Result, bool) {
	switch {
	case c.over:
		return Destroyed, false
	case c.byID[m.id] != nil:
		return AlreadyMember, false
	case c.count() >= c.opt.MaxMembers:
		return Full, false
	}
	if limit == 0 {
		limit = wire.MaxFrame
	}
	limit = min(limit, c.limit)
	if len(m.payload) > maxJoin || !c.fits(m, limit) {
		return TooLarge, false
	}
	if result, ok := c.out.admit(m); !ok {
		return result, false
	}
	c.limit = limit
	c.insert(m)
	return OK, true
}

// fits reports whether a Joined that lists all members and m, with as many
// properties as there may come to be, is a frame.
func (c *core) fits(m *member, limit int) bool {
	members := m.size()
	if !c.opt.Quiet {
		members += c.listed
	}
	return limit >= minFrame && members+len(c.opt.Payload)+max(maxPropertiesIn(limit), len(c.props.Raw()))+maxEntry <= limit
}

// announce sends the new members all there are, and the older ones the new. In
// between the relay opens, so that nothing reaches a new member before its own
// join, and nothing that answers to its join misses it.
func (c *core) announce(older int) {
	fresh := c.members[older:]
	c.out.pair()
	own := &wirepb.Joined{Own: true, Payload: c.opt.Payload, Quiet: c.opt.Quiet, Properties: c.props.PB(), MaxDirect: c.opt.toldDirect()}
	if c.opt.Quiet {
		for i := range fresh {
			own.Members = entryMembers(fresh[i : i+1])
			c.tell(fresh[i:i+1], joinedEntry(own))
		}
	} else {
		own.Members = entryMembers(c.members)
		c.tell(fresh, joinedEntry(own))
	}
	for _, frame := range c.cache.frames {
		c.out.tell(fresh, frame)
	}
	c.out.open()
	if !c.opt.Quiet && older > 0 {
		c.tell(c.members[:older], joinedEntry(&wirepb.Joined{Members: entryMembers(fresh)}))
	}
}

func joinedEntry(j *wirepb.Joined) *wirepb.GroupEntry {
	return &wirepb.GroupEntry{Entry: &wirepb.GroupEntry_Joined{Joined: j}}
}

func entryMembers(list []*member) []*wirepb.Member {
	out := make([]*wirepb.Member, len(list))
	for i, m := range list {
		out[i] = &wirepb.Member{Id: uint64(m.id), Epoch: m.epoch, Payload: m.payload}
	}
	return out
}

func (c *core) refused(o outcome, created bool) {
	c.out.joined(o)
	if created {
		c.notOK = append(c.notOK, o)
	}
}

// complete reports a join that is no longer pending.
func (c *core) complete(j *join, result Result, missing []wire.ID) {
	j.m.pending = false
	o := outcome{joiner: j.joiner, result: result, missing: missing}
	c.out.joined(o)
	if j.created {
		c.creating--
		if result != OK {
			c.notOK = append(c.notOK, o)
		}
		c.checkReady()
	}
}

// checkReady tells once that no join of the Create is pending any more.
func (c *core) checkReady() {
	if c.creating == 0 && !c.ready {
		c.ready = true
		c.out.report(readyEvent{c.notOK})
		c.notOK = nil
	}
}
