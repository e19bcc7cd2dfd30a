package peers

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/wire"
)

// directory knows the peers of a system by id and by user.
type directory struct {
	ids idSource

	mu    sync.RWMutex
	peers map[wire.ID]*Peer
	users map[string][]*Peer // those on their way in included
}

func directoryOf(sys *actor.System) *directory {
	return actor.Extension(sys, func() *directory {
		d := &directory{peers: make(map[wire.ID]*Peer), users: make(map[string][]*Peer)}
		d.ids.start(time.Now())
		return d
	})
}

// Find returns the peer with an id, or nil.
func Find(sys *actor.System, id wire.ID) *Peer {
	d := directoryOf(sys)
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.peers[id]
}

// ByUser returns the peers of a user: none, one, or with SecondLogin Allow more.
func ByUser(sys *actor.System, user string) []*Peer {
	d := directoryOf(sys)
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found []*Peer
	for _, p := range d.users[user] {
		if d.peers[p.id] == p {
			found = append(found, p)
		}
	}
	return found
}

// All iterates over the peers that are there at the moment of the call.
func All(sys *actor.System) iter.Seq[*Peer] { return slices.Values(directoryOf(sys).all()) }

// Count is how many peers there are.
func Count(sys *actor.System) int {
	d := directoryOf(sys)
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.peers)
}

func (d *directory) all() []*Peer {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.AppendSeq(make([]*Peer, 0, len(d.peers)), maps.Values(d.peers))
}

// claim takes the user's place for p, or says that it may not have it.
func (d *directory) claim(p *Peer, rule SecondLogin) (old []*Peer, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old = d.users[p.init.User]
	if rule == RejectNew && len(old) > 0 {
		return nil, false
	}
	d.users[p.init.User] = append(slices.Clip(old), p)
	return old, true
}

// release gives the user's place back. It is called once for each claim.
func (d *directory) release(p *Peer) {
	if p.gone == nil {
		return
	}
	d.mu.Lock()
	user := p.init.User
	d.users[user] = slices.DeleteFunc(slices.Clone(d.users[user]), func(o *Peer) bool { return o == p })
	if len(d.users[user]) == 0 {
		delete(d.users, user)
	}
	d.mu.Unlock()
	close(p.gone)
}

// add makes a started peer known, unless its server is stopping.
func (d *directory) add(p *Peer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.home.closed {
		return false
	}
	d.peers[p.id] = p
	return true
}

func (d *directory) remove(p *Peer) {
	d.mu.Lock()
	delete(d.peers, p.id)
	d.mu.Unlock()
}

// close lets no more peers of home be added, and returns those there are.
func (d *directory) close(home *Peers) []*Peer {
	d.mu.Lock()
	home.closed = true
	d.mu.Unlock()
	return d.of(home)
}

// of returns the peers of home.
func (d *directory) of(home *Peers) []*Peer {
	return slices.DeleteFunc(d.all(), func(p *Peer) bool { return p.home != home })
}

func (d *directory) isClosed(home *Peers) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return home.closed
}
