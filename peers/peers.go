package peers

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/inbox"
	"github.com/troupe-go/troupe/wire"
)

// Peers makes peers of clients; its actor is the parent of theirs. Its methods
// may be called from any goroutine.
type Peers struct {
	// set once
	sys    *actor.System
	cfg    Config
	dir    *directory
	ref    actor.Ref
	handle Handler // interceptors around the behaviour
	epoch  time.Time
	shelf  inbox.Shelf[Operation]
	stats  counters

	closed bool // no peer starts any more; dir.mu
}

// New starts the supervisor of peers.
func New(sys *actor.System, cfg Config) (*Peers, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Peers{sys: sys, cfg: cfg, dir: directoryOf(sys), epoch: time.Now()}
	p.shelf.Spoil = spoil
	p.dir.ids.node.Store(uint32(cfg.Node))
	p.handle = func(c *Context, op *Operation) {
		c.message = op
		c.Peer.shell.behavior.Receive(c)
	}
	for _, around := range slices.Backward(cfg.Intercept) {
		p.handle = around(p.handle)
	}
	p.ref = sys.Spawn(actor.Props{Name: "peers", NeverBlocks: true}, func() actor.Behavior {
		return actor.Func(func(*actor.Context) {}) // it is there to be stopped
	})
	return p, nil
}

// now is a time of day that costs half as much as time.Now.
func (p *Peers) now() time.Duration { return time.Since(p.epoch) }

// Shutdown closes every peer with CodeShutdown, lets no new one start, and
// waits for their behaviours until ctx ends.
func (p *Peers) Shutdown(ctx context.Context) error {
	all := p.dir.close(p)
	for _, peer := range all {
		peer.Close(wire.CodeShutdown, "the server stops")
	}
	for _, peer := range all {
		select {
		case <-peer.Done():
		case <-ctx.Done():
			return fmt.Errorf("peers: still closing: %w", ctx.Err())
		}
	}
	return nil
}

// All iterates over the peers of this Peers at the moment of the call.
func (p *Peers) All() iter.Seq[*Peer] { return slices.Values(p.dir.of(p)) }
