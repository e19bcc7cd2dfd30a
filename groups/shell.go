package groups

import (
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// keepScratch is how much memory for encoding is kept between messages.
const keepScratch = 4 << 10

// shell is the group's actor around its core. All of it belongs to the actor's
// turn.
type shell struct {
	g     *Group
	core  *core
	self  *actor.Context
	timer *actor.Timer
	due   time.Time

	created  bool      // createCall has come
	handling []*joiner // those of the message being handled
	fresh    []*seat   // admitted, and not in the relay's index yet
	dirty    []*seat
	moved    bool   // the view is out of date
	tail     []byte // frames for all members that have not been sent
	tailed   int    // how many

	owed map[*session.Session]struct{} // those of pairs, of other groups' members too, that are to be flushed
}

// Receive implements actor.Behavior.
func (sh *shell) Receive(c *actor.Context) {
	sh.self = c
	switch c.Message().(type) {
	case *batch, *sendCall, ackCall: // no member comes or goes
	default:
		sh.spill()
	}
	switch m := c.Message().(type) {
	case actor.Stopping:
		sh.stop(m)
		return
	case *createCall:
		sh.create(m)
	case actor.Terminated:
		sh.core.destroy(wire.CodeOwnerGone, "")
	case *batch:
		sh.messages(m)
	case ackCall:
		sh.ack(m.s)
	case lagging:
		sh.watchLag()
	case stale:
		sh.checkLag(m)
	default:
		sh.call(m)
	}
	sh.after()
}

func (sh *shell) create(m *createCall) {
	sh.created = true
	if owner := sh.g.opt.Owner; !owner.IsZero() {
		sh.self.Watch(owner)
	}
	sh.handling = m.joiners
	sh.core.create(m.joiners, time.Now())
	sh.handling = nil
}

// call does what the server or, for its properties, a member asks.
func (sh *shell) call(msg any) {
	switch m := msg.(type) {
	case *joinCall:
		sh.handling = []*joiner{m.j}
		sh.core.join(m.j, time.Now())
		sh.handling = nil
	case leaveCall:
		sh.core.leave(m.id, m.epoch, m.reason, m.text)
	case destroyCall:
		if !m.onlyEmpty || sh.core.count() == 0 {
			sh.core.destroy(wire.CodeDestroyed, "")
		}
	case *sendCall:
		sh.core.place(wire.Server, 0, &m.m)
	case setCall:
		if err := sh.core.set(wire.Server, m.set, m.expect); err != nil {
			sh.self.Respond(err)
			return
		}
		sh.publish()
		sh.self.Respond(struct{}{})
	case *memberSet:
		sh.memberSet(m)
	case infoCall:
		sh.self.Respond(sh.info())
	case overdue:
		sh.timer, sh.due = nil, time.Time{}
		sh.core.expire(time.Now())
	}
}

// ack looks at a member's latest acknowledgement.
func (sh *shell) ack(s *seat) {
	s.acking.Store(false) // before the load: a later one calls again
	if !sh.core.ack(s.id, s.epoch, s.acked.Load()) {
		s.peer.Close(wire.CodeProtocol, "an acknowledgement of what was never sent")
	}
}

// messages places what one read of a member's session brought.
func (sh *shell) messages(b *batch) {
	defer b.Release()
	sh.self.Charge(len(b.messages) - 1)
	for i := range b.messages {
		m := &b.messages[i]
		own, ok := sh.core.place(b.from.id, b.from.epoch, m)
		switch {
		case !ok:
			sh.g.late.Add(1)
		case own:
			sh.toOwner(b.from.peer, m)
		}
	}
}

func (sh *shell) memberSet(m *memberSet) {
	err := errNotMember
	if cm := sh.core.byID[m.s.id]; cm != nil && cm.epoch == m.s.epoch {
		err = sh.core.set(m.s.id, m.set, m.expect)
		sh.moved = sh.moved || err == nil
	}
	m.s.answer(m.request, err)
	sh.touch(m.s)
}

// after follows every message: publish, look at the deadlines, end.
func (sh *shell) after() {
	if sh.moved {
		sh.publish()
	}
	if next := sh.core.nextDeadline(); !next.Equal(sh.due) {
		sh.timer.Stop()
		sh.timer, sh.due = nil, next
		if !next.IsZero() {
			sh.timer = sh.self.After(time.Until(next), overdue{})
		}
	}
	if sh.core.over {
		sh.self.Stop()
	}
}

// stop ends the group, for whatever reason its actor ends.
func (sh *shell) stop(m actor.Stopping) {
	if !sh.created { // the createCall, when it is released, tells
		return
	}
	defer sh.g.end()
	reason := wire.CodeDestroyed
	if m.Err != nil {
		reason = wire.CodeInternal
	}
	for _, j := range sh.handling { // a panic came between
		sh.g.joined(outcome{joiner: j, result: Destroyed})
	}
	sh.core.destroy(reason, "") // no-op where that is why
	sh.publish()
	sh.BatchEnd()
}

// BatchEnd implements actor.BatchEnder: what the batch has put into the
// members' queues leaves, and waiting senders find room.
func (sh *shell) BatchEnd() {
	sh.spill()
	for i, s := range sh.dirty {
		s.dirty = false
		s.conn.Flush()
		sh.dirty[i] = nil
	}
	sh.dirty = sh.dirty[:0]
	for s := range sh.owed {
		s.Flush()
	}
	sh.owed = nil
	if cap(sh.core.frame) > keepScratch {
		sh.core.frame = nil
	}
	if cap(sh.tail) > keepScratch {
		sh.tail = nil
	}
	sh.g.room.wake()
}

func (sh *shell) touch(s *seat) {
	if !s.dirty {
		s.dirty = true
		sh.dirty = append(sh.dirty, s)
	}
}
