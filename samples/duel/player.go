package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

const (
	tick   = time.Second / 20
	volley = 10              // ticks from one shot to the next, on average
	settle = 5 * time.Second // for the last shots to be confirmed
)

// player is a client that runs in a circle and shoots at everybody it meets.
type player struct {
	name   string
	begun  time.Time      // its clock's zero
	client *client.Client // no callback needs it: they may run before it is set
	hit    chan struct{}  // holds a token when shots are no longer open

	mu     sync.Mutex
	group  *client.Group // nil until the server has found a room
	rivals map[wire.ID]*rival
	faults []error // of rivals that have left
	gone   summary // likewise
}

// join makes a player of the server that the options name.
func join(ctx context.Context, o options, name string) (*player, error) {
	p := &player{name: name, begun: time.Now(), hit: make(chan struct{}, 1), rivals: make(map[wire.ID]*rival)}
	c, err := client.Dial(ctx, client.Config{
		App: "duel", Payload: []byte(name), Pin: o.pin,
		RelayOnly: o.relayOnly, StreamOnly: o.blockUDP, Simulate: o.simulate,
		OnGroup: p.entered,
	}, "tls://"+o.connect) // UDP comes beside it by itself
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.client = c
	return p, nil
}

// entered is the client's OnGroup. The group's callbacks, like all of a client's,
// run one at a time; p.mu is for the others who look at the rivals.
func (p *player) entered(g *client.Group) {
	g.OnJoin = func(m client.Member) {
		if m.ID == g.Self().ID {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rivals[m.ID] = newRival(m, time.Now())
	}
	g.OnLeave = func(m client.Member, _ wire.Code) { p.left(m.ID, time.Now()) }
	g.OnMessage = p.message
	g.OnPath = p.pathChanged
	p.mu.Lock()
	p.group = g
	p.mu.Unlock()
}

// left judges a rival that has gone, and forgets it.
func (p *player) left(id wire.ID, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rivals[id]
	if r == nil {
		return // this player itself
	}
	clear(r.open) // who has gone confirms nothing
	p.faults = append(p.faults, r.faults(now)...)
	p.gone.path(r)
	p.gone.traffic(r)
	delete(p.rivals, id)
	p.signal()
}

// pathChanged is the group's OnPath; the ticks look at the path as well, for its
// figures.
func (p *player) pathChanged(m client.Member, path client.Path) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rivals[m.ID].reached(path, true, time.Now())
}

// message is the group's OnMessage, whichever way the message came.
func (p *player) message(from client.Member, e wire.Event) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rivals[from.ID]
	if r == nil {
		return
	}
	switch e.Code {
	case msgMove:
		if m, ok := decode[move](e); ok {
			r.moved(m, now, p.clock(now))
		}
	case msgShot:
		if n, ok := decode[uint32](e); ok {
			r.shot(n)
			p.send(r, msgHit, n, wire.Reliable)
		}
	case msgHit:
		if n, ok := decode[uint32](e); ok {
			r.hit(n)
			p.signal()
		}
	}
}

// decode reads a message; another player may have sent anything.
func decode[T any](e wire.Event) (v T, ok bool) {
	n, err := binary.Decode(e.Payload, binary.BigEndian, &v)
	return v, err == nil && n == len(e.Payload)
}

// send sends to one rival, past the server where that can be. An error needs no
// care: a move that is not sent is lost, and a shot stays open.
func (p *player) send(r *rival, code uint16, v any, d wire.Delivery) {
	payload, err := binary.Append(nil, binary.BigEndian, v)
	if err != nil {
		panic(err) // v has no fixed size
	}
	p.group.SendTo(r.id, code, wire.Payload(payload), d)
}

// run moves and shoots until ctx or the session ends.
func (p *player) run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.act(time.Now())
		case <-ctx.Done():
			return
		case <-p.client.Done():
			return
		}
	}
}

// act is what a player does in a tick.
func (p *player) act(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sin, cos := math.Sincos(now.Sub(p.begun).Seconds())
	for _, r := range p.rivals {
		path, paired := p.client.Path(r.id)
		r.reached(path, paired, now)
		p.send(r, msgMove, r.next(float32(cos), float32(sin), now, p.clock(now)), wire.Sequenced(1))
		if rand.N(volley) == 0 {
			p.send(r, msgShot, r.fire(), wire.Reliable)
		}
	}
}

// eachRival calls do for the rivals as long as that returns true, and reports
// whether it did to the end.
func (p *player) eachRival(do func(*rival) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rivals {
		if !do(r) {
			return false
		}
	}
	return true
}

// past is what has come of those who have left.
func (p *player) past() summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// settled waits until no shot is open, as long as that may take.
func (p *player) settled(ctx context.Context) {
	for p.isOpen() {
		select {
		case <-p.hit:
		case <-ctx.Done():
			return
		case <-p.client.Done():
			return
		}
	}
}

func (p *player) isOpen() bool {
	return !p.eachRival(func(r *rival) bool { return len(r.open) == 0 })
}

func (p *player) signal() {
	select {
	case p.hit <- struct{}{}:
	default:
	}
}

// clock is the time that the player's moves tell.
func (p *player) clock(now time.Time) int64 { return now.Sub(p.begun).Microseconds() + 1 }

// check is all that has gone wrong so far.
func (p *player) check(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.faults
	for _, r := range p.rivals {
		list = append(list, r.faults(now)...)
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", p.name, errors.Join(list...))
}
