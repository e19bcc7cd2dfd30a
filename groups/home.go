package groups

import (
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// home is the groups of a system and the actor that is their parent.
type home struct {
	ref actor.Ref

	pairs pairs

	mu     sync.RWMutex
	groups map[wire.ID]*Group
}

func homeOf(sys *actor.System) *home {
	return actor.Extension(sys, func() *home {
		ref := sys.Spawn(actor.Props{Name: "groups", NeverBlocks: true}, func() actor.Behavior {
			return actor.Func(func(*actor.Context) {}) // it is there to be stopped
		})
		h := &home{ref: ref, groups: make(map[wire.ID]*Group)}
		h.pairs.pairs, h.pairs.observed = make(map[couple]*pair), (*session.Session).Observed
		h.pairs.spent.again, h.pairs.tried.again = probeAgain, tryAgain
		return h
	})
}

// begin posts a group's first message and makes the group known, in one: who
// finds it posts behind.
func (h *home) begin(g *Group, first *createCall) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := postedError(g.ref.TryPost(first)); err != nil { // the system is stopping
		return err
	}
	h.groups[g.id] = g
	return nil
}

func (h *home) remove(g *Group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.groups, g.id)
}

// All iterates over the groups that there are at the moment of the call.
func All(sys *actor.System) iter.Seq[*Group] {
	h := homeOf(sys)
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Values(slices.Collect(maps.Values(h.groups)))
}

// Find returns the group with an id, or nil.
func Find(sys *actor.System, id wire.ID) *Group {
	h := homeOf(sys)
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.groups[id]
}

// Of iterates over the groups that a peer is in.
func Of(p *peers.Peer) iter.Seq[*Group] {
	return func(yield func(*Group) bool) {
		for _, r := range p.Session().Routes() {
			if r, ok := r.(*route); ok && !yield(r.relay.g) {
				return
			}
		}
	}
}

// DestroyEmpty destroys the groups that have no member now, and returns how
// many it asked to.
func DestroyEmpty(sys *actor.System) (n int) {
	for g := range All(sys) {
		if g.Len() == 0 && g.post(destroyCall{onlyEmpty: true}) == nil {
			n++
		}
	}
	return n
}
