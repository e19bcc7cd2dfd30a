package main

import (
	"sync"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// troupePairs is a server that makes a group of each two clients who want to
// meet.
const troupePairs = "troupe-pairs"

// opMeet is its operation: it takes a date. That of the second one to come is
// answered when there is a group.
const opMeet = 1

// date is what two clients agree on.
type date struct {
	Number int
	Punch  bool // a direct path is looked for as they join, not with the first message
}

// codeMeet fails one.
const codeMeet = 1

func serveTroupePairs() (addr string, err error) {
	p := &park{waiting: make(map[date]*peers.Peer)}
	return listenTroupeUDP(&troupe.Server{
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(p.receive), nil },
	})
}

// park is where clients wait for each other.
type park struct {
	mu      sync.Mutex
	waiting map[date]*peers.Peer
}

func (p *park) receive(c *troupe.Context) {
	op, ok := c.Message().(*troupe.Operation)
	if !ok {
		return
	}
	if err := p.meet(c, op); err != nil {
		op.Fail(codeMeet, err.Error()) // an error says that the client has gone
		return
	}
	op.Respond(wire.Body{}) // as above
}

func (p *park) meet(c *troupe.Context, op *troupe.Operation) error {
	d, err := wire.Decode[date](op.Body)
	if err != nil {
		return err
	}
	p.mu.Lock()
	first := p.waiting[d]
	if first == nil {
		p.waiting[d] = c.Peer
		p.mu.Unlock()
		return nil
	}
	delete(p.waiting, d)
	p.mu.Unlock()
	_, err = groups.Create(c.System(), groups.Options{PunchAtJoin: d.Punch}, first, c.Peer)
	return err
}
