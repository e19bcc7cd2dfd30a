package groups

import (
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// place gives a reliable message its place in the log and sends it to every
// member, or, without a place, to those in to. It reports false when the sender
// is no member any more. own says whether the server as a member gets it.
func (c *core) place(sender wire.ID, epoch uint64, m *wire.GroupSend) (own, ok bool) {
	if c.over {
		return false, false
	}
	if sender != wire.Server {
		if s := c.byID[sender]; s == nil || s.epoch != epoch {
			return false, false
		}
	}
	out := wire.GroupMessage{Code: m.Code, Delivery: m.Delivery, Body: m.Body, Group: c.id, Sender: sender, Epoch: epoch}
	own = sender != wire.Server && c.byID[wire.Server] != nil
	if m.To.Len() > 0 {
		out.Delivery = uncached(out.Delivery)
		c.frame = out.AppendFrame(c.frame[:0])
		c.out.tell(c.pick(m.To), c.frame)
		return own && m.To.Has(wire.Server), true
	}
	c.position++
	c.shared = c.position
	out.Position = c.position
	c.frame = out.AppendFrame(c.frame[:0])
	c.out.tellAll(c.frame)
	if m.Delivery.IsCached() {
		c.cache.add(&out, c.opt.Cache)
	}
	return own, true
}

// uncached is d for a message that is not from the cache and goes into none: a
// client takes a message without a place that says cached for an old one.
func uncached(d wire.Delivery) wire.Delivery { return d &^ wire.Reliable.Cached() }

// pick returns the members among ids, each once.
func (c *core) pick(ids wire.IDs) []*member {
	var to []*member
	for i := range ids.Len() {
		id := ids.At(i)
		if m := c.byID[id]; m != nil && !seen(ids, i, id) {
			to = append(to, m)
		}
	}
	return to
}

// seen reports whether id is among the first n ids. There are few: see
// session.MaxTargets.
func seen(ids wire.IDs, n int, id wire.ID) bool {
	for i := range n {
		if ids.At(i) == id {
			return true
		}
	}
	return false
}

// checkSend judges what does not depend on who is a member.
func checkSend(m *wire.GroupSend, maxBody int) error {
	if len(m.Payload)+len(m.Params.Raw()) > maxBody || m.To.Len() > session.MaxTargets || m.Except.Len() > maxPaired {
		return ErrTooLarge
	}
	return nil
}
