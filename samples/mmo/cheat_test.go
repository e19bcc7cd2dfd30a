package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// still is a bot that stands at a place until told otherwise, for a test to steer.
func (g *game) still(x, y float64) *bot {
	g.spawn = interest.Point{X: x, Y: y}
	b := g.join(1)[0]
	g.bots = g.bots[:len(g.bots)-1]
	g.t.Cleanup(func() { b.c.Close() })
	for tick := uint32(0); tick == 0; _, tick = b.told() {
		time.Sleep(world.Tick)
		synctest.Wait()
	}
	for range 3 {
		b.says(b.is())
	}
	return b
}

// says has the bot say that it is at p, and lets a tick pass.
func (b *bot) says(p interest.Point) { b.lies(p, p) }

// lies is says with something else for the server than for the others.
func (b *bot) lies(p, others interest.Point) {
	b.mu.Lock()
	in := protocol.Input{X: protocol.Coordinate(others.X), Y: protocol.Coordinate(others.Y)}
	b.tell(&in)
	in = protocol.Input{Fix: b.mirror.Own.Fix, X: protocol.Coordinate(p.X), Y: protocol.Coordinate(p.Y), Ack: b.mirror.Ack(), Direct: in.Direct}
	b.mu.Unlock()
	b.c.Notify(opInput, wire.Payload(in.Append(nil)), wire.Sequenced(0))
	time.Sleep(world.Tick)
	synctest.Wait()
}

// told is what the server says of the bot, and as of which tick.
func (b *bot) told() (protocol.Own, uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mirror.Own, b.mirror.Tick
}

// is where the server says that the bot is.
func (b *bot) is() interest.Point {
	own, _ := b.told()
	return place(own.X, own.Y)
}

// fixed is how often the server has put it elsewhere.
func (b *bot) fixed() uint8 {
	own, _ := b.told()
	return own.Fix
}

// things are the items that the bot is shown.
func (b *bot) things() (list []protocol.Thing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for t := range b.mirror.All() {
		list = append(list, *t)
	}
	return list
}

// goes walks to p as fast as is allowed.
func (b *bot) goes(p interest.Point) {
	for from := b.is(); from.Distance(p) > 0.1; from = b.is() {
		b.says(from.Add(min(brisk*6.0/world.TickRate, from.Distance(p)), from.Heading(p)))
	}
}

// uses asks for an item to be used, as the page does, and returns the code of the
// answer; 0 is success.
func (b *bot) uses(slot int) int32 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := client.Call[struct{}](ctx, b.c, opUse, useRequest{slot})
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return refused.Code
	}
	if err != nil {
		return -1000
	}
	return 0
}

// sees returns what the bot is shown of another, or nil.
func (b *bot) sees(id wire.ID) *protocol.Thing {
	for _, t := range b.things() {
		if t.ID == id {
			return &t
		}
	}
	return nil
}

// peace are rules without wolves.
func peace() map[world.Kind]world.Rules {
	rules := world.Standard()
	delete(rules, world.Wolf)
	return rules
}

// near are rules by which coins can be taken from anywhere.
func near(rules map[world.Kind]world.Rules) map[world.Kind]world.Rules {
	coin := rules[world.Coin]
	coin.Reach = 1000
	rules[world.Coin] = coin
	return rules
}

// A client that says it is elsewhere is not: it gets no farther than one that
// walks.
func TestCheatAtWalking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 128, rules: peace()})
		b := g.still(10, 64)
		for range 3 { // leaps across the world
			before := b.is()
			b.says(interest.Point{X: 128 - before.X, Y: 128 - before.Y})
			b.says(b.is())
			if d := before.Distance(b.is()); d > 1 {
				t.Errorf("a leap got it %.1f m far", d)
			}
		}
		before, fix := b.is(), b.fixed()
		p, known := before, fix
		for range 5 * world.TickRate { // runs at twice the pace, and goes on from where it is put
			p.X += 12.0 / world.TickRate
			if b.says(p); b.fixed() != known {
				p, known = b.is(), b.fixed()
			}
		}
		if d := before.Distance(b.is()); d > 6*5.5*1.05 || d < 10 {
			t.Errorf("in 5 s it ran %.1f m", d)
		}
		if b.fixed() == fix || g.srv.world.Stats().Refused == 0 {
			t.Error("nobody has noticed")
		}
	})
}

// Hitting and taking is judged by where the server has both, and no faster than
// allowed.
func TestCheatAtHitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 128, rules: peace()})
		ann, eve := g.still(60, 60), g.still(60, 66)
		slot := eve.sees(ann.c.ID()).Slot
		const dead, tired, gone, far, none = 1, 2, 3, 4, 101
		if got := eve.uses(slot); got != far {
			t.Errorf("a hit from 6 m away: %d", got)
		}
		time.Sleep(time.Second)
		eve.says(interest.Point{X: 60, Y: 60}) // she says that she is there, and is not
		if got := eve.uses(slot); got != far {
			t.Errorf("a hit from where she says she is: %d", got)
		}
		for _, slot := range []int{-1, 4095, 1 << 40} {
			if got := eve.uses(slot); got != none {
				t.Errorf("slot %d: %d", slot, got)
			}
		}
		eve.goes(interest.Point{X: 60, Y: 62})
		time.Sleep(time.Second)
		hits := 0
		for range 10 { // within a second
			if got := eve.uses(slot); got == 0 {
				hits++
			} else if got != tired && got != wire.ResultRate {
				t.Errorf("hitting on: %d", got)
			}
			time.Sleep(world.Tick * 2)
		}
		ann.says(ann.is())
		if own, _ := ann.told(); hits != 2 || own.Health != 80 {
			t.Errorf("%d hits in a second, her health is %d", hits, own.Health)
		}
	})
}

// A coin is one person's, however many ask for it.
func TestCheatAtTaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 40, rules: near(peace())}) // all see all
		list := []*bot{g.still(10, 10), g.still(20, 10), g.still(10, 20)}
		for range 5 {
			for _, b := range list {
				b.says(b.is())
			}
		}
		var id wire.ID
		for _, thing := range list[0].things() {
			if thing.Kind == uint8(world.Coin) && list[1].sees(thing.ID) != nil && list[2].sees(thing.ID) != nil {
				id = thing.ID
			}
		}
		if id == wire.None {
			t.Fatal("there is no coin that all see")
		}
		taken := 0
		for range 3 {
			for _, b := range list {
				if b.uses(b.sees(id).Slot) == 0 {
					taken++
				}
			}
			time.Sleep(time.Second)
		}
		for _, b := range list {
			b.says(b.is())
			b.says(b.is())
		}
		score := uint32(0)
		for _, b := range list {
			score += b.sees(b.c.ID()).Score
		}
		if taken != 1 || score != 1 {
			t.Errorf("it was taken %d times, the scores are %d", taken, score)
		}
	})
}

// A player that tells the others something else than the server is found out by
// them, and shown where the server has it. All it gains is to be looked at wrongly
// for three seconds.
func TestCheatAtTelling(t *testing.T) {
	for name, lie := range map[string]func(at interest.Point, n int) (is, others interest.Point){
		"walks": func(at interest.Point, n int) (is, others interest.Point) {
			at = at.Add(0.1, float64(n))
			return at, at.Add(20, 1)
		},
		"stands":              func(at interest.Point, n int) (is, others interest.Point) { return at, at.Add(20, 1) },
		"lies between truths": func(at interest.Point, n int) (is, others interest.Point) { return at, at.Add(20*float64(n%2), 1) },
	} {
		t.Run(name, func(t *testing.T) { testCheatAtTelling(t, lie) })
	}
}

func testCheatAtTelling(t *testing.T, lie func(at interest.Point, n int) (is, others interest.Point)) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 128, rules: peace(), p2p: true})
		ann, eve := g.still(60, 60), g.still(60, 64)
		for range 2 * world.TickRate {
			eve.says(eve.is())
			ann.says(ann.is())
		}
		believed := func() (p interest.Point, ok bool) {
			ann.mu.Lock()
			defer ann.mu.Unlock()
			h := ann.others[eve.c.ID()]
			if h == nil {
				return p, false
			}
			m, ok := h.last(ann.c.ServerTime())
			return place(m.X, m.Y), ok
		}
		if p, ok := believed(); !ok || p.Distance(eve.is()) > 0.1 {
			t.Fatalf("she is heard at %v, %v", p, ok)
		}
		wrong := 0
		for n := range 8 * world.TickRate {
			eve.lies(lie(eve.is(), n))
			ann.says(ann.is())
			if p, ok := believed(); ok && p.Distance(eve.is()) > tolerance+1 {
				wrong++
			}
		}
		if p, ok := believed(); ok {
			t.Errorf("she is still believed to be at %v", p)
		}
		t.Logf("she was believed for %d ticks", wrong)
		if wrong > 4*world.TickRate || wrong == 0 {
			t.Errorf("she was believed for %d ticks", wrong)
		}
		if at := ann.sees(eve.c.ID()); place(at.X, at.Y).Distance(eve.is()) > 0.1 {
			t.Errorf("she is shown at %v, she is at %v", place(at.X, at.Y), eve.is())
		}
	})
}

// A client that floods its neighbours' view groups costs them little.
func TestCheatAtShouting(t *testing.T) {
	for _, tt := range []struct {
		p2p  bool
		most uint64 // bytes that may come through in two seconds
	}{{false, 20_000}, {true, 2 << 20}} {
		t.Run(fmt.Sprint("p2p ", tt.p2p), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGame(t, options{size: 64, rules: peace(), p2p: tt.p2p})
				ann, eve := g.still(10, 10), g.still(20, 20)
				for range world.TickRate {
					ann.says(ann.is())
				}
				eve.mu.Lock()
				group := eve.own
				eve.mu.Unlock()
				before := ann.c.Stats().BytesIn
				for range 2 * world.TickRate {
					for range 200 {
						group.Send(9, wire.Payload(make([]byte, 1000)), wire.Unreliable) // an error says that there is no room
					}
					ann.says(ann.is())
				}
				if n := ann.c.Stats().BytesIn - before; n > tt.most || ann.c.Err() != nil {
					t.Errorf("she got %d bytes, %v", n, ann.c.Err())
				}
			})
		})
	}
}
