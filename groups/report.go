package groups

import (
	"slices"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// joined tells the owner, and whom the join named, how a join ended: once.
func (g *Group) joined(o outcome) {
	if o.joiner.told {
		return
	}
	o.joiner.told = true
	jc := g.joinComplete(o)
	g.opt.Owner.Force(jc)
	notify, _ := o.joiner.notify.([]actor.Ref)
	for i, r := range notify {
		if r != g.opt.Owner && !slices.Contains(notify[:i], r) {
			r.Force(jc)
		}
	}
}

func (g *Group) joinComplete(o outcome) JoinComplete {
	return JoinComplete{Group: g, Peer: o.joiner.who.(*peers.Peer), Result: o.result, Missing: o.missing}
}

// report tells the owner anything else.
func (g *Group) report(event any) {
	owner := g.opt.Owner
	switch e := event.(type) {
	case readyEvent:
		for _, o := range e.notOK {
			g.outcome = append(g.outcome, g.joinComplete(o))
		}
		close(g.ready)
		owner.Force(Ready{Group: g, NotOK: g.outcome})
	case leftEvent:
		left := MemberLeft{Group: g, Reason: e.reason}
		if s, ok := e.m.who.(*seat); ok {
			left.Peer = s.peer
		}
		owner.Force(left)
	case destroyedEvent:
		owner.Force(GroupDestroyed{Group: g, Reason: e.reason})
	case changedEvent:
		g.changed(e)
	}
}

// neverBegan reports for an actor that stopped before it had begun.
func (g *Group) neverBegan(list []*joiner) {
	var notOK []outcome
	for _, j := range list {
		o := outcome{joiner: j, result: Destroyed}
		g.joined(o)
		notOK = append(notOK, o)
	}
	g.view.Store(&view{over: true})
	g.report(readyEvent{notOK})
	g.report(destroyedEvent{wire.CodeDestroyed})
	g.end()
}

// end forgets the group and lets nobody wait for it.
func (g *Group) end() {
	g.home.remove(g)
	g.room.close()
}
