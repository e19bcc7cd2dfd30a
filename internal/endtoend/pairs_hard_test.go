package endtoend

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// together makes a group of friends and waits until each is a pair with each.
func (w *world) together(o groups.Options, all []*friend, list []*peers.Peer) *groups.Group {
	w.t.Helper()
	o.KeepEmpty = true
	g, err := groups.Create(w.sys, o, list...)
	must(w.t, err)
	waitFor(w.t, "the pairs", 10*time.Second, func() bool {
		for _, a := range all {
			if a.c.Group(g.ID()) == nil {
				return false
			}
			for _, b := range all {
				if _, ok := a.c.Path(b.c.ID()); !ok && a != b {
					return false
				}
			}
		}
		return true
	})
	return g
}

// talk sends n numbered messages, one in each interval.
func (f *friend) talk(t *testing.T, g wire.ID, to *friend, n int, every time.Duration) {
	cg := f.c.Group(g)
	for k := range n {
		var p [32]byte
		binary.BigEndian.PutUint32(p[:], uint32(k))
		if err := cg.SendTo(to.c.ID(), 1, wire.Payload(p[:]), wire.Reliable); err != nil {
			t.Errorf("message %d: %v", k, err)
			return
		}
		time.Sleep(every)
	}
}

// all fails unless n messages of a friend have come, in order, or do in time.
func (f *friend) all(t *testing.T, from *friend, n int, limit time.Duration) {
	t.Helper()
	waitFor(t, "all messages", limit, func() bool { return len(f.heard(from.c.ID())) >= n })
	time.Sleep(time.Second)
	got := f.heard(from.c.ID())
	for k, v := range got {
		if v != k {
			t.Fatalf("message %d is %d", k, v)
		}
	}
	if len(got) != n {
		t.Errorf("%d messages, want %d", len(got), n)
	}
}

func direct(a, b *friend, want bool) func() bool {
	return func() bool {
		one, _ := a.c.Path(b.c.ID())
		two, _ := b.c.Path(a.c.ID())
		return one.Direct == want && two.Direct == want
	}
}

// Where UDP is blocked at one end or at both pairs talk by the streams, and by
// UDP when that comes through: nothing reliable is lost, doubled or reordered.
func TestPairsByStreams(t *testing.T) {
	for _, tt := range []struct {
		name   string
		a, b   simnet.NAT
		second string
	}{
		{"both blocked", simnet.Blocked(), simnet.Blocked(), overStream},
		{"one blocked", simnet.Blocked(), simnet.FullCone(), overStream},
		{"a stream and UDP alone", simnet.Blocked(), simnet.PortRestricted(), overUDP},
	} {
		for _, loss := range []float64{0, 0.05} {
			t.Run(fmt.Sprint(tt.name, loss), func(t *testing.T) {
				inWorld(t, options{seed: 1, peers: always(echo)}, func(t *testing.T, w *world) {
					w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
					all, list := w.friends(overStream, tt.a)
					more, second := w.friends(tt.second, tt.b)
					a, b := all[0], more[0]
					g := w.together(groups.Options{}, []*friend{a, b}, append(list, second...))
					w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss})
					const n = 400
					var wg sync.WaitGroup
					wg.Go(func() { a.talk(t, g.ID(), b, n, 10*time.Millisecond) })
					wg.Go(func() { b.talk(t, g.ID(), a, n, 10*time.Millisecond) })
					if loss == 0 { // nothing waits on its way from one end to the server to the other
						waitFor(t, "the first", 45*time.Millisecond, func() bool { return len(b.heard(a.c.ID())) > 0 && len(a.heard(b.c.ID())) > 0 })
					}
					wg.Wait()
					a.all(t, b, n, 5*time.Second)
					b.all(t, a, n, 5*time.Second)
					if direct(a, b, true)() {
						t.Error("direct without UDP")
					}
				})
			})
		}
	}
}

// UDP dies in the middle, at one end, and comes back.
func TestPairsWhenUDPDies(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			inWorld(t, options{seed: 2, peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				all, list := w.friends(overStream, simnet.PortRestricted(), simnet.PortRestricted())
				a, b := all[0], all[1]
				waitFor(t, "UDP", 10*time.Second, func() bool { return a.c.Datagrams() && b.c.Datagrams() })
				g := w.together(groups.Options{}, all, list)
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss})
				const n = 2000
				var wg sync.WaitGroup
				wg.Go(func() { a.talk(t, g.ID(), b, n, 20*time.Millisecond) })
				wg.Go(func() { b.talk(t, g.ID(), a, n, 20*time.Millisecond) })
				waitFor(t, "a direct path", 3*time.Second, direct(a, b, true))
				noUDP(a.at.router, true)
				waitFor(t, "the relay", 5*time.Second, direct(a, b, false))
				time.Sleep(5 * time.Second)
				noUDP(a.at.router, false)
				a.c.Rebind(t.Context())
				took := waitFor(t, "a direct path again", 25*time.Second, direct(a, b, true))
				t.Logf("direct %v after UDP came back", took)
				wg.Wait()
				a.all(t, b, n, 10*time.Second)
				b.all(t, a, n, 10*time.Second)
			})
		})
	}
}

// A client that changes its socket goes on by the relay at once: what it sends the
// direct way does not arrive there any more (a message that it sends at that very
// moment is lost with the old socket, and sent once more). A NAT that gives it
// another port tells nobody; the server sees it, and the direct path is another one soon.
func TestPairsOnTheMove(t *testing.T) {
	for name, tt := range map[string]struct {
		move  func(a *friend) error
		stall time.Duration // of what the one that moves sends
		found time.Duration // until there is another direct path
	}{
		"another socket":  {func(a *friend) error { return a.c.Rebind(context.Background()) }, 120 * time.Millisecond, 500 * time.Millisecond},
		"another mapping": {func(a *friend) error { a.at.router.Rebind(); return nil }, 400 * time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, options{seed: 2, peers: always(echo), second: serverIP}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				all, list := w.friends(overUDP, simnet.PortRestricted(), simnet.PortRestricted())
				a, b := all[0], all[1]
				g := w.together(groups.Options{}, all, list)
				const n = 500
				var wg sync.WaitGroup
				wg.Go(func() { a.talk(t, g.ID(), b, n, 20*time.Millisecond) })
				wg.Go(func() { b.talk(t, g.ID(), a, n, 20*time.Millisecond) })
				waitFor(t, "a direct path", 3*time.Second, direct(a, b, true))
				time.Sleep(2 * time.Second)
				a.stall()
				b.stall()
				old, _ := b.c.Path(a.c.ID())
				must(t, tt.move(a))
				took := waitFor(t, "another direct path", tt.found, func() bool {
					p, _ := b.c.Path(a.c.ID())
					return direct(a, b, true)() && p.Addr != old.Addr
				})
				wg.Wait()
				a.all(t, b, n, 10*time.Second)
				b.all(t, a, n, 10*time.Second)
				there, back := b.stall(), a.stall()
				if there > tt.stall {
					t.Errorf("nothing came from it for %v", there)
				}
				t.Logf("nothing came for %v from it, for %v to it; direct after %v", there, back, took)
			})
		})
	}
}

// By the relay, directly, cut, with another mapping, with other keys of the
// session, in another network, and directly again.
func TestPairsThroughEverything(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			inWorld(t, options{seed: 3, peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				wifi, mobile := w.home(simnet.PortRestricted()), w.home(simnet.Linux())
				var at atomic.Pointer[place]
				at.Store(wifi)
				all, list := w.friends(overStream, simnet.PortRestricted())
				b := all[0]
				a := &friend{at: wifi, got: make(map[wire.ID][]int)}
				var err error
				a.c, err = client.Dial(t.Context(), w.mobile(&at, client.Config{OnGroup: a.enter}), overStream)
				must(t, err)
				t.Cleanup(func() { a.c.Close() })
				all, list = append(all, a), append(list, peers.Find(w.sys, a.c.ID()))
				waitFor(t, "UDP", 10*time.Second, func() bool { return a.c.Datagrams() && b.c.Datagrams() })
				g := w.together(groups.Options{}, all, list)
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss})
				const n = 2000
				var wg sync.WaitGroup
				wg.Go(func() { a.talk(t, g.ID(), b, n, 20*time.Millisecond) })
				wg.Go(func() { b.talk(t, g.ID(), a, n, 20*time.Millisecond) })
				t.Logf("direct after %v", waitFor(t, "a direct path", 3*time.Second, direct(a, b, true)))
				w.net.Cut(wifi.router.Addr(), b.at.router.Addr())
				waitFor(t, "the relay", 4*time.Second, direct(a, b, false))
				w.net.Heal(wifi.router.Addr(), b.at.router.Addr())
				wifi.router.Rebind()
				b.at.router.Rebind()
				time.Sleep(500 * time.Millisecond)
				noUDP(b.at.router, true) // the session gets another link, with other keys
				waitFor(t, "by the stream", 10*time.Second, func() bool { return !b.c.Datagrams() })
				noUDP(b.at.router, false)
				waitFor(t, "UDP again", 20*time.Second, b.c.Datagrams)
				t.Logf("direct %v after that", waitFor(t, "a direct path again", 20*time.Second, direct(a, b, true)))
				at.Store(mobile)
				noUDP(wifi.router, true)
				must(t, a.c.Rebind(t.Context()))
				time.Sleep(200 * time.Millisecond)
				took := waitFor(t, "a direct path from the other network", 1500*time.Millisecond, func() bool {
					p, _ := b.c.Path(a.c.ID())
					return direct(a, b, true)() && p.Addr.Addr() == mobile.router.Addr()
				})
				t.Logf("direct %v after the network had changed", took)
				wg.Wait()
				a.all(t, b, n, 10*time.Second)
				b.all(t, a, n, 10*time.Second)
			})
		})
	}
}

// Nobody but the server hears from, or of, an address of a client that only
// relays, or of one in a group that does.
func TestRelayOnlyShowsNoAddress(t *testing.T) {
	for _, byGroup := range []bool{false, true} {
		t.Run(fmt.Sprint("by the group ", byGroup), func(t *testing.T) {
			inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 10 * time.Millisecond})
				var all []*friend
				var list []*peers.Peer
				for i := range 3 {
					at := w.home(simnet.FullCone())
					at.host = at.router.Host(fmt.Sprintf("192.168.0.%d", 10+i))
					f := &friend{at: at, got: make(map[wire.ID][]int)}
					f.c = w.dial(f.at, client.Config{OnGroup: f.enter, RelayOnly: !byGroup && len(all) == 0}, overUDP)
					all, list = append(all, f), append(list, peers.Find(w.sys, f.c.ID()))
				}
				shy := all[0].at
				hidden := map[netip.Addr]bool{shy.router.Addr(): true, shy.host.Addr(): true}
				var mu sync.Mutex
				stray := 0
				w.net.Tap(func(_ time.Time, from, to netip.AddrPort, _ []byte) {
					mu.Lock()
					defer mu.Unlock()
					if hidden[from.Addr()] && to.Addr() != serverAddr || hidden[to.Addr()] && from.Addr() != serverAddr {
						stray++
					}
				})
				g := w.together(groups.Options{RelayOnly: byGroup, PunchAtJoin: true}, all, list)
				var wg sync.WaitGroup
				for _, a := range all {
					for _, b := range all {
						if a != b {
							wg.Go(func() { a.talk(t, g.ID(), b, 50, 100*time.Millisecond) })
						}
					}
				}
				wg.Wait()
				for _, a := range all {
					for _, b := range all {
						if a != b {
							a.all(t, b, 50, time.Second)
						}
					}
				}
				if stray > 0 {
					t.Errorf("%d packets passed between others and the one who relays", stray)
				}
				if got := direct(all[1], all[2], true)(); got == byGroup {
					t.Errorf("the others are direct: %v", got)
				}
			})
		})
	}
}

// liar is a socket that says it is somewhere else.
type liar struct {
	*simnet.PacketConn
	says netip.AddrPort
}

func (l liar) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(l.says) }

// Who claims a victim's address has the others of its groups send there less
// than 2 KiB in any 10 s, however many they are, and however often it says so.
func TestForgedAddressGetsLittle(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 10 * time.Millisecond})
		office := w.net.Router("198.51.200.1", simnet.PortRestricted())
		victim := netip.MustParseAddrPort("192.168.0.200:5000")
		office.Host(victim.Addr().String())
		var list []*peers.Peer
		var all []*friend
		for i := range 9 {
			f := &friend{at: &place{office, office.Host(fmt.Sprintf("192.168.0.%d", 10+i))}, got: make(map[wire.ID][]int)}
			cfg := w.at(f.at, client.Config{OnGroup: f.enter})
			if i == 0 {
				cfg.ListenPacket = func(context.Context) (net.PacketConn, error) {
					pc, err := f.at.host.ListenPacket(0)
					return liar{pc, victim}, err
				}
			}
			var err error
			f.c, err = client.Dial(t.Context(), cfg, overUDP)
			must(t, err)
			t.Cleanup(func() { f.c.Close() })
			all, list = append(all, f), append(list, peers.Find(w.sys, f.c.ID()))
		}
		type arrival struct {
			at time.Time
			n  int
		}
		var mu sync.Mutex
		var came []arrival
		w.net.Tap(func(at time.Time, _, to netip.AddrPort, p []byte) {
			if to == victim {
				mu.Lock()
				defer mu.Unlock()
				came = append(came, arrival{at, len(p)})
			}
		})
		for _, f := range all[1:] { // it answers nobody: who finds a path stops looking
			office.Cut(all[0].at.host.Addr(), f.at.host.Addr())
		}
		w.together(groups.Options{PunchAtJoin: true}, all, list)
		for i := range 60 {
			must(t, all[0].c.Rebind(t.Context())) // candidates are told anew
			if time.Sleep(time.Second); i >= 30 {
				time.Sleep(9100 * time.Millisecond) // as often as pays
			}
		}
		time.Sleep(10 * time.Minute) // attempts that others make by themselves
		mu.Lock()
		defer mu.Unlock()
		worst, sum, from := 0, 0, 0
		for _, a := range came {
			sum += a.n
			for a.at.Sub(came[from].at) >= 10*time.Second {
				sum -= came[from].n
				from++
			}
			worst = max(worst, sum)
		}
		if worst == 0 || worst > 2<<10 {
			t.Errorf("%d bytes in 10 s", worst)
		}
		t.Logf("%d packets, at most %d bytes in 10 s", len(came), worst)
	})
}

// Where all are in one network the address that each may tell one other goes to
// all as soon as that one has been there: all are direct at once, though their
// router does not lead them back.
func TestOfficeBecomesDirect(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 10 * time.Millisecond})
		office := w.net.Router("198.51.200.1", simnet.PortRestricted())
		var list []*peers.Peer
		var all []*friend
		for i := range 8 {
			f := &friend{at: &place{office, office.Host(fmt.Sprintf("192.168.0.%d", 10+i))}, got: make(map[wire.ID][]int)}
			f.c = w.dial(f.at, client.Config{OnGroup: f.enter}, overUDP)
			all, list = append(all, f), append(list, peers.Find(w.sys, f.c.ID()))
		}
		w.together(groups.Options{PunchAtJoin: true}, all, list)
		count := func() (n int) {
			for i, a := range all {
				for _, b := range all[:i] {
					if direct(a, b, true)() {
						n++
					}
				}
			}
			return n
		}
		took := waitFor(t, "all direct", time.Second, func() bool { return count() == 28 })
		t.Logf("all are direct after %v", took)
	})
}

// A flood by the relay keeps to the server's budget by itself: reliable messages
// wait for it, and none is thrown away at the server.
func TestPairsKeepToTheRelaysPace(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		all, list := w.friends(overUDP, simnet.Symmetric(), simnet.Symmetric())
		a, b := all[0], all[1]
		g := w.together(groups.Options{RelayOnly: true}, all, list)
		cg := a.c.Group(g.ID())
		const n = 1500
		begun := time.Now()
		for k := range n {
			p := make([]byte, 1000)
			binary.BigEndian.PutUint32(p, uint32(k))
			must(t, cg.SendTo(b.c.ID(), 1, wire.Payload(p), wire.Reliable))
			for range 2 {
				cg.SendTo(b.c.ID(), 1, wire.Payload(p[:100]), wire.Unreliable) // an error says that too much waits
			}
			time.Sleep(5 * time.Millisecond)
		}
		b.all(t, a, n, 20*time.Second)
		refused := list[0].Session().Counts().Refused.Load()
		t.Logf("%d messages of 1,000 bytes in %v; the server refused %d packets", n, time.Since(begun), refused)
		if refused > 0 {
			t.Errorf("the server refused %d packets", refused)
		}
	})
}

// What pairs add to the join of a group.
func TestCostOfJoinWithPairs(t *testing.T) {
	const members = 32
	for _, mode := range []string{"stream only", "UDP, relay", "UDP, punch at join"} {
		inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
			w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
			var list []*peers.Peer
			var all []*client.Client
			for range members {
				c := w.dial(w.home(simnet.PortRestricted()), client.Config{StreamOnly: mode == "stream only"}, overStream)
				all, list = append(all, c), append(list, peers.Find(w.sys, c.ID()))
			}
			time.Sleep(10 * time.Second)
			in := func() (n uint64) {
				for _, c := range all {
					n += c.Stats().BytesIn
				}
				return n
			}
			before, sent := in(), w.net.Stats().Sent
			begun := time.Now()
			g, err := groups.Create(w.sys, groups.Options{KeepEmpty: true, PunchAtJoin: mode == "UDP, punch at join"}, list...)
			must(t, err)
			_, err = g.AwaitReady(t.Context())
			must(t, err)
			took := time.Since(begun)
			time.Sleep(3 * time.Second)
			t.Logf("%s: Ready after %v; in 3 s %d bytes to each member, %d packets of all", mode, took, (in()-before)/members, w.net.Stats().Sent-sent)
			if took > 45*time.Millisecond {
				t.Errorf("%s: Ready took %v, more than a round trip", mode, took)
			}
		})
	}
}
