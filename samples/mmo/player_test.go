package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
	"github.com/troupe-go/troupe/wire"
)

// hears is who is in whose view group, as the server knows it: by owner.
func (g *game) hears() map[wire.ID][]wire.ID {
	list := make(map[wire.ID][]wire.ID)
	for group := range groups.All(g.net.System) {
		owner := parseID(group.Options().Payload)
		for p := range group.Members() {
			if p.ID() != owner {
				list[owner] = append(list[owner], p.ID())
			}
		}
		slices.Sort(list[owner])
	}
	return list
}

// seen is who is shown to whom: by the one who is seen.
func (g *game) seen() map[wire.ID][]wire.ID {
	list := make(map[wire.ID][]wire.ID)
	for _, b := range g.bots {
		for _, t := range b.things() {
			if t.Kind == uint8(world.Person) && t.ID != b.c.ID() {
				list[t.ID] = append(list[t.ID], b.c.ID())
			}
		}
	}
	for _, l := range list {
		slices.Sort(l)
	}
	return list
}

// Who sees a player is in its view group, and nobody else.
func TestViewGroupsFollowTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, p2p := range []bool{false, true} {
			g := newGame(t, options{size: 180, rules: peace(), p2p: p2p})
			g.join(14)
			changes := 0
			var last map[wire.ID][]wire.ID
			for range 6 {
				g.run(time.Second)
				hears, seen := g.hears(), g.seen()
				if !maps.EqualFunc(hears, seen, slices.Equal) {
					t.Fatalf("%v are in groups of those that %v see", hears, seen)
				}
				if !maps.EqualFunc(hears, last, slices.Equal) {
					changes++
				}
				last = hears
			}
			if changes < 3 {
				t.Errorf("the groups changed %d times", changes)
			}
			gone := g.bots[0].c.ID()
			g.bots[0].c.Close()
			g.bots = g.bots[1:]
			g.run(time.Second)
			for owner, members := range g.hears() {
				if owner == gone || slices.Contains(members, gone) {
					t.Error("who is gone is in a group")
				}
			}
			n := 0
			for range groups.All(g.net.System) {
				n++
			}
			if n != 13 {
				t.Errorf("%d groups of 13 players", n)
			}
		}
	})
}

// In a crowd nobody is in more groups than it may be, and all are shown all the
// same. When some go, others are heard.
func TestViewGroupsOfACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 40, crowd: true})
		g.join(maxGroups + 12)
		g.run(3 * time.Second)
		count := func() (least, most int) {
			heard := make(map[wire.ID]int)
			for _, members := range g.hears() {
				for _, id := range members {
					heard[id]++
				}
			}
			counts := slices.Collect(maps.Values(heard))
			return slices.Min(counts), slices.Max(counts)
		}
		if least, most := count(); least != maxGroups || most != maxGroups {
			t.Errorf("they are in %d to %d groups, want %d", least, most, maxGroups)
		}
		for _, b := range g.bots[:20] {
			b.c.Close()
		}
		g.bots = g.bots[20:]
		g.run(3 * time.Second)
		if least, most := count(); least != len(g.bots)-1 || most != len(g.bots)-1 {
			t.Errorf("they are in %d to %d groups, want %d", least, most, len(g.bots)-1)
		}
	})
}

// What one says is heard by who sees it, and by nobody else.
func TestSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 128, rules: peace()})
		ann, bob, cat := g.still(20, 20), g.still(50, 20), g.still(90, 20)
		time.Sleep(time.Second)
		for _, text := range []string{" hello ", "é" + strings.Repeat("é", maxText-1)} {
			if _, err := ask(ann, opSay, sayRequest{text}); err != nil {
				t.Error(err)
			}
		}
		for _, text := range []string{"", "  ", "a\x1b[2J", strings.Repeat("é", maxText+1)} {
			if _, err := ask(ann, opSay, sayRequest{text}); err == nil || !strings.Contains(err.Error(), "Say something") {
				t.Errorf("%q: %v", text, err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		for i, b := range []*bot{ann, bob, cat} {
			var s summary
			if b.take(&s); s.Heard != []uint64{2, 2, 0}[i] {
				t.Errorf("player %d has heard %d lines", i, s.Heard)
			}
		}
	})
}

func ask(b *bot, code uint16, req any) (struct{}, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return client.Call[struct{}](ctx, b.c, code, req)
}

// Who watches another one sees what is around that one as well, wherever it goes.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 128, rules: peace()})
		ann, bob, cat := g.still(20, 20), g.still(65, 20), g.still(90, 20)
		settle := func() {
			for range 10 {
				ann.says(ann.is())
				bob.says(bob.is())
			}
		}
		settle()
		if _, err := ask(ann, opWatch, watchRequest{ann.sees(bob.c.ID()).Slot}); err != nil {
			t.Fatal(err)
		}
		bob.goes(interest.Point{X: 80, Y: 20})
		settle()
		if ann.sees(bob.c.ID()) == nil || ann.sees(cat.c.ID()) == nil {
			t.Error("she does not see what she watches")
		}
		if _, err := ask(ann, opWatch, watchRequest{ann.sees(cat.c.ID()).Slot}); err == nil {
			t.Error("she watches what she sees by watching")
		}
		if _, err := ask(ann, opWatch, watchRequest{-1}); err != nil {
			t.Fatal(err)
		}
		settle()
		if ann.sees(bob.c.ID()) != nil || ann.sees(cat.c.ID()) != nil {
			t.Error("she sees still what she does not watch any more")
		}
		if _, err := ask(ann, opWatch, watchRequest{999}); err == nil {
			t.Error("she watches nothing")
		}
	})
}

// faulty are rules with a kind that fails where it is used while armed is set.
func faulty(armed *atomic.Bool) map[world.Kind]world.Rules {
	rules := peace()
	rules[99] = world.Rules{Name: "bomb", Health: 1, PerRegion: 1, Reach: 1000, Use: func(*world.Item) world.Gain {
		if armed.Load() {
			panic("boom")
		}
		return world.Gain{}
	}}
	return rules
}

// bomb has some bot use a bomb that it sees. The others are held up meanwhile.
func (g *game) bomb(armed *atomic.Bool) {
	g.t.Helper()
	time.Sleep(600 * time.Millisecond) // nobody has acted a moment ago
	armed.Store(true)
	defer armed.Store(false)
	for _, b := range g.bots {
		for _, t := range b.things() {
			if t.Kind == 99 {
				b.notify(opUse, useRequest{t.Slot})
				time.Sleep(600 * time.Millisecond)
				return
			}
		}
	}
	g.t.Fatal("nobody sees a bomb")
}

// A region fails under its players. They stay, it goes on with what there was, and
// players elsewhere have nothing to complain of.
func TestRegionsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		g := newGame(t, options{size: 250, rules: faulty(&armed)})
		g.join(30)
		g.run(2 * time.Second)
		g.bomb(&armed)
		sum := g.run(3 * time.Second)
		g.sound(&sum)
		if n := g.srv.world.Stats().Restarts; n != 1 {
			t.Errorf("%d regions have failed", n)
		}
		now := uint32(time.Since(g.srv.world.Begin()) / world.Tick)
		for _, b := range g.bots {
			if _, tick := b.told(); now-tick > 5 {
				t.Errorf("tick %d is the last that %v knows of, it is %d", tick, b.c.ID(), now)
			}
		}
	})
}

// One that fails again and again is made anew: who was there is back within two
// seconds, with all that it had.
func TestRegionThatIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		g := newGame(t, options{size: 64, rules: near(faulty(&armed))}) // one region
		g.join(10)
		g.run(10 * time.Second)
		scores := func() (sum uint32) {
			for _, b := range g.bots {
				sum += b.sees(b.c.ID()).Score
			}
			return sum
		}
		before := scores()
		_, tick := g.bots[0].told()
		for range 3 {
			g.bomb(&armed)
		}
		g.run(3 * time.Second)
		sum := g.run(3 * time.Second)
		g.sound(&sum)
		if after := scores(); before == 0 || after < before {
			t.Errorf("the scores were %d, and are %d", before, after)
		}
		if _, now := g.bots[0].told(); now < tick+60 || g.srv.world.Stats().Restarts < 2 {
			t.Errorf("%d restarts", g.srv.world.Stats().Restarts)
		}
	})
}

func TestWhoIsLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 64})
		for _, name := range []string{"", "a b", "<b>", strings.Repeat("x", 17), "\x1b[2J"} {
			if _, err := join(t.Context(), g.o, name); err == nil || !strings.Contains(err.Error(), "A name has") {
				t.Errorf("%q: %v", name, err)
			}
		}
		for _, name := range []string{"a", "小明_42", strings.Repeat("é", 16)} {
			b, err := join(t.Context(), g.o, name)
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			b.c.Close()
		}
		if _, err := client.Dial(t.Context(), client.Config{Payload: []byte("ann"), DialContext: g.o.dial}, g.o.connect); err == nil {
			t.Error("who says no JSON is let in")
		}
	})
}

// A client that says what is no input is told so, and goes; others stay.
func TestNoInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 64})
		eve, ann := g.still(10, 10), g.still(20, 20)
		eve.c.Notify(opInput, wire.Text("hello"), wire.Sequenced(0))
		synctest.Wait()
		why, _ := errors.AsType[*client.CloseError](eve.c.Err())
		if why == nil || why.Code != wire.CodeProtocol {
			t.Errorf("closed with %v", eve.c.Err())
		}
		if ann.says(ann.is()); ann.c.Err() != nil {
			t.Error(ann.c.Err())
		}
	})
}

// The welcome has what a page needs.
func TestWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 64, p2p: true, rules: faulty(new(atomic.Bool))})
		b := g.still(10, 10)
		var w welcome
		if err := json.Unmarshal(b.c.Reply(), &w); err != nil {
			t.Fatal(err)
		}
		if w.Size != 64 || w.Enter != enterView || !w.P2P || w.Kinds[99].Name != "bomb" || w.Kinds[uint8(world.Person)].Pace != 6 || w.Kinds[uint8(world.Coin)].Reach != 2 {
			t.Errorf("%+v", w)
		}
		_, tick := b.told()
		if d := time.Until(w.timeOf(tick)).Abs(); d > 5*world.Tick {
			t.Errorf("tick %d is said to be %v from now", tick, d)
		}
	})
}
