package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// groupReady is the work of making groups: the server makes a group of all its
// clients and waits until each has acknowledged it, again and again. It costs
// the time that the server sees go by. No plain server has anything like it, so
// that there is no reference.
func groupReady(members int, limit time.Duration) work {
	name := fmt.Sprint("groupready", members)
	return work{
		name:    name,
		subject: subject{name: troupeRooms},
		target:  target{value: microseconds(limit), of: "p50_us"},
		cost:    func(f figures) float64 { return microseconds(f.p50) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, name, s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			ctx, cancel := context.WithTimeout(ctx, o.measured+slack)
			defer cancel()
			c := &cast{joined: make(chan int, members)}
			defer c.close()
			if err := c.dial(ctx, "tcp://"+srv.addr, members); err != nil {
				return figures{}, err
			}
			return c.rounds(ctx, o)
		},
	}
}

// cast is the clients of which groups are made.
type cast struct {
	clients []*client.Client
	joined  chan int // of each client at a group's end: how many members it was told of
}

func (c *cast) dial(ctx context.Context, url string, members int) error {
	for i := range members {
		cl, err := client.Dial(ctx, client.Config{OnGroup: c.enter}, url)
		if err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, members, err)
		}
		c.clients = append(c.clients, cl)
		if _, err := cl.Call(ctx, opHere, wire.Body{}); err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, members, err)
		}
	}
	return nil
}

// enter counts members as a game would draw them.
func (c *cast) enter(g *client.Group) {
	joined := 0
	g.OnJoin = func(client.Member) { joined++ }
	g.OnEnd = func(wire.Code) { c.joined <- joined } // has room: no client is in two groups
}

func (c *cast) close() {
	for _, cl := range c.clients {
		cl.Close()
	}
}

// rounds makes groups for the measured time, and at least one.
func (c *cast) rounds(ctx context.Context, o *options) (figures, error) {
	var took []time.Duration
	for _, d := range []time.Duration{o.warmUp(), o.measured} {
		took = nil
		for begin := time.Now(); len(took) == 0 || time.Since(begin) < d; {
			t, err := c.round(ctx)
			if err != nil {
				return figures{}, err
			}
			took = append(took, t)
		}
	}
	return figures{p50: quantile(took, 0.5), p99: quantile(took, 0.99)}, nil
}

// round makes one group and waits for its end at every client.
func (c *cast) round(ctx context.Context) (time.Duration, error) {
	r, err := client.Call[round](ctx, c.clients[0], opRound, round{Members: len(c.clients)})
	if err != nil {
		return 0, err
	}
	for range c.clients {
		select {
		case n := <-c.joined:
			if n != len(c.clients) {
				return 0, fmt.Errorf("a client was told of %d members, there were %d", n, len(c.clients))
			}
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return r.Took, nil
}
