package endtoend

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

func near(got, want, by time.Duration) bool { return got >= want-by && got <= want+by }

// Both ends and the server know how a way does: its round trip, what gets lost on
// it, what it has carried.
func TestPathFigures(t *testing.T) {
	inWorld(t, options{seed: 3, peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		all, list := w.friends(overUDP, simnet.FullCone(), simnet.FullCone())
		a, b := all[0], all[1]
		w.net.SetOneWay(a.at.router.Addr(), b.at.router.Addr(), simnet.Link{Delay: 12 * time.Millisecond, Loss: 0.1})
		w.net.SetOneWay(b.at.router.Addr(), a.at.router.Addr(), simnet.Link{Delay: 12 * time.Millisecond})
		g := w.together(groups.Options{RelayOnly: true}, all, list)
		say := func(id wire.ID, n int) {
			for range n {
				for i, f := range all {
					must(t, f.c.Group(id).SendTo(all[1-i].c.ID(), 1, numbered(1, 100), wire.Unreliable))
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		say(g.ID(), 100)
		p, _ := a.c.Path(b.c.ID())
		if p.Direct || !near(p.RTT, 80*time.Millisecond, 5*time.Millisecond) || p.Loss > 0.02 {
			t.Errorf("by the relay: %+v", p)
		}
		i, _ := g.Path(a.c.ID(), b.c.ID())
		if i.State != wire.PathRelayed || !near(i.RTT, 80*time.Millisecond, 5*time.Millisecond) || i.Relayed.Packets < 200 || i.Direct.Packets != 0 {
			t.Errorf("by the relay the server has %+v", i)
		}
		relayed := i.Relayed

		free := w.together(groups.Options{}, all, list)
		waitFor(t, "a direct path", 5*time.Second, direct(a, b, true))
		say(free.ID(), 2000)
		p, _ = a.c.Path(b.c.ID())
		q, _ := b.c.Path(a.c.ID())
		if !near(p.RTT, 24*time.Millisecond, 3*time.Millisecond) || p.Loss > 0.02 || p.Reason != wire.PathEchoed || !p.Addr.IsValid() {
			t.Errorf("directly: %+v", p)
		}
		if q.Loss < 0.04 || q.Loss > 0.2 {
			t.Errorf("%.2f of the packets to the second get lost, it says, of 0.1", q.Loss)
		}
		time.Sleep(12 * time.Second) // a report is due
		i, _ = free.Path(a.c.ID(), b.c.ID())
		if i.State != wire.PathDirect || !near(i.RTT, 24*time.Millisecond, 3*time.Millisecond) || i.Loss < 0.04 || i.Loss > 0.2 || i.Switches != 1 {
			t.Errorf("directly the server has %+v", i)
		}
		if i.Direct.Packets < 4000 || i.Direct.Bytes < 4000*100 || i.Relayed.Packets > relayed.Packets+1000 { // and what went both ways while in doubt
			t.Errorf("%+v have gone directly, and %+v by the relay after %+v", i.Direct, i.Relayed, relayed)
		}
	})
}

// The best host is the one that reaches most of the others; what clients say of
// their machines decides between equals.
func TestHost(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		all, list := w.friends(overUDP, simnet.Symmetric(), simnet.PortRestricted(), simnet.FullCone(), simnet.FullCone())
		all[3].c.Hint(client.Hint{FrameRate: 144}) // before there is anybody to be the host of
		g := w.together(groups.Options{PunchAtJoin: true}, all, list)
		time.Sleep(20 * time.Second)
		if got := g.Hosts(); got[0].Peer != list[3] || got[1].Peer != list[2] || got[2].Direct != 2 || got[3].Peer != list[1] {
			t.Errorf("ranked %v", got)
		}
		all[2].c.Hint(client.Hint{FrameRate: 60, Upload: 1 << 20})
		all[3].c.Hint(client.Hint{FrameRate: 20})
		time.Sleep(time.Second)
		first := g.Hosts()[0]
		if first.Peer != list[2] || first.Direct != 3 || first.FrameRate != 60 || !near(first.RTT, 40*time.Millisecond, 5*time.Millisecond) {
			t.Errorf("the first is %v: %v", first.Peer, first)
		}
		must(t, g.Leave(first.Peer))
		time.Sleep(time.Second)
		if got := g.Host(); got != list[3] {
			t.Errorf("%v takes its place: %v", got, g.Hosts())
		}
	})
}

// A direct path that is much slower than the relay is left for it, and taken again
// when it is no longer: by whom the client wants it, and without a loss.
func TestRelayFaster(t *testing.T) {
	for _, tt := range []struct {
		ratio float64
		slow  time.Duration // one way
		left  bool
	}{
		{0, 150 * time.Millisecond, true},
		{0, 60 * time.Millisecond, false}, // not twice as slow
		{1.2, 60 * time.Millisecond, true},
		{5, 150 * time.Millisecond, false},
		{-1, 150 * time.Millisecond, false},
	} {
		for _, url := range []string{overUDP, overStream} {
			t.Run(fmt.Sprint(tt.ratio, tt.slow, url[:3]), func(t *testing.T) {
				inWorld(t, options{seed: 5, peers: always(echo)}, func(t *testing.T, w *world) {
					w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Jitter: 2 * time.Millisecond})
					var all []*friend
					var list []*peers.Peer
					for range 2 {
						f := &friend{at: w.home(simnet.PortRestricted()), got: make(map[wire.ID][]int)}
						f.c = w.dial(f.at, client.Config{OnGroup: f.enter, RelayRatio: tt.ratio}, url)
						all, list = append(all, f), append(list, peers.Find(w.sys, f.c.ID()))
					}
					a, b := all[0], all[1]
					waitFor(t, "UDP", 10*time.Second, func() bool { return a.c.Datagrams() && b.c.Datagrams() })
					between := func(d time.Duration) {
						w.net.SetLink(a.at.router.Addr(), b.at.router.Addr(), simnet.Link{Delay: d})
					}
					between(tt.slow)
					g := w.together(groups.Options{}, all, list)
					const n = 6000
					var wg sync.WaitGroup
					wg.Go(func() { a.talk(t, g.ID(), b, n, 10*time.Millisecond) })
					wg.Go(func() { b.talk(t, g.ID(), a, n, 10*time.Millisecond) })
					waitFor(t, "a direct path", 5*time.Second, direct(a, b, true))
					if tt.left {
						took := waitFor(t, "the relay", 15*time.Second, direct(a, b, false))
						p, _ := a.c.Path(b.c.ID())
						if p.Reason != wire.PathRelayFaster || !near(p.RTT, 82*time.Millisecond, 15*time.Millisecond) {
							t.Errorf("after %v: %+v", took, p)
						}
						time.Sleep(200 * time.Millisecond) // till the server knows
						if i, _ := g.Path(a.c.ID(), b.c.ID()); i.State != wire.PathRelayed || i.Reason != wire.PathRelayFaster {
							t.Errorf("the server has %+v", i)
						}
						between(20 * time.Millisecond)
						waitFor(t, "the direct path again", 40*time.Second, direct(a, b, true))
						if p, _ := a.c.Path(b.c.ID()); p.Reason != wire.PathDirectFaster {
							t.Errorf("direct again: %+v", p)
						}
					}
					wg.Wait()
					if !direct(a, b, true)() {
						t.Error("relayed in the end")
					}
					a.all(t, b, n, 10*time.Second)
					b.all(t, a, n, 10*time.Second)
				})
			})
		}
	}
}
