package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }

// game is a server and its bots in memory, for tests in bubbles: time is what the
// test makes of it.
type game struct {
	t   *testing.T
	o   options
	srv *server
	net *peerstest.Server
	herd
	spawn interest.Point // of who joins next; zero: anywhere
}

func newGame(t *testing.T, o options) *game {
	t.Helper()
	g := &game{t: t, o: o, srv: &server{}}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	g.net = peerstest.NewServer(t, peers.Config{
		Peer:  func(in *peers.Init) (peers.Behavior, error) { return g.srv.admit(in, g.o, log) },
		Rates: rates, Logger: log,
	})
	var err error
	if g.srv.world, err = world.New(g.net.System, world.Config{Size: o.size, Rules: o.rules}); err != nil {
		t.Fatal(err)
	}
	g.o.connect = "tcp://memory:1"
	g.o.spawn = func() interest.Point { return cmp.Or(g.spawn, g.srv.world.Anywhere()) }
	g.o.dial = func(context.Context, string, string) (net.Conn, error) { return g.net.Conn(), nil }
	t.Cleanup(func() {
		for _, b := range g.bots {
			b.c.Close()
		}
	})
	return g
}

// join brings some more bots.
func (g *game) join(n int) (list []*bot) {
	g.t.Helper()
	for range n {
		b, err := join(g.t.Context(), g.o, fmt.Sprint("bot-", len(g.bots)+1))
		if err != nil {
			g.t.Fatal(err)
		}
		g.bots, list = append(g.bots, b), append(list, b)
	}
	return list
}

// run lets some time pass, in which the bots act, and returns what the referee
// says of it.
func (g *game) run(d time.Duration) (sum summary) {
	for n := range int(d / world.Tick) {
		time.Sleep(world.Tick)
		synctest.Wait()
		for _, b := range g.bots {
			b.act(time.Now())
		}
		if synctest.Wait(); (n+1)%world.TickRate == 0 {
			s := g.take()
			s.Took = time.Second
			g.check(&s)
			sum.add(&s)
		}
	}
	return sum
}

// sound fails the test if there is something to complain of.
func (g *game) sound(s *summary) {
	g.t.Helper()
	if s.Total() > 0 || s.Gone > 0 {
		g.t.Errorf("%v\n%q", s, s.Examples)
	}
	for _, b := range g.bots {
		if err := b.err(); err != nil {
			g.t.Error(err)
		}
	}
}

// Thirty bots walk about for a while: all see whom they should see and nobody else,
// where they are, in every tick.
func TestBotsSeeWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 140})
		g.join(30)
		g.run(2 * time.Second)
		sum := g.run(6 * time.Second)
		g.sound(&sum)
		t.Log(&sum)
		if f := sum.figures(); f.Updates < 19.5 || f.P99 > 60 || f.Positions < 800 || f.Heard == 0 {
			t.Errorf("%v", &sum)
		}
		if n := g.srv.world.Stats().Refused; n > 0 {
			t.Errorf("%d steps of honest bots were refused", n)
		}
	})
}

// All are in one place. Nobody is told more than the budget allows, and everybody
// is shown all the same.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, budget = 90, 256
		g := newGame(t, options{size: 40, crowd: true, budget: budget})
		g.join(n)
		g.run(3 * time.Second)
		sum := g.run(2 * time.Second)
		g.sound(&sum)
		t.Log(&sum)
		if sum.Shown/float64(sum.Checks) < n {
			t.Errorf("no crowd: %v", &sum)
		}
		// A datagram has headers besides, and there is chat.
		if bytes := sum.figures().Bytes; bytes > 1.3*budget*world.TickRate || bytes < 0.7*budget*world.TickRate {
			t.Errorf("%.0f bytes a second each, the budget is %d", bytes, budget*world.TickRate)
		}
	})
}

// Bots that leave are gone for the others, and their groups with them.
func TestComingAndGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, options{size: 128})
		g.join(10)
		for range 20 {
			g.run(500 * time.Millisecond)
			g.bots[0].c.Close()
			g.bots = g.bots[1:]
			g.join(1)
		}
		sum := g.run(5 * time.Second)
		g.sound(&sum)
		persons := 0
		for square := range g.srv.world.Grid().Len() {
			_, items := g.srv.world.Grid().Published(square)
			for _, s := range items {
				if s.Item.Kind == world.Person {
					persons++
				}
			}
		}
		if persons != 10 {
			t.Errorf("%d persons are in the world", persons)
		}
	})
}
