package endtoend

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// mobile has cfg dial from one of several places.
func (w *world) mobile(at *atomic.Pointer[place], cfg client.Config) client.Config {
	cfg = w.at(at.Load(), cfg)
	cfg.ListenPacket = func(context.Context) (net.PacketConn, error) { return at.Load().host.ListenPacket(0) }
	return cfg
}

// A phone goes from one network to another: the session goes on, nothing
// reliable is lost, and the peer knows the new address, with packets lost on the
// way too.
func TestRebind(t *testing.T) {
	for _, loss := range []float64{0, 0.3} {
		for _, url := range []string{overUDP, overStream} {
			for seed := range uint64(6) {
				inWorld(t, options{seed: seed, peers: always(echo)}, func(t *testing.T, w *world) {
					wifi, mobile := w.home(simnet.PortRestricted()), w.home(simnet.Symmetric())
					var at atomic.Pointer[place]
					at.Store(wifi)
					got := newLedger(t, "client")
					c, err := client.Dial(t.Context(), w.mobile(&at, client.Config{OnEvent: func(e wire.Event) { got.enter(e.Code, e.Payload) }}), url)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { c.Close() })
					waitFor(t, "by UDP", 10*time.Second, c.Datagrams)
					w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss})
					p := peers.Find(w.sys, c.ID())
					var n uint32
					talk := func(rounds uint32) {
						for range rounds {
							must(t, p.Event(opReliable, numbered(n, 9), wire.Reliable))
							n++
							time.Sleep(50 * time.Millisecond)
						}
					}
					talk(20)
					from := p.RemoteAddr()
					at.Store(mobile)
					noUDP(wifi.router, true) // out of reach
					must(t, c.Rebind(t.Context()))
					must(t, p.Event(opReliable, numbered(n, 9), wire.Reliable))
					n++
					took := waitFor(t, "the next", 5*time.Second, func() bool { return got.channel() == n })
					if loss == 0 && took > 150*time.Millisecond { // there, a challenge back, there, and here
						t.Errorf("%s: nothing came for %v", url, took)
					}
					talk(20)
					waitFor(t, "all there", 10*time.Second, func() bool { return got.channel() == n })
					if to := p.RemoteAddr(); url == overUDP && (to == from || to.Addr() != mobile.router.Addr()) {
						t.Errorf("the peer is at %v, then at %v", from, to)
					}
					if st := c.Stats().Datagrams; st.Moves != 1 || !st.Up {
						t.Errorf("stats %+v", st)
					}
				})
			}
		}
	}
}

// A client that has nothing to say is found again after its NAT has forgotten it,
// because it asks when it hears nothing more.
func TestListenerBehindNATThatForgets(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		home := w.home(simnet.Symmetric())
		got := newLedger(t, "client")
		c := w.dial(home, client.Config{OnEvent: func(e wire.Event) { got.enter(e.Code, e.Payload) }}, overUDP)
		p := peers.Find(w.sys, c.ID())
		for n := range uint32(300) {
			must(t, p.Event(opReliable, numbered(n, 9), wire.Reliable))
			if n%100 == 50 {
				home.router.Rebind()
			}
			time.Sleep(100 * time.Millisecond)
			if got.channel()+35 < n {
				t.Fatalf("message %d is not there when %d is sent", got.channel(), n)
			}
		}
		waitFor(t, "all there", 2*time.Second, func() bool { return got.channel() == 300 })
	})
}

// An idle client sends one packet in each interval, and its server one.
func TestIdleClientPingsOnce(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Jitter: time.Millisecond})
		c := w.dial(w.home(simnet.FullCone()), client.Config{}, overUDP)
		_, err := c.Call(t.Context(), 1, wire.Text("?"))
		must(t, err)
		time.Sleep(20 * time.Second)
		before := w.net.Stats().Sent
		time.Sleep(10 * time.Minute)
		if got := w.net.Stats().Sent - before; got != 80 {
			t.Errorf("%d packets in 10 minutes, want 80", got)
		}
	})
}

// broken is a socket that the system takes away.
type broken struct {
	*simnet.PacketConn
	gone atomic.Bool
}

func (b *broken) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	if b.gone.Load() {
		return 0, errors.New("network is unreachable")
	}
	return b.PacketConn.WriteToUDPAddrPort(p, to)
}

// A socket by which nothing leaves is replaced without being asked.
func TestBrokenSocketIsReplaced(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		home := w.home(simnet.FullCone())
		cfg := w.at(home, client.Config{})
		var last *broken
		cfg.ListenPacket = func(context.Context) (net.PacketConn, error) {
			pc, err := home.host.ListenPacket(0)
			last = &broken{PacketConn: pc}
			return last, err
		}
		c, err := client.Dial(t.Context(), cfg, overUDP)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		last.gone.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.Call(ctx, 1, wire.Text("?")); err != nil {
			t.Fatal(err)
		}
		if got := c.Stats().Datagrams.Moves; got != 1 {
			t.Errorf("%d moves", got)
		}
	})
}

func TestRebindAfterTheEnd(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		c := w.dial(w.home(simnet.FullCone()), client.Config{}, overUDP)
		c.Close()
		if err := c.Rebind(t.Context()); err != client.ErrClosed {
			t.Errorf("Rebind returned %v", err)
		}
	})
}
