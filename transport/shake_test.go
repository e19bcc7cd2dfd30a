package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// first is the first packet of a handshake.
func first(c packet.Cookie, hello []byte) *packet.StreamUp {
	return &packet.StreamUp{Cookie: c, Data: hello[:min(len(hello), packet.MaxStreamData)]}
}

// No handshake begins but with a cookie that is fresh, its owner's and whole,
// and with the beginning of one.
func TestCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		hello := clientHello(t)
		begun := func() uint64 { return w.Transport.Stats().Accepted }
		for _, tt := range []struct {
			name   string
			change func(*packet.StreamUp)
			begins bool
		}{
			{"as it is", func(*packet.StreamUp) {}, true},
			{"MAC changed", func(m *packet.StreamUp) { m.MAC[15] ^= 0x80 }, false},
			{"epoch changed", func(m *packet.StreamUp) { m.Epoch++ }, false},
			{"nonce changed", func(m *packet.StreamUp) { m.Nonce[0] ^= 1 }, false},
			{"no MAC", func(m *packet.StreamUp) { m.MAC = [16]byte{} }, false},
			{"not the beginning", func(m *packet.StreamUp) { m.Offset = 1100 }, false},
			{"nothing", func(m *packet.StreamUp) { m.Data = nil }, false},
			{"not TLS", func(m *packet.StreamUp) { m.Data = []byte("GET / HTTP/1.1") }, false},
			{"an alert", func(m *packet.StreamUp) { m.Data = []byte{0x15, 3, 3, 0, 2, 2, 0} }, false},
			{"9 s later", func(*packet.StreamUp) { time.Sleep(9 * time.Second) }, true},
			{"20 s later", func(*packet.StreamUp) { time.Sleep(20 * time.Second) }, false},
			{"an hour later", func(*packet.StreamUp) { time.Sleep(time.Hour) }, false},
		} {
			p := w.packets(home)
			up := first(p.Cookie(), hello)
			tt.change(up)
			before := begun()
			p.Send(up.Append(nil))
			time.Sleep(time.Second)
			if got := begun() > before; got != tt.begins {
				t.Errorf("%s: a handshake begins: %v, want %v", tt.name, got, tt.begins)
			}
		}
		time.Sleep(time.Minute)
		cookie := w.packets(home).Cookie()
		before := begun()
		for name, from := range map[string]*simnet.Host{"another port": home, "another address": w.net.Host("198.51.100.10")} {
			w.packets(from).Send(first(cookie, hello).Append(nil))
			time.Sleep(time.Second)
			if begun() > before {
				t.Errorf("a handshake begins from %s", name)
			}
		}
		if under, _ := w.Transport.Shakes(); under != 0 {
			t.Errorf("%d handshakes", under)
		}
	})
}

// A Welcome that is lost is said again until the client has heard of it.
func TestLostWelcomeIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		var lost atomic.Int64
		w.Judge = func(context.Context, *transport.Hello) error {
			w.wire.losing(func(p []byte, _ netip.AddrPort) bool { return kindOf(p) == packet.KindStreamDown && lost.Add(1) <= 3 })
			return nil
		}
		begin := time.Now()
		c := w.dial(w.net.Host("198.51.100.9"), "udp://203.0.113.1:4530")
		if took := time.Since(begin); took > 3*time.Second || lost.Load() < 3 {
			t.Errorf("in after %v, though %d packets were lost", took, lost.Load())
		}
		w.echo(c)
		time.Sleep(2 * time.Second)
		if under, bygone := w.Transport.Shakes(); under != 0 || bygone != 1 {
			t.Errorf("%d handshakes, %d bygone", under, bygone)
		}
	})
}

// A client whose every packet after the Welcome is lost for a while is asked
// whether it is there, and lives; one that has not heard the Welcome does not.
func TestUnheardSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{Limits: transport.Limits{PingInterval: -1, IdleTimeout: -1}}, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		cfg := w.config(home)
		cfg.Limits.PingInterval, cfg.Limits.IdleTimeout = -1, -1
		w.Judge = func(context.Context, *transport.Hello) error {
			w.net.CutOneWay(home.Addr(), w.host.Addr())
			return nil
		}
		c, err := client.Dial(t.Context(), cfg, w.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		time.Sleep(8 * time.Second)
		w.net.Heal(home.Addr(), w.host.Addr())
		time.Sleep(30 * time.Second)
		if err := c.Err(); err != nil {
			t.Fatalf("the session has ended: %v", err)
		}
		w.echo(c)
		s := w.Next(t)
		if err := s.Err(); err != nil {
			t.Error(err)
		}

		away := w.net.Host("198.51.100.10")
		w.Judge = func(context.Context, *transport.Hello) error {
			w.net.Cut(away.Addr(), w.host.Addr())
			return nil
		}
		cfg.ListenPacket = w.config(away).ListenPacket
		begin := time.Now()
		if _, err := client.Dial(t.Context(), cfg, w.URL); err == nil {
			t.Fatal("in without a Welcome")
		}
		if why := w.Next(t).Why(t); why.Code != wire.CodeHandshake || why.Remote {
			t.Errorf("the server says %v", why)
		}
		if took := time.Since(begin); took > 22*time.Second {
			t.Errorf("given up after %v", took)
		}
	})
}

// Late copies of a handshake's packets begin no other one.
func TestLateCopiesBeginNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		var judged atomic.Int64
		w.Judge = func(context.Context, *transport.Hello) error { judged.Add(1); return nil }
		type sent struct {
			from netip.AddrPort
			p    []byte
		}
		var mu sync.Mutex
		var all []sent
		home := w.net.Host("198.51.100.9")
		w.net.Tap(func(_ time.Time, from, _ netip.AddrPort, p []byte) {
			if from.Addr() == home.Addr() && kindOf(p) == packet.KindStreamUp {
				mu.Lock()
				all = append(all, sent{from, bytes.Clone(p)})
				mu.Unlock()
			}
		})
		c := w.dial(home, w.URL)
		mu.Lock()
		copies := slices.Clone(all)
		mu.Unlock()
		accepted := w.Transport.Stats().Accepted
		for range 100 { // 50 s
			for _, s := range copies {
				w.net.Inject(s.from, w.Addr, s.p)
			}
			time.Sleep(500 * time.Millisecond)
			if under, _ := w.Transport.Shakes(); under > 0 {
				t.Fatal("a copy has begun a handshake")
			}
		}
		if n := w.Transport.Stats().Accepted; n != accepted || judged.Load() != 1 {
			t.Errorf("%d accepted, %d before; %d judged", n, accepted, judged.Load())
		}
		w.echo(c)
		if _, bygone := w.Transport.Shakes(); bygone != 0 {
			t.Errorf("%d handshakes are remembered", bygone)
		}
	})
}

// Handshakes that stop cost a slot each, of 1,024, and for a while only.
func TestAThousandHandshakesStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		c := w.dial(w.net.Host("198.51.100.9"), w.URL)
		hello := clientHello(t)
		const n = 1300
		most := 0
		for i := range n {
			h := w.net.Host(spoofed(i).Addr().String())
			p := w.packets(h)
			p.Send(first(p.Cookie(), hello).Append(nil))
			under, _ := w.Transport.Shakes()
			most = max(most, under)
			if i%100 == 0 {
				if took := w.echo(c); took > 2*way+15*time.Millisecond {
					t.Errorf("an echo took %v", took)
				}
			}
			p.Close()
		}
		if most > 1024 || most < 200 {
			t.Errorf("%d handshakes at once", most)
		}
		until(t, 21*time.Second, "slots come back", func() bool {
			under, _ := w.Transport.Shakes()
			return under == 0 && w.Transport.Stats().Handshaking == 0
		})
		w.echo(w.dial(w.net.Host("198.51.100.10"), w.URL))
	})
}

// All at once they are as many as the protocol says, however fast they come.
func TestHandshakesAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{})
		hello := clientHello(t)
		var all []*transporttest.Packets
		var cookies []packet.Cookie
		for i := range 1200 {
			p := w.packets(w.net.Host(spoofed(i).Addr().String()))
			all, cookies = append(all, p), append(cookies, p.Cookie())
		}
		for i, p := range all {
			p.Send(first(cookies[i], hello).Append(nil))
			time.Sleep(3 * time.Millisecond) // below the rate
		}
		under, _ := w.Transport.Shakes()
		if st := w.Transport.Stats(); under != 1024 || st.Handshaking != 1024 || st.Datagrams.Excess != 1200-1024 {
			t.Errorf("%d handshakes at once, %+v", under, st)
		}
	})
}

// One address has its share of handshakes, and does not use up that of others.
func TestHandshakesOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{AcceptRatePerAddress: transport.Rate{PerSecond: -1}}, simnet.Link{Delay: way})
		greedy := w.net.Host("198.51.100.9")
		hello := clientHello(t)
		for range 40 {
			p := w.packets(greedy)
			p.Send(first(p.Cookie(), hello).Append(nil))
		}
		time.Sleep(50 * time.Millisecond)
		if under, _ := w.Transport.Shakes(); under != 16 {
			t.Errorf("%d handshakes of one address, want 16", under)
		}
		// More of them than there are handshakes a second for all.
		p := w.packets(greedy)
		up := first(p.Cookie(), hello)
		for range 3000 {
			p.Send(up.Append(nil))
		}
		time.Sleep(way)
		begin := time.Now()
		c := w.dial(w.net.Host("198.51.100.10"), w.URL)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("another address is let in after %v", took)
		}
		w.echo(c)
	})
}

// A client that is turned away gives its slot back when it has heard so. Now and
// then one is gone before it could say that it has; that slot comes back by itself,
// later.
func TestRefusedGiveTheirSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{AcceptRatePerAddress: transport.Rate{PerSecond: -1}}, simnet.Link{Delay: way})
		w.Judge = func(context.Context, *transport.Hello) error {
			return &session.RefusedError{Code: wire.CodeAuth, Text: "who are you?"}
		}
		home := w.net.Host("198.51.100.9")
		for range 50 {
			_, err := client.Dial(t.Context(), w.config(home), w.URL)
			if r, ok := errors.AsType[*client.RefusedError](err); !ok || r.Code != wire.CodeAuth || r.Text != "who are you?" {
				t.Fatal(err)
			}
			time.Sleep(250 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		const late = 2
		if under, bygone := w.Transport.Shakes(); under > late || bygone == 0 {
			t.Errorf("%d handshakes, %d bygone", under, bygone)
		}
		if st := w.Transport.Stats(); st.Handshaking > late || st.Connections != 0 || st.Refused != 50 {
			t.Errorf("%+v", st)
		}
		time.Sleep(handshake.Life)
		if st := w.Transport.Stats(); st.Handshaking != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A refusal arrives with code and text, also where much is lost.
func TestRefuseUnderLoss(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed, transport.Config{}, simnet.Link{Delay: way, Loss: 0.3})
			w.Judge = func(context.Context, *transport.Hello) error {
				return &session.RefusedError{Code: wire.CodeAuth, Text: "who are you?"}
			}
			_, err := client.Dial(t.Context(), w.config(w.net.Host("198.51.100.9")), w.URL)
			if r, ok := errors.AsType[*client.RefusedError](err); !ok || r.Code != wire.CodeAuth || r.Text != "who are you?" {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

// A refusal that is lost is said again, also when nobody waits for the client any
// more.
func TestLostRefusalIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{Limits: transport.Limits{Linger: 500 * time.Millisecond}}, simnet.Link{Delay: way})
		w.Judge = func(context.Context, *transport.Hello) error {
			end := time.Now().Add(2 * time.Second)
			w.wire.losing(func([]byte, netip.AddrPort) bool { return time.Now().Before(end) })
			return &session.RefusedError{Code: wire.CodeAuth, Text: "who are you?"}
		}
		_, err := client.Dial(t.Context(), w.config(w.net.Host("198.51.100.9")), w.URL)
		if r, ok := errors.AsType[*client.RefusedError](err); !ok || r.Code != wire.CodeAuth || r.Text != "who are you?" {
			t.Error(err)
		}
	})
}

// Clients get in where three packets in ten are lost, each way.
func TestConnectUnderLoss(t *testing.T) {
	for loss, seeds := range map[float64]uint64{0: 100, 0.05: 200, 0.3: 1000} {
		if testing.Short() {
			seeds = 100
		}
		t.Run(fmt.Sprintf("%v", loss), func(t *testing.T) {
			t.Parallel()
			var took []time.Duration
			const each = 50
			for seed := range seeds / each {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, seed, transport.Config{}, simnet.Link{Delay: 30 * time.Millisecond, Loss: loss})
					for i := range each {
						begin := time.Now()
						c, err := client.Dial(t.Context(), w.config(w.net.Host(spoofed(i).Addr().String())), w.URL)
						if err != nil {
							t.Fatalf("seed %d, client %d: %v", seed, i, err)
						}
						took = append(took, time.Since(begin))
						c.Close()
					}
				})
			}
			slices.Sort(took)
			n := len(took)
			t.Logf("%v lost: p50 %v, p99 %v, max %v", loss, took[n/2], took[n*99/100], took[n-1])
			if took[n-1] > 5*time.Second {
				t.Errorf("the slowest of %d was in after %v", n, took[n-1])
			}
		})
	}
}

// Nothing is kept of a handshake once the session lives.
func TestNothingIsLeftOfHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		for i := range 40 {
			w.echo(w.dial(w.net.Host(spoofed(i).Addr().String()), w.URL))
		}
		if under, bygone := w.Transport.Shakes(); under != 0 || bygone != 40 {
			t.Errorf("%d handshakes, %d bygone", under, bygone)
		}
		time.Sleep(25 * time.Second)
		if under, bygone := w.Transport.Shakes(); under != 0 || bygone != 0 {
			t.Errorf("later: %d handshakes, %d bygone", under, bygone)
		}
		if n := w.Transport.Links(); n != 40 {
			t.Errorf("%d links", n)
		}
	})
}

// scope is a test that ends before its own.
type scope struct {
	testing.TB
	last []func()
}

// Cleanup implements testing.TB.
func (s *scope) Cleanup(f func()) { s.last = append(s.last, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.last) {
		f()
	}
	s.last = nil
}

// An idle session by UDP and what its actor-less server keeps of it.
func TestMemoryOfSessionsByUDP(t *testing.T) {
	const n = 300
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{
			Limits:               transport.Limits{PingInterval: -1, IdleTimeout: -1},
			AcceptRatePerAddress: transport.Rate{PerSecond: -1}, MaxConnectionsPerAddress: -1,
		}, simnet.Link{})
		home := w.net.Host("198.51.100.9")
		before := heap()
		for range n {
			s := &scope{TB: t}
			g, err := transporttest.Enter(s, transporttest.NewPackets(s, socket(t, home), w.Addr), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			transporttest.NewClient(s, g).Enter()
			w.Next(t)
			w.Hello(t)
			time.Sleep(3 * time.Millisecond)
			g.Vanish()
			s.end()
		}
		time.Sleep(30 * time.Second)
		each := (heap() - before) / n
		if under, bygone := w.Transport.Shakes(); under != 0 || bygone != 0 {
			t.Errorf("%d handshakes, %d bygone", under, bygone)
		}
		t.Logf("%d idle sessions: %d bytes each, the test's own notes included", n, each)
		if each > 12<<10 {
			t.Errorf("an idle session holds %d bytes", each)
		}
	})
}

// What a client says first in TLS is a Hello with the datagrams' own suite.
func TestDowngradeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		for suite, want := range map[uint32]wire.Code{0: wire.CodeVersion, 2: wire.CodeVersion, 1<<32 - 1: wire.CodeVersion} {
			g, err := transporttest.Enter(t, w.packets(w.net.Host(fmt.Sprintf("198.51.100.%d", 20+suite%200))), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			c := transporttest.NewClient(t, g)
			c.Send(transporttest.Frame(t, wire.KindHello, &wirepb.Hello{Version: wire.Version, Suite: suite}))
			if code, _ := c.Refused(); code != want {
				t.Errorf("suite %d: refused with %v", suite, code)
			}
		}
	})
}
