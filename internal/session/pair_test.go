package session

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	path "github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

// friend is a client of a trio, and its end of the pair.
type friend struct {
	*station
	nat    *simnet.Router
	atHome *Link // the server's end of its session
	served *Session
	pair   *Session
	box    *inbox

	mu     sync.Mutex
	events []path.Event
}

// freely lets everything be relayed.
type freely struct{}

func (freely) Relay(int, wire.Class, time.Time) bool { return true }

// trio is a server and two clients that are a pair.
type trio struct {
	t       *testing.T
	net     *simnet.Net
	server  *station
	addr    netip.AddrPort
	friends [2]*friend
}

func newTrio(t *testing.T, seed uint64, link simnet.Link, nats ...simnet.NAT) *trio {
	t.Helper()
	w := &trio{t: t, net: simnet.New(seed)}
	w.net.SetLink(netip.Addr{}, netip.Addr{}, link)
	host := w.net.Host("203.0.113.1")
	w.server = newStation(t, host, Limits{})
	w.addr = netip.AddrPortFrom(host.Addr(), w.server.e.LocalAddr().Port())
	for i, nat := range nats {
		w.friends[i] = w.join(i, nat)
	}
	a, b := w.friends[0], w.friends[1]
	a.served.SetRelay(7, b.served, 8, freely{})
	b.served.SetRelay(8, a.served, 7, freely{})
	secret := packet.Secret{9}
	for i, f := range w.friends {
		other := w.friends[1-i]
		env := NewEnv(Limits{PingInterval: -1, IdleTimeout: -1})
		var err error
		f.pair, err = f.s.NewPair(wire.ID(100+1-i), env, f.e, PairConfig{
			Secret: secret, Key: 5, Self: packet.ID(1000 + i), Peer: packet.ID(1000 + 1 - i), Higher: i == 1, Slot: uint32(7 + i),
			Info: f.info(),
			Changed: func(e path.Event) {
				f.mu.Lock()
				f.events = append(f.events, e)
				f.mu.Unlock()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = other
		f.box = &inbox{s: f.pair}
		f.pair.Start(f.box)
	}
	t.Cleanup(w.close)
	return w
}

func (w *trio) join(i int, nat simnet.NAT) *friend {
	w.t.Helper()
	f := &friend{nat: w.net.Router(fmt.Sprintf("198.51.100.%d", 10+i), nat)}
	f.station = newStation(w.t, f.nat.Host("192.168.0.2"), Limits{})
	ids := [2]packet.ID{f.e.Reserve(), w.server.e.Reserve()}
	secret := packet.Secret{1, byte(i)}
	var err error
	if f.l, err = f.e.NewLink(LinkConfig{Secret: secret, Key: uint64(i), Self: ids[0], Peer: ids[1], Remote: w.addr}); err != nil {
		w.t.Fatal(err)
	}
	f.atHome, err = w.server.e.NewLink(LinkConfig{
		Secret: secret, Key: uint64(i), Self: ids[1], Peer: ids[0], Server: true, Remote: AddrPort(f.pc.LocalAddr()),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	f.served = NewDatagram(wire.ID(100+i), f.atHome, w.server.env, true)
	f.s = NewDatagram(wire.ID(100+i), f.l, f.env, false)
	f.in.s = f.s
	f.served.Start(&inbox{s: f.served})
	f.s.Start(f.in)
	f.s.Ping()
	time.Sleep(time.Second) // the server has learned where it is
	return f
}

// info is what the server would tell of it.
func (f *friend) info() path.Info {
	return path.Info{Host: []netip.AddrPort{AddrPort(f.pc.LocalAddr())}, Reflexive: []netip.AddrPort{f.atHome.Remote()}, Mapping: path.Independent}
}

func (w *trio) punch() {
	for i, f := range w.friends {
		f.pair.Punch(f.info(), w.friends[1-i].info(), 0)
	}
}

func (w *trio) close() {
	for _, f := range w.friends {
		f.pair.Abort()
		f.s.Abort()
		f.served.Abort()
	}
	time.Sleep(time.Second)
	for _, f := range w.friends {
		if err := f.pair.env.Wait(w.t.Context()); err != nil {
			w.t.Error(err)
		}
		f.e.Close()
	}
	w.server.e.Close()
	w.net.Close()
}

func (f *friend) state() path.State {
	s := f.pair.Path().State
	return s
}

// both waits until both ends are in a state.
func (w *trio) both(state path.State, limit time.Duration) time.Duration {
	w.t.Helper()
	return until(w.t, limit, "both ends to be "+state.String(), func() bool {
		return w.friends[0].state() == state && w.friends[1].state() == state
	})
}

// What a pair says goes by the relay at once, directly when a path has been
// found, by the relay again when that dies, and directly when it lives again:
// nothing reliable is lost, doubled or reordered.
func TestPairOverItsPaths(t *testing.T) {
	for _, weather := range weathers {
		t.Run(weather.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newTrio(t, 1, weather.link, simnet.PortRestricted(), simnet.Linux())
				const n, every = 2000, 5 * time.Millisecond
				var wg sync.WaitGroup
				var mu sync.Mutex
				got := [2][]int{}
				worst := [2]time.Duration{}
				for i, f := range w.friends {
					last := time.Now()
					f.box.mu.Lock()
					f.box.onMsg = func(_ wire.Delivery, b []byte) {
						mu.Lock()
						defer mu.Unlock()
						got[i] = append(got[i], int(binary.BigEndian.Uint32(b)))
						worst[i] = max(worst[i], time.Since(last))
						last = time.Now()
					}
					f.box.mu.Unlock()
				}
				for _, f := range w.friends {
					wg.Go(func() {
						for k := range n {
							var b [64]byte
							binary.BigEndian.PutUint32(b[:], uint32(k))
							if err := f.pair.PutEvent(&wire.Event{Code: 1, Body: wire.Body{Payload: b[:]}}); err != nil {
								t.Error(err)
								return
							}
							f.pair.Flush()
							time.Sleep(every)
						}
					})
				}
				time.Sleep(time.Second)
				w.punch()
				direct := w.both(path.Direct, 3*time.Second)
				time.Sleep(2 * time.Second)
				w.net.Cut(w.friends[0].nat.Addr(), w.friends[1].nat.Addr())
				w.until(path.Direct, false, 4*time.Second)
				time.Sleep(3 * time.Second)
				w.net.Heal(w.friends[0].nat.Addr(), w.friends[1].nat.Addr())
				wg.Wait()
				until(t, 20*time.Second, "all messages", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return len(got[0]) >= n && len(got[1]) >= n
				})
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				for i := range got {
					for k, v := range got[i] {
						if v != k {
							t.Fatalf("end %d: message %d is %d", i, k, v)
						}
					}
					if len(got[i]) != n {
						t.Errorf("end %d: %d messages, want %d", i, len(got[i]), n)
					}
				}
				t.Logf("direct after %v; longest pauses %v", direct, worst)
			})
		})
	}
}

// until waits until both ends are, or are not, in a state.
func (w *trio) until(state path.State, in bool, limit time.Duration) {
	w.t.Helper()
	until(w.t, limit, fmt.Sprintf("%v %v", state, in), func() bool {
		return (w.friends[0].state() == state) == in && (w.friends[1].state() == state) == in
	})
}

// A pair's packets fit into the server's when they are relayed, whatever is
// packed together.
func TestPairPacketsFitTheRelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTrio(t, 1, simnet.Link{Delay: time.Millisecond}, simnet.PortRestricted(), simnet.PortRestricted())
		a, b := w.friends[0], w.friends[1]
		const n = 200
		for i := range n {
			for _, m := range []struct {
				d    wire.Delivery
				size int
			}{{wire.Reliable, 40 + 37*i%3000}, {wire.Unreliable, 1 + 53*i%1090}, {wire.Sequenced(uint16(i)), 1 + 71*i%1090}} {
				if err := a.pair.PutEvent(&wire.Event{Code: 1, Delivery: m.d, Body: wire.Body{Payload: make([]byte, m.size)}}); err != nil {
					t.Fatal(m.d, m.size, err)
				}
			}
			a.pair.Flush()
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		got := 0
		b.box.mu.Lock()
		for _, l := range b.box.got {
			got += len(l)
		}
		b.box.mu.Unlock()
		if got != 3*n {
			t.Errorf("%d messages came, want %d", got, 3*n)
		}
		for _, f := range w.friends {
			if r := f.s.counts.Refused.Load(); r > 0 {
				t.Errorf("%d packets were too large to be relayed", r)
			}
		}
	})
}
