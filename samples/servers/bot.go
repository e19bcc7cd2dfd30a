package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

const (
	stepEvery = 100 * time.Millisecond
	askTime   = 5 * time.Second        // for any answer
	againTime = 300 * time.Millisecond // between two tries
)

// bot is a player: it asks the master where to play, plays there, and asks again
// when it has to go elsewhere. It keeps the master at hand meanwhile.
type bot struct {
	name      string
	master    offer
	out       io.Writer
	elsewhere chan string // servers that are gone, says the master

	mu    sync.Mutex
	tally tally
}

// tally is what a bot has done.
type tally struct {
	steps   map[string]int // by server
	told    int            // announcements
	last    time.Time      // of the last step
	longest time.Duration  // between two steps, wherever
}

func newBot(name string, master offer, out io.Writer) *bot {
	return &bot{name: name, master: master, out: out, elsewhere: make(chan string, 16), tally: tally{steps: make(map[string]int)}}
}

// run plays until ctx ends.
func (b *bot) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := b.visit(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintf(b.out, "%s: %v\n", b.name, err)
		}
		wait(ctx, againTime)
	}
}

// visit plays as long as the master is there.
func (b *bot) visit(ctx context.Context) error {
	c, err := client.Dial(ctx, client.Config{
		Pin: b.master.Pin, Auth: []byte(b.name),
		OnEvent: func(e wire.Event) {
			if e.Code == evElsewhere {
				select {
				case b.elsewhere <- string(e.Payload):
				default: // it has as much to read as it needs
				}
			}
		},
	}, "tls://"+b.master.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for ctx.Err() == nil && c.Err() == nil {
		p, err := b.join(ctx, c)
		if err == nil {
			err = b.play(ctx, p)
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(b.out, "%s: %v\n", b.name, err)
			wait(ctx, againTime)
		}
	}
	return c.Err()
}

func (b *bot) join(ctx context.Context, c *client.Client) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return client.Call[place](ctx, c, opJoin, nil)
}

// play plays at a game server until it, or the master, says that it is over.
func (b *bot) play(ctx context.Context, p place) error {
	c, err := client.Dial(ctx, client.Config{Pin: p.Pin, Auth: p.Ticket, OnGroup: b.listen}, "tls://"+p.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(b.out, "%s plays at %s\n", b.name, p.Server)
	tick := time.NewTicker(stepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return fmt.Errorf("%s: %w", p.Server, c.Err())
		case gone := <-b.elsewhere:
			if gone == p.Server {
				return errors.New("the master says that " + gone + " is gone")
			}
		case <-tick.C:
			if err := b.step(ctx, c); err != nil {
				return fmt.Errorf("%s: %w", p.Server, err)
			}
			b.stepped(p.Server, time.Now())
		}
	}
}

func (b *bot) step(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, err := c.Call(ctx, opStep, wire.Body{})
	return err
}

func (b *bot) stepped(server string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &b.tally
	t.steps[server]++
	if !t.last.IsZero() {
		t.longest = max(t.longest, now.Sub(t.last))
	}
	t.last = now
}

// listen counts what a game server's room is told.
func (b *bot) listen(g *client.Group) {
	g.OnMessage = func(_ client.Member, e wire.Event) {
		if e.Code == evAnnounce {
			b.mu.Lock()
			b.tally.told++
			b.mu.Unlock()
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
