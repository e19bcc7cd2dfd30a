package groups

import (
	"cmp"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// maxDirty is how many sessions a relay remembers to flush.
const maxDirty = 4096

// relay passes unreliable and sequenced messages on, past the group's actor. It
// belongs to one goroutine.
type relay struct {
	g      *Group
	frame  []byte
	sender wire.ID
	dirty  []*session.Session

	order *session.Ordering // of the sender's sequenced messages: to all, and by receiver of those to some
	named bool              // there have been some to some
}

// send puts a message into its receivers' queues; flush sends it. from is nil
// for the server's own.
func (r *relay) send(from *seat, m *wire.GroupSend) {
	g := r.g
	out := wire.GroupMessage{Code: m.Code, Delivery: uncached(m.Delivery), Body: m.Body, Group: g.id, Sender: wire.Server}
	if from != nil {
		if from.gone.Load() {
			g.late.Add(1)
			return
		}
		out.Sender, out.Epoch = from.id, from.epoch
	}
	if r.order != nil && m.Delivery.Class() == wire.ClassSequenced {
		out.Sequence = m.Sequence
	}
	to := m.To.Len()
	r.named = r.named || to > 0 && out.Sequence != 0
	if to > 0 && r.overtaken(&out, wire.None) || to == 0 && !r.newest(&out, wire.None) {
		from.conn.Counts().Stale.Add(1)
		return
	}
	r.frame, r.sender = out.AppendFrame(r.frame[:0]), out.Sender
	seats := g.view.Load().seats
	if n := cmp.Or(to, len(seats)-1-m.Except.Len()); from != nil && !g.budget.lossy(len(r.frame), max(n, 0), from.conn.Now()) {
		return
	}
	server := from != nil && g.opt.ServerMember && !g.serverSlow.Load()
	if to > 0 {
		for i := range to {
			id := m.To.At(i)
			if s, ok := g.index.Load(id); ok && !seen(m.To, i, id) && r.newest(&out, id) {
				r.put(s.(*seat), out.Delivery)
			}
		}
		server = server && m.To.Has(wire.Server)
	} else {
		for _, s := range seats {
			if !m.Except.Has(s.id) && !(r.named && r.overtaken(&out, s.id)) {
				r.put(s, out.Delivery)
			}
		}
	}
	if server {
		g.tellOwner(from.peer, m) // what is unreliable may be lost
	}
}

// newest reports whether a message is the newest of its key to a receiver, or to
// all, and notes it. What is not counted has come in its order.
func (r *relay) newest(m *wire.GroupMessage, to wire.ID) bool {
	return m.Sequence == 0 || r.order.Newest(r.g.id, to, m.Delivery, m.Sequence)
}

// overtaken reports whether a newer one of its key has gone there.
func (r *relay) overtaken(m *wire.GroupMessage, to wire.ID) bool {
	return m.Sequence != 0 && r.order.Overtaken(r.g.id, to, m.Delivery, m.Sequence)
}

func (r *relay) put(s *seat, d wire.Delivery) {
	if s.id == r.sender || s.gone.Load() {
		return
	}
	ss := s.conn
	if ss.PutRelayed(r.frame, d, r.g.id, r.sender) != nil {
		return
	}
	if r.dirty = append(r.dirty, ss); len(r.dirty) >= maxDirty {
		r.flush()
	}
}

func (r *relay) flush() {
	for i, s := range r.dirty {
		s.Flush()
		r.dirty[i] = nil
	}
	r.dirty = r.dirty[:0]
	if cap(r.frame) > keepScratch {
		r.frame = nil
	}
}
