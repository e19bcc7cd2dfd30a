package groups

import (
	"slices"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// ack takes a member's acknowledgement of everything up to position. It reports
// false for one of what was never sent.
func (c *core) ack(id wire.ID, epoch, position uint64) bool {
	m := c.byID[id]
	if m == nil || m.epoch != epoch {
		return true // it has left meanwhile
	}
	if position > c.sent(m) {
		return false
	}
	if position <= m.acked {
		return true
	}
	before := m.acked
	m.acked = position
	c.settle(func(j *join) bool { return c.awaits(j, m) && j.position > before && j.position <= position })
	return true
}

// awaits reports whether a join waits for m's acknowledgement, given or not.
func (c *core) awaits(j *join, m *member) bool {
	return j.m == m || !c.opt.Quiet && m.epoch < j.position && !m.server()
}

// settle counts one acknowledgement for each pending join that match names, and
// completes those that miss no more.
func (c *core) settle(match func(*join) bool) {
	var done []*join
	c.pending = slices.DeleteFunc(c.pending, func(j *join) bool {
		if !match(j) {
			return false
		}
		if j.waiting--; j.waiting > 0 {
			return false
		}
		done = append(done, j)
		return true
	})
	for _, j := range done {
		c.complete(j, OK, nil)
	}
}

// nextDeadline is when expire is to be called, zero for never.
func (c *core) nextDeadline() time.Time {
	if len(c.pending) == 0 {
		return time.Time{}
	}
	return c.pending[0].deadline // all have the same timeout
}

// expire gives up waiting for acknowledgements that are overdue.
func (c *core) expire(now time.Time) {
	for len(c.pending) > 0 {
		j := c.pending[0]
		if j.deadline.IsZero() || now.Before(j.deadline) {
			return
		}
		c.pending = slices.Delete(c.pending, 0, 1)
		var missing []wire.ID
		for _, m := range c.members {
			if c.awaits(j, m) && m.acked < j.position {
				missing = append(missing, m.id)
			}
		}
		c.complete(j, TimedOut, missing)
	}
}
