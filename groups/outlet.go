package groups

import (
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// The shell is its core's outlet.
var _ outlet = (*shell)(nil)

// admit implements outlet.
func (sh *shell) admit(m *member) (Result, bool) {
	g, p := sh.g, m.who.(*peers.Peer)
	s := &seat{id: m.id, epoch: m.epoch, peer: p, conn: p.Session(), since: time.Now()}
	if limit := int64(p.Session().FrameLimit()); limit < g.limit.Load() {
		g.limit.Store(limit)
	}
	ok, ended := p.Session().AddRoute(g.id, &route{relay: relay{g: g, order: s.conn.Order()}, seat: s}, g.opt.MaxGroups)
	switch {
	case ended:
		return Disconnected, false
	case !ok:
		return TooManyGroups, false
	}
	m.who = s
	sh.fresh = append(sh.fresh, s)
	return OK, true
}

// pair implements outlet.
func (sh *shell) pair() {
	for _, fresh := range sh.fresh {
		sh.pairUp(fresh)
	}
}

// open implements outlet.
func (sh *shell) open() { sh.publish() }

// maxPaired is the largest group whose members are paired: beyond it pairs cost
// more than they save.
const maxPaired = 64

// pairUp pairs a new member with the others, those of the same entry once.
func (sh *shell) pairUp(fresh *seat) {
	if len(sh.core.members) > maxPaired {
		return
	}
	for _, m := range sh.core.members {
		if m.who == fresh {
			return // who comes behind is paired in its own turn
		}
		if s, ok := m.who.(*seat); ok {
			told := sh.g.home.pairs.join(sh.g, s, fresh)
			told.measure()
			sh.owe(told)
		}
	}
}

// owe has sessions flushed at the end of the batch.
func (sh *shell) owe(u unsent) {
	for _, s := range u {
		if _, ok := sh.owed[s]; !ok {
			if sh.owed == nil {
				sh.owed = make(map[*session.Session]struct{})
			}
			sh.owed[s] = struct{}{}
		}
	}
}

// dismiss implements outlet.
func (sh *shell) dismiss(m *member) {
	if s, ok := m.who.(*seat); ok { // not the server
		s.gone.Store(true)
		sh.owe(sh.g.home.pairs.leave(sh.g, s))
		sh.g.index.Delete(m.id)
		s.conn.RemoveRoute(sh.g.id)
	}
	sh.moved = true
}

// maxTail is how many bytes for all members are gathered before they are sent.
const maxTail = 32 << 10

// tellAll implements outlet: it gathers. What goes to everybody is written from
// one place, see spill.
func (sh *shell) tellAll(frame []byte) {
	sh.tail = append(sh.tail, frame...)
	sh.tailed++
	if len(sh.tail) >= maxTail {
		sh.spill()
	}
}

// spill sends what was gathered for all members. It comes before they change,
// before anything goes to some of them, and at the end of a batch.
func (sh *shell) spill() {
	if sh.tailed == 0 {
		return
	}
	for _, m := range sh.core.members {
		if s, ok := m.who.(*seat); ok {
			s.conn.SendShared(sh.tail, sh.tailed) // an error ends that member's session, and so its membership
		}
	}
	sh.tail, sh.tailed = sh.tail[:0], 0
}

// tell implements outlet.
func (sh *shell) tell(to []*member, frame []byte) {
	sh.spill()
	for _, m := range to {
		s, ok := m.who.(*seat)
		if !ok { // the server
			continue
		}
		// An error ends that member's session, and so its membership.
		if s.conn.PutFrame(frame, wire.Reliable) == nil {
			sh.touch(s)
		}
	}
}

// joined implements outlet.
func (sh *shell) joined(o outcome) { sh.g.joined(o) }

// report implements outlet.
func (sh *shell) report(event any) { sh.g.report(event) }

// view is what the group's actor publishes after each change.
type view struct {
	seats []*seat // in the order of joining
	props wire.Params
	over  bool
}

func (sh *shell) publish() {
	sh.moved = false
	for _, s := range sh.fresh {
		sh.g.index.Store(s.id, s)
	}
	sh.fresh = sh.fresh[:0]
	seats := make([]*seat, 0, len(sh.core.members))
	for _, m := range sh.core.members {
		if s, ok := m.who.(*seat); ok {
			seats = append(seats, s)
		}
	}
	sh.g.view.Store(&view{seats: seats, props: sh.core.props, over: sh.core.over})
}

func (sh *shell) info() Info {
	c := sh.core
	info := Info{Position: c.position, Pending: len(c.pending), Late: sh.g.late.Load()}
	info.Sent, info.Dropped = sh.g.budget.counts()
	for _, m := range c.members {
		info.Members = append(info.Members, MemberInfo{ID: m.id, Epoch: m.epoch, Acked: m.acked, Pending: m.pending})
	}
	return info
}
