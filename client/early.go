package client

import (
	"time"

	"github.com/troupe-go/troupe/wire"
)

// Bounds of what is held for joins that have not been told yet.
const (
	earlyTTL      = 5 * time.Second
	earlyBytes    = 64 << 10 // of one group
	earlyOverhead = 128      // bytes that a message counts for besides its body
	earlyGroups   = 64       // groups that this client is not in
)

// early holds unreliable and sequenced group messages that have overtaken the
// join of their sender, or this client's own. It belongs to the callback
// goroutine.
type early struct {
	groups map[wire.ID]*held // none of them empty
	n      int               // messages in all
	timer  *time.Timer       // fires when the oldest is to be dropped, or before
}

// held is what is held for one group, oldest first.
type held struct {
	messages []heldMessage
	bytes    int
	strange  bool // this client is not in the group
}

type heldMessage struct {
	wire.GroupMessage // owns its bytes
	pair              *pair
	at                time.Time
}

func (m *heldMessage) size() int {
	return earlyOverhead + len(m.Payload) + len(m.Params.Raw())
}

func (e *early) init() {
	e.groups = make(map[wire.ID]*held)
	e.timer = time.NewTimer(earlyTTL)
	e.timer.Stop()
}

// hold keeps a copy of m, which came at the given time, and reports whether
// there was room. in says that this client is in the group.
func (e *early) hold(m *wire.GroupMessage, by *pair, at time.Time, in bool) bool {
	h := e.groups[m.Group]
	if h == nil {
		if !in && e.strange() >= earlyGroups {
			return false
		}
		h = &held{strange: !in}
	}
	kept := heldMessage{*m, by, at}
	if h.bytes+kept.size() > earlyBytes {
		return false
	}
	kept.Body = m.Body.Clone()
	e.groups[m.Group] = h
	h.messages = append(h.messages, kept)
	h.bytes += kept.size()
	if e.n++; e.n == 1 {
		e.timer.Reset(time.Until(at.Add(earlyTTL)))
	}
	return true
}

// strange counts the groups that this client is not in.
func (e *early) strange() (n int) {
	for _, h := range e.groups {
		if h.strange {
			n++
		}
	}
	return n
}

// left notes that this client is no longer in a group.
func (e *early) left(group wire.ID) {
	if h := e.groups[group]; h != nil {
		h.strange = true
	}
}

// take returns what is held for a group and holds it no longer.
func (e *early) take(group wire.ID) []heldMessage {
	h := e.groups[group]
	if h == nil {
		return nil
	}
	delete(e.groups, group)
	e.n -= len(h.messages)
	return h.messages
}

// expire drops what has been held for too long and returns how many that were.
func (e *early) expire(now time.Time) (dropped uint64) {
	var next time.Time
	for id, h := range e.groups {
		for len(h.messages) > 0 && now.Sub(h.messages[0].at) >= earlyTTL {
			h.bytes -= h.messages[0].size()
			h.messages[0].pair.lost(&h.messages[0].GroupMessage)
			h.messages = h.messages[1:]
			e.n--
			dropped++
		}
		if len(h.messages) == 0 {
			delete(e.groups, id)
		} else if at := h.messages[0].at; next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if !next.IsZero() {
		e.timer.Reset(next.Add(earlyTTL).Sub(now))
	}
	return dropped
}

// clear drops everything and returns how many that were.
func (e *early) clear() uint64 {
	n := e.n
	clear(e.groups)
	e.n = 0
	e.timer.Stop()
	return uint64(n)
}
