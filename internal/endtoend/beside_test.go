package endtoend

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// changes are what either end was told of its path, in order.
type changes struct {
	mu  sync.Mutex
	all []bool
}

func (c *changes) add(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, up)
}

func (c *changes) are(want ...bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Equal(c.all, want)
}

func (c *changes) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.all)
}

// pathEcho is echo, and notes PathChanged.
func pathEcho(at *changes) peers.Func {
	return func(c *peers.Context) {
		if m, ok := c.Message().(peers.PathChanged); ok {
			if m.Datagrams != c.Datagrams() {
				panic("the message and the peer differ")
			}
			at.add(m.Datagrams)
			return
		}
		echo(c)
	}
}

// noUDP lets no packet through that router; streams pass.
func noUDP(r *simnet.Router, on bool) {
	nat := r.NAT()
	nat.Blocked = on
	r.SetNAT(nat)
}

// UDP beside a stream comes up, dies and comes back, three times; both ends are
// told, and know no more than that. Nothing reliable is lost, and of sequenced
// messages the newest wins, whichever way it takes.
func TestPathGoesAndComesBack(t *testing.T) {
	var server changes
	inWorld(t, options{peers: always(pathEcho(&server))}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		home := w.home(simnet.PortRestricted())
		var mine changes
		got := newLedger(t, "client")
		c := w.dial(home, client.Config{
			OnEvent:     func(e wire.Event) { got.enter(e.Code, e.Payload) },
			OnDatagrams: mine.add,
		}, overStream)
		n := uint32(0)
		talk := func(d time.Duration) {
			for range d / (50 * time.Millisecond) {
				must(t, c.Notify(opReliable, numbered(n, 30), wire.Reliable))
				must(t, c.Notify(opSequenced, numbered(n+1, 30), wire.Sequenced(1)))
				n++
				time.Sleep(50 * time.Millisecond)
			}
		}
		var want []bool
		talk(time.Second)
		want = append(want, true)
		for i := range 3 {
			if !mine.are(want...) || !server.are(want...) {
				t.Fatalf("told %v and %v, want %v", &mine, &server, want)
			}
			noUDP(home.router, true)
			talk(6 * time.Second)
			want = append(want, false)
			if !mine.are(want...) || !server.are(want...) {
				t.Fatalf("cut for the %d. time: told %v and %v, want %v", i+1, &mine, &server, want)
			}
			noUDP(home.router, false)
			talk(25 * time.Second) // an attempt under way, a pause, the next one
			want = append(want, true)
		}
		if !mine.are(want...) || !server.are(want...) {
			t.Fatalf("told %v and %v, want %v", &mine, &server, want)
		}
		time.Sleep(time.Second)
		got.mu.Lock()
		defer got.mu.Unlock()
		if got.next[0] != n || got.newest != n {
			t.Errorf("%d reliable messages have come back, and sequenced ones up to %d, of %d", got.next[0], got.newest, n)
		}
	})
}

// Where UDP is blocked everything goes by the stream, and UDP is tried less and
// less often, but at least once in a minute and a half.
func TestUDPBlockedBesideStream(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		home := w.home(simnet.Blocked())
		var mine changes
		got := newLedger(t, "client")
		c := w.dial(home, client.Config{OnEvent: func(e wire.Event) { got.enter(e.Code, e.Payload) }, OnDatagrams: mine.add}, overStream)
		for n := range uint32(100) {
			must(t, c.Notify(opUnreliable, numbered(n, 1), wire.Unreliable))
			time.Sleep(100 * time.Millisecond)
		}
		if n := got.lossy(); n != 100 {
			t.Errorf("%d of 100 unreliable messages have come by the stream", n)
		}
		var sent []uint64 // in each minute
		last := c.Stats().Datagrams.Out
		for range 20 {
			time.Sleep(time.Minute)
			out := c.Stats().Datagrams.Out
			sent = append(sent, out-last)
			last = out
		}
		if sent[0] <= sent[10] || sent[10]+sent[11] == 0 || sent[10] > 50 {
			t.Errorf("packets sent in each minute: %v", sent)
		}
		noUDP(home.router, false)
		took := waitFor(t, "by UDP", 95*time.Second, c.Datagrams)
		t.Logf("by UDP %v after it was let through", took)
		noUDP(home.router, true)
		waitFor(t, "by the stream", 40*time.Second, func() bool { return !c.Datagrams() })
		time.Sleep(10 * time.Minute)
		noUDP(home.router, false)
		must(t, c.Rebind(t.Context())) // who knows better does not wait
		waitFor(t, "by UDP", 6*time.Second, c.Datagrams)
	})
}

// faulty is a stream of which nothing more comes while it stalls, and to which
// nothing happens any more once it is dead: no end, no error.
type faulty struct {
	net.Conn
	stalls, dead *atomic.Bool
}

func (f faulty) Read(p []byte) (int, error) {
	for {
		n, err := f.Conn.Read(p)
		for err == nil && f.stalls.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil || !f.dead.Load() {
			return n, err
		}
	}
}

func (f faulty) Write(p []byte) (int, error) {
	if f.dead.Load() {
		return len(p), nil
	}
	return f.Conn.Write(p)
}

// faultily has cfg dial streams that stall or die when they are told to.
func (w *world) faultily(p *place, cfg client.Config) (_ client.Config, stalls, dead *atomic.Bool) {
	stalls, dead = new(atomic.Bool), new(atomic.Bool)
	cfg = w.at(p, cfg)
	dial := cfg.DialContext
	cfg.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		return faulty{nc, stalls, dead}, err
	}
	return cfg, stalls, dead
}

// An answer to Attach that comes too late, after the client has asked again or
// before, does not stand in the way of those that follow.
func TestLateOffers(t *testing.T) {
	for _, stall := range []time.Duration{12 * time.Second, 14500 * time.Millisecond} {
		t.Run(fmt.Sprint(stall), func(t *testing.T) {
			inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				home := w.home(simnet.PortRestricted())
				cfg, stalls, _ := w.faultily(home, client.Config{})
				c, err := client.Dial(t.Context(), cfg, overStream)
				must(t, err)
				defer c.Close()
				waitFor(t, "by UDP", 5*time.Second, c.Datagrams)
				time.Sleep(21 * time.Second) // it has been well: the next pause is a short one
				noUDP(home.router, true)
				waitFor(t, "by the stream", 30*time.Second, func() bool { return !c.Datagrams() })
				stalls.Store(true)
				time.Sleep(stall)
				stalls.Store(false)
				noUDP(home.router, false)
				took := waitFor(t, "by UDP", 30*time.Second, c.Datagrams)
				t.Logf("by UDP %v after the stream has come back", took)
			})
		})
	}
}

// A stream that is dead is noticed though UDP beside it lives: both ends' sessions
// end as if there were none.
func TestDeadStreamBesideUDP(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		cfg, _, dead := w.faultily(w.home(simnet.PortRestricted()), client.Config{})
		c, err := client.Dial(t.Context(), cfg, overStream)
		must(t, err)
		defer c.Close()
		waitFor(t, "by UDP", 5*time.Second, c.Datagrams)
		id := c.ID()
		dead.Store(true)
		for range 40 {
			c.Notify(opUnreliable, numbered(1, 1), wire.Unreliable) // an error says that it has ended
			time.Sleep(time.Second)
		}
		if c.Err() != nil || !c.Datagrams() {
			t.Fatalf("the test shows nothing: UDP beside it has ended, or %v", c.Err())
		}
		waitFor(t, "ended", 25*time.Second, func() bool { return c.Err() != nil })
		waitFor(t, "ended at the server", 25*time.Second, func() bool { return peers.Find(w.sys, id) == nil })
	})
}

// Without a UDP listener, or with StreamOnly, no socket is opened.
func TestNoUDPNothingTried(t *testing.T) {
	for _, tt := range []struct {
		name       string
		noUDP      bool
		streamOnly bool
	}{{"no listener", true, false}, {"StreamOnly", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, options{peers: always(echo), noUDP: tt.noUDP}, func(t *testing.T, w *world) {
				c := w.dial(w.home(simnet.FullCone()), client.Config{StreamOnly: tt.streamOnly}, overStream)
				time.Sleep(10 * time.Minute)
				if got := w.net.Stats().Sent; got != 0 || c.Datagrams() {
					t.Errorf("%d packets were sent", got)
				}
				must(t, c.Rebind(t.Context()))
			})
		})
	}
}

// The answer to what asks travels as the question did, whichever end asks: on
// its channel, and sent twice if that was.
func TestAnswersGoAsTheyWereAsked(t *testing.T) {
	server := func(c *peers.Context) {
		op, ok := c.Message().(*peers.Operation)
		switch {
		case !ok:
		case op.Code == 1:
			op.Respond(op.Body)
		default:
			r := op.Later()
			c.Go(func(context.Context) any { r.Respond(wire.Text("later")); return nil })
		}
	}
	for _, d := range []wire.Delivery{wire.Reliable, wire.Reliable.On(5), wire.Reliable.On(3).Twice()} {
		inWorld(t, options{peers: always(server)}, func(t *testing.T, w *world) {
			w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
			home := w.home(simnet.FullCone())
			c := w.dial(home, client.Config{OnOperation: func(op *client.Operation) {
				if op.Code == 1 {
					op.Respond(op.Body)
					return
				}
				r := op.Later()
				time.AfterFunc(time.Millisecond, func() { r.Respond(wire.Text("later")) })
			}}, overUDP)
			p := peers.Find(w.sys, c.ID())
			var mu sync.Mutex
			copies := make(map[bool]int) // of packets, by whether the server sent them
			seen := make(map[string]bool)
			w.net.Tap(func(_ time.Time, from, _ netip.AddrPort, b []byte) {
				mu.Lock()
				defer mu.Unlock()
				if seen[string(b)] {
					copies[from.Addr() == serverAddr]++
				}
				seen[string(b)] = true
			})
			time.Sleep(3 * time.Second)
			for code := range uint16(2) {
				for serverAsks, ask := range map[bool]func(context.Context, uint16, wire.Body, wire.Delivery) (wire.Response, error){false: c.CallWith, true: p.CallWith} {
					mu.Lock()
					clear(copies)
					mu.Unlock()
					r, err := ask(t.Context(), code+1, wire.Text("?"), d)
					if err != nil {
						t.Fatal(err)
					}
					if r.Delivery.Channel() != d.Channel() || r.Delivery.IsTwice() != d.IsTwice() {
						t.Errorf("%v was answered by %v", d, r.Delivery)
					}
					time.Sleep(100 * time.Millisecond)
					mu.Lock()
					if twice := copies[!serverAsks] > 0; twice != d.IsTwice() {
						t.Errorf("%v, code %d, the server asks %v: the answer was sent twice: %v", d, code, serverAsks, twice)
					}
					mu.Unlock()
				}
			}
		})
	}
}
