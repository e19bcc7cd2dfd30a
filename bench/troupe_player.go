package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// troupePlayer is a client of troupeTens'.
type troupePlayer struct {
	c      *client.Client
	pairs  bool
	whole  chan struct{} // closed when the group is
	g      *client.Group // from then on
	others []wire.ID     // likewise
}

// joinTroupeTens has players tell all others at once, or each by itself.
func joinTroupeTens(pairs bool, cfg client.Config) joining {
	return func(ctx context.Context, addr string, heard func([]byte)) (player, error) {
		p, cfg := &troupePlayer{pairs: pairs, whole: make(chan struct{})}, cfg
		cfg.OnGroup = func(g *client.Group) {
			p.g = g
			g.OnJoin = func(m client.Member) {
				if m.ID == g.Self().ID {
					return
				}
				if p.others = append(p.others, m.ID); len(p.others) == relayGroup-1 {
					close(p.whole)
				}
			}
			g.OnMessage = func(_ client.Member, e wire.Event) { heard(e.Payload) }
		}
		var err error
		if p.c, err = dialTroupe(ctx, addr, cfg); err != nil {
			return nil, err
		}
		return p, nil
	}
}

func (p *troupePlayer) ready(ctx context.Context) error {
	select {
	case <-p.whole:
	case <-ctx.Done():
		return fmt.Errorf("a group is not whole: %w", context.Cause(ctx))
	}
	for slices.ContainsFunc(p.others, func(id wire.ID) bool { _, ok := p.c.Path(id); return !ok }) {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("two are no pair: %w", err)
		}
	}
	return nil
}

func (p *troupePlayer) tell(update []byte) error {
	b := wire.Payload(update)
	if !p.pairs {
		return p.g.Send(1, b, wire.Sequenced(1))
	}
	for _, id := range p.others {
		if err := p.g.SendTo(id, 1, b, wire.Sequenced(1)); err != nil {
			return err
		}
	}
	return nil
}

func (p *troupePlayer) close() error { return p.c.Close() }
