package groups

import (
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// The owner is told of joins and leaves whatever it does: the server causes
// those. What members cause counts as lag until the owner has handled it. The
// server as a member that lags too far has left.

type (
	lagging struct{}              // something waits for the owner
	stale   struct{ mark uint64 } // maxLagTime later
)

// tellOwner gives the server, as a member, a copy of what a member has sent. It
// reports false when the owner has too much waiting already.
func (g *Group) tellOwner(from *peers.Peer, m *wire.GroupSend) bool {
	w, ok := g.lag.begin(len(m.Payload) + len(m.Params.Raw()))
	if !ok {
		return false
	}
	msg := &Message{Group: g, Peer: from, Code: m.Code, Delivery: m.Delivery, Body: m.Body.Clone(), waits: w}
	if g.opt.Owner.Force(msg) != actor.Accepted {
		msg.Release() // the owner has stopped, and the group is about to
		return true
	}
	if !g.lag.watched.Swap(true) {
		g.ref.Force(lagging{})
	}
	return true
}

// toOwner is tellOwner for reliable messages: who misses one is no member.
func (sh *shell) toOwner(from *peers.Peer, m *wire.GroupSend) {
	if !sh.g.tellOwner(from, m) {
		sh.expelServer()
	}
}

func (sh *shell) expelServer() {
	sh.g.serverSlow.Store(true)
	sh.core.leave(wire.Server, 0, wire.CodeSlow, "")
}

// watchLag looks again in maxLagTime whether what waits now has been handled.
func (sh *shell) watchLag() {
	sh.self.After(maxLagTime, stale{mark: sh.g.lag.begun.Load()})
}

// checkLag judges what waited maxLagTime ago. One message is watched at a time,
// so an owner that always lags a little may reach twice the time before it is
// noticed; one that handles nothing does not.
func (sh *shell) checkLag(m stale) {
	l := &sh.g.lag
	switch {
	case l.ended.Load() < m.mark:
		if sh.g.opt.ServerMember {
			sh.expelServer()
		}
	case !l.idle():
		sh.watchLag()
	default:
		l.watched.Store(false)
		if !l.idle() && !l.watched.Swap(true) { // one has come meanwhile
			sh.watchLag()
		}
	}
}

// changed tells the owner of new properties.
func (g *Group) changed(e changedEvent) {
	m := PropertiesChanged{Group: g, By: e.by, Set: e.set}
	if e.by != wire.Server {
		m.waits, _ = g.lag.begin(len(e.set.Raw())) // room has been asked for
	}
	if g.opt.Owner.Force(m) != actor.Accepted {
		m.Release()
	}
}

// room implements outlet: members may change properties as long as the owner
// keeps up.
func (sh *shell) room(e changedEvent) bool {
	if e.by == wire.Server || sh.g.opt.Owner.IsZero() {
		return true
	}
	return sh.g.lag.bytes.Load() <= maxLag-maxProperties-64
}
