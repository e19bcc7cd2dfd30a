package session

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

// record keeps what is sent on a net. The datagrams are its own.
type record struct {
	mu  sync.Mutex
	all []sentPacket
}

type sentPacket struct {
	at       time.Time
	from, to netip.AddrPort
	p        []byte
}

func newRecord(n *simnet.Net) *record {
	r := new(record)
	n.Tap(func(at time.Time, from, to netip.AddrPort, p []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, sentPacket{at, from, to, bytes.Clone(p)})
	})
	return r
}

// take is what has been sent since the last call.
func (r *record) take() []sentPacket {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func (e *Endpoint) goroutines() int {
	e.wg.mu.Lock()
	defer e.wg.mu.Unlock()
	return e.wg.n
}

// An endpoint whose sessions are idle has its reader and nothing else, whatever
// they did before, and an idle session sends nothing but the client's pings.
func TestIdleEndpoint(t *testing.T) {
	for _, beside := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldConfig{link: near, beside: beside})
			if beside {
				until(t, time.Second, "UDP", func() bool { return w.client.up() && w.server.up() })
			}
			for _, st := range []*station{w.client, w.server} {
				for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(2).Twice()} {
					st.send(d, "x")
				}
			}
			wait := 1800 * time.Millisecond
			if beside { // the path is asked for as long as it is in use
				wait += inUse + time.Second
			}
			time.Sleep(wait)
			for _, st := range []*station{w.client, w.server} {
				if n := st.e.goroutines(); n != 1 {
					t.Errorf("beside %v: %d goroutines %v after the last message", beside, n, wait)
				}
			}
			if beside {
				return
			}
			r := newRecord(w.net)
			time.Sleep(time.Minute)
			if n := len(r.take()); n != 0 {
				t.Errorf("%d packets in an idle minute", n)
			}
			w.sweep()
			w.server.s.Ping() // the server asks itself as long as it knows no round trip
			time.Sleep(w.server.env.PingInterval)
			r.take()
			const intervals = 10
			time.Sleep(intervals * w.server.env.PingInterval)
			var up, down int
			for _, p := range r.take() {
				if p.to == w.addr {
					up++
				} else {
					down++
				}
			}
			if up > intervals+1 || down > intervals+1 || up < intervals-1 {
				t.Errorf("%d packets up and %d down in %d intervals, want a ping and its answer in each", up, down, intervals)
			}
		})
	}
}

// A session sends no faster than its pace, whatever is queued and lost, and what
// is not reliable runs ahead of it by a bounded amount.
func TestPace(t *testing.T) {
	for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable} {
		for _, loss := range []float64{0, 0.05} {
			bubble(t, func(t *testing.T) {
				pace := Rate{PerSecond: 200 << 10, Burst: 64 << 10}
				w := newWorld(t, worldConfig{link: simnet.Link{Delay: 20 * time.Millisecond, Loss: loss}, limits: Limits{Pace: pace, QueueHard: 2 << 20, Rate: Rate{PerSecond: -1}}})
				r := newRecord(w.net)
				start := time.Now()
				var over, total float64
				for range 200 {
					for range 8 {
						if w.server.put(d, make([]byte, 1000)) == ErrClosed {
							t.Fatal(w.server.s.Err())
						}
					}
					w.server.s.Flush()
					time.Sleep(10 * time.Millisecond)
					for _, p := range r.take() {
						if p.to != w.addr {
							total += float64(len(p.p))
							over = max(over, total-pace.PerSecond*p.at.Sub(start).Seconds()-float64(pace.Burst))
						}
					}
					checkSent(t, w.server.s)
				}
				// One message and what is sent again may overdraw; what must not wait by more.
				limit := 16 << 10
				if d == wire.Unreliable {
					limit = maxOverdraft + 16<<10
				}
				if over > float64(limit) {
					t.Errorf("%v at a loss of %v: %.0f bytes more than the pace lets", d, loss, over)
				}
				if least := pace.PerSecond * 1.8; total < least {
					t.Errorf("%v at a loss of %v: only %.0f bytes in 2 s, the pace lets %.0f", d, loss, total, pace.PerSecond*2)
				}
			})
		}
	}
}

// A channel with much to send does not hold up the others of its session, nor do
// sessions each other.
func TestFairness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, limits: Limits{Pace: Rate{PerSecond: 1 << 20, Burst: 32 << 10}, QueueHard: 8 << 20, Rate: Rate{PerSecond: -1}}})
		other := w.another()
		for range 3000 {
			if err := w.server.put(wire.Reliable, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		w.server.s.Flush()
		time.Sleep(500 * time.Millisecond)
		for i := range 20 {
			for _, s := range []*station{w.server, other.server} {
				s.send(wire.Reliable.On(5), "quick")
			}
			for _, c := range []*station{w.client, other.client} {
				took := until(t, time.Second, "a message", func() bool { return len(c.in.of(wire.Reliable.On(5))) == i+1 })
				if took > 60*time.Millisecond {
					t.Errorf("message %d took %v beside a full channel", i, took)
				}
			}
		}
		if w.server.s.Sent().Queued == 0 {
			t.Error("nothing was queued: the test shows nothing")
		}
	})
}

// The same on the receiving side: a channel of which much waits is not read to
// its end before the others.
func TestFairReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, limits: Limits{QueueHard: 8 << 20, Rate: Rate{PerSecond: -1}}})
		var mu sync.Mutex
		var order []uint8
		w.server.in.shut = true
		w.server.in.onMsg = func(d wire.Delivery, _ []byte) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, d.Channel())
		}
		for range 400 {
			w.client.put(wire.Reliable, make([]byte, 1000))
		}
		w.client.s.Flush()
		time.Sleep(time.Second)
		w.client.send(wire.Reliable.On(7), "quick") // when much of the other waits
		time.Sleep(time.Second)
		mu.Lock()
		begun := len(order)
		mu.Unlock()
		w.server.in.open()
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		for i, c := range order {
			if c == 7 {
				if i > begun+10 {
					t.Errorf("of the other channel came message %d, behind %d", i, begun)
				}
				return
			}
		}
		t.Error("of the other channel nothing came")
	})
}

// A packet that is to be sent twice goes again 5 to 10 ms later, the same bytes,
// and the window drops it.
func TestTwice(t *testing.T) {
	for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(3)} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldConfig{link: near})
			w.client.send(wire.Reliable, "hello")
			time.Sleep(time.Second)
			r := newRecord(w.net)
			w.client.put(d.Twice(), []byte("copied"))
			w.client.put(wire.Reliable, []byte("behind it")) // must not undo that
			w.client.put(wire.Reliable, make([]byte, 1100))  // nor this, in a packet of its own
			w.client.s.Flush()
			time.Sleep(100 * time.Millisecond)
			seen := make(map[string]time.Time)
			copies := 0
			for _, p := range r.take() {
				if first, ok := seen[string(p.p)]; ok {
					copies++
					if after := p.at.Sub(first); after < 5*time.Millisecond || after > 10*time.Millisecond {
						t.Errorf("%v: the copy went %v later", d, after)
					}
				}
				seen[string(p.p)] = p.at
			}
			want := 1
			if d == wire.Reliable { // what leaves with it goes twice too
				want = 2
			}
			if copies != want {
				t.Errorf("%v: %d copies, want %d", d, copies, want)
			}
			if got := w.server.in.of(d.Twice()); len(got) != 1 {
				t.Errorf("%v: %q came", d, got)
			}
			if n := w.server.e.Counts().Replayed.Load(); n != uint64(want) || w.server.l.crypt.Duplicate != n {
				t.Errorf("%v: %d replays, of them duplicates %d", d, n, w.server.l.crypt.Duplicate)
			}
		})
		bubble(t, func(t *testing.T) { // and no other packet goes twice
			w := newWorld(t, worldConfig{link: near})
			w.client.send(wire.Reliable.Twice(), "hello")
			time.Sleep(time.Second)
			r := newRecord(w.net)
			w.client.send(d, "once")
			time.Sleep(50 * time.Millisecond)
			seen := make(map[string]bool)
			for _, p := range r.take() {
				if seen[string(p.p)] {
					t.Errorf("%v went twice", d)
				}
				seen[string(p.p)] = true
			}
		})
	}
}

// Twice is worth it: at 30 % loss the share of unreliable messages lost is 9 %.
func TestTwiceUnderLoss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{seed: 5, link: simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.3}})
		g := newLedger(w.server.in)
		const messages = 2000
		for i := range messages {
			w.client.put(wire.Unreliable.Twice(), parcel(0, i, 64))
			w.client.s.Flush()
			time.Sleep(3 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := g.lossy(); n < messages*89/100 || n > messages*93/100 {
			t.Errorf("%d of %d came", n, messages)
		}
	})
}

// However much is to be said at once, no packet exceeds its size.
func TestPacketSizes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		r := newRecord(w.net)
		for _, l := range []*Link{w.client.l, w.server.l} {
			l.mu.Lock()
			for range 60 {
				pong := wire.Pong{Time: 1 << 62, Now: 1 << 62}
				if err := l.putControlLocked(pong.AppendFrame(nil)); err != nil {
					t.Fatal(err)
				}
			}
			l.mu.Unlock()
		}
		for _, st := range []*station{w.client, w.server} {
			for i := range 1100 {
				st.put(wire.Unreliable, make([]byte, i))
				st.put(wire.Reliable.On(uint8(i%8)), make([]byte, i))
			}
			st.put(wire.Reliable, make([]byte, 65000))
			st.s.Flush()
		}
		time.Sleep(3 * time.Second)
		largest := 0
		for _, p := range r.take() {
			largest = max(largest, len(p.p))
		}
		if largest > packet.MaxSize || largest < packet.MaxSize-40 {
			t.Errorf("the largest packet has %d bytes", largest)
		}
		for _, st := range []*station{w.client, w.server} {
			if st.hasEnded() || checkSent(t, st.s).Queued != 0 {
				t.Errorf("%+v, ended %v", st.s.Sent(), st.in.ended())
			}
		}
	})
}

// What is malformed or not known costs the session that it came in, or nothing.
func TestMalformedPackets(t *testing.T) {
	tests := []struct {
		name string
		body []byte
		ends bool
	}{
		{"an unknown frame", packet.AppendFrame(nil, 0x7f, []byte("x")), true},
		{"an unknown frame to be skipped", packet.AppendFrame(nil, 0x80, []byte("x")), false},
		{"relay, which is reserved", packet.AppendFrame(nil, packet.FrameRelay, []byte("x")), true},
		{"a length beyond the end", []byte{byte(packet.FrameDatagram), 0, 9, 1}, true},
		{"padding that is none", []byte{0, 0, 1}, true},
		{"half a message", packet.AppendFrame(nil, packet.FrameDatagram, []byte{10, 1}), true},
		{"no message", packet.AppendFrame(nil, packet.FrameDatagram, []byte{0}), true},
		{"control garbage", packet.AppendFrame(nil, packet.FrameControl, []byte{0xff, 0xff, 0xff, 0xff}), true},
		{"half a control frame", packet.AppendFrame(nil, packet.FrameControl, []byte{10, byte(wire.KindPing)}), true},
		{"an operation as control", packet.AppendFrame(nil, packet.FrameControl, (&wire.Operation{}).AppendFrame(nil)), true},
		{"a control frame to be skipped", packet.AppendFrame(nil, packet.FrameControl, wire.AppendFrame(nil, 0x90, nil)), false},
		{"segments of no channel", packet.AppendFrame(nil, packet.FrameReliable, make([]byte, 23)), false},
		{"segments of channel 8", packet.AppendFrame(nil, packet.FrameReliable, append([]byte{8, 0, 0, 0, 81}, make([]byte, 19)...)), false},
		{"a short challenge", packet.AppendFrame(nil, packet.FrameChallenge, make([]byte, 7)), false},
		{"a response that nobody asked for", packet.AppendFrame(nil, packet.FrameResponse, make([]byte, 26)), false},
		{"a short bind", packet.AppendFrame(nil, packet.FrameBind, make([]byte, 3)), false},
		{"accept, connect, bound", packet.AppendFrame(packet.AppendFrame(packet.AppendFrame(nil, packet.FrameAccept, nil), packet.FrameConnect, nil), packet.FrameBound, nil), false},
		{"nothing", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldConfig{link: near})
				other := w.another()
				w.client.say(test.body)
				time.Sleep(100 * time.Millisecond)
				if got := w.server.hasEnded(); got != test.ends {
					t.Errorf("ended %v: %v", got, w.server.s.Err())
				}
				if test.ends {
					expectEnd(t, w.server, wire.CodeProtocol, false)
					expectEnd(t, w.client, wire.CodeProtocol, true)
				} else {
					w.client.send(wire.Reliable, "x")
					w.client.send(wire.Unreliable, "x")
				}
				other.client.send(wire.Reliable, "x")
				time.Sleep(100 * time.Millisecond)
				if !test.ends && (len(w.server.in.of(wire.Reliable)) != 1 || len(w.server.in.of(wire.Unreliable)) != 1) || len(other.server.in.of(wire.Reliable)) != 1 {
					t.Error("messages do not come afterwards")
				}
			})
		})
	}
}

// say sends a packet of this end's with an arbitrary body.
func (st *station) say(body []byte) {
	st.l.mu.Lock()
	defer st.l.mu.Unlock()
	p := append(make([]byte, packet.HeaderSize, packet.MaxSize), body...)
	st.e.Send(st.l.crypt.Seal(p, st.l.peer), st.l.remote, netip.Addr{})
}

// Packets that nobody with the keys has made have no effect.
func TestForgedPackets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(100 * time.Millisecond)
		r := newRecord(w.net)
		w.net.Cut(netip.Addr{}, netip.Addr{}) // before it has been seen
		w.client.send(wire.Unreliable, "y")
		time.Sleep(100 * time.Millisecond)
		w.net.Heal(netip.Addr{}, netip.Addr{})
		own := r.take()[0]
		for n := range own.p { // truncated, and flipped
			w.net.Inject(own.from, own.to, own.p[:n])
			b := bytes.Clone(own.p)
			b[n] ^= 1
			w.net.Inject(own.from, own.to, b)
		}
		time.Sleep(100 * time.Millisecond)
		c := w.server.e.Counts()
		if n := c.Replayed.Load() + c.Forged.Load() + c.Malformed.Load() + c.Unknown.Load(); n != 2*uint64(len(own.p)) || c.Forged.Load() < uint64(len(own.p)) {
			t.Errorf("%d packets: replayed %d, forged %d, malformed %d, unknown %d", 2*len(own.p), c.Replayed.Load(), c.Forged.Load(), c.Malformed.Load(), c.Unknown.Load())
		}
		if len(w.server.in.of(wire.Unreliable)) != 0 || w.server.hasEnded() || w.server.l.Remote() != own.from {
			t.Error("a forged packet had an effect")
		}
		w.net.Inject(own.from, own.to, own.p)
		w.net.Inject(own.from, own.to, own.p)
		w.net.Inject(netip.MustParseAddrPort("192.0.2.66:1"), own.to, own.p)
		time.Sleep(100 * time.Millisecond)
		if n := len(w.server.in.of(wire.Unreliable)); n != 1 || w.server.l.roam != nil {
			t.Errorf("it came %d times; a replay proposes an address: %v", n, w.server.l.roam)
		}
	})
}

// Keys that are worn out end the session.
func TestWornOutKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		w.server.l.mu.Lock()
		w.server.l.crypt.Forged = 1<<24 - 1
		w.server.l.mu.Unlock()
		other := w.another()
		forged := append([]byte{byte(packet.KindData), 0, 0, 0, 0, 0, 0, 0, 99}, make([]byte, 40)...)
		for i := range 4 {
			forged[1+i] = byte(w.server.l.self >> (24 - 8*i))
		}
		w.net.Inject(netip.MustParseAddrPort("192.0.2.66:1"), w.addr, forged)
		until(t, time.Second, "the end", w.server.hasEnded)
		expectEnd(t, w.server, wire.CodeProtocol, false)
		other.client.send(wire.Reliable, "x")
		time.Sleep(100 * time.Millisecond)
		if len(other.server.in.of(wire.Reliable)) != 1 {
			t.Error("another session noticed")
		}
	})
}

// A ping that came on a channel of the link is answered too.
func TestPingOnChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		ping := newPing(time.Now())
		w.client.s.PutFrame(ping.AppendFrame(nil), wire.Reliable)
		w.client.s.Flush()
		time.Sleep(time.Second)
		if rtt, _ := w.client.s.RTT(); rtt == 0 {
			t.Error("no answer")
		}
		synctest.Wait()
		if n := checkSent(t, w.server.s); n.Queued != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// No nonce serves twice but for the same bytes: over a session with losses,
// changes of keys, moves, copies and, beside a stream, a CONNECT.
func TestNonceNeverTwice(t *testing.T) {
	for _, beside := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			nat := simnet.PortRestricted()
			w := newWorld(t, worldConfig{seed: 9, link: simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.1, Duplicate: 0.1}, nat: &nat, beside: beside})
			r := newRecord(w.net)
			if beside { // the link as a client makes it
				w.link()
				c := w.client.l.Connect(&packet.Attach{}, 1100)
				w.server.l.Admit(bytes.Clone(c), netip.MustParseAddrPort("198.51.100.7:1"), netip.Addr{}, time.Now(), func([]byte) bool { return true })
				w.server.s.Attach(w.server.l)
				w.client.s.Attach(w.client.l)
				r.all = append(r.all, sentPacket{p: c, from: AddrPort(w.client.pc.LocalAddr()), to: w.addr})
				w.server.l.Accept([16]byte{}, netip.MustParseAddrPort("198.51.100.7:1"))
				w.client.l.ping()
			}
			for i := range 600 {
				for _, st := range []*station{w.client, w.server} {
					d := []wire.Delivery{wire.Reliable.On(uint8(i % 8)), wire.Unreliable, wire.Sequenced(1)}[i%3]
					if i%5 == 0 {
						d = d.Twice()
					}
					st.put(d, make([]byte, i))
					st.s.Flush()
				}
				switch i % 200 {
				case 50:
					w.nat.Rebind()
				case 60, 130:
					l := []*Link{w.client.l, w.server.l}[i%2]
					l.mu.Lock()
					l.crypt.Update(time.Now())
					l.mu.Unlock()
				}
				time.Sleep(33 * time.Millisecond)
			}
			if !beside {
				w.client.s.Close(wire.CodeNormal, "")
				time.Sleep(5 * time.Second)
			}
			// Keys come in generations that the phase bit tells apart, in order.
			type nonce struct {
				up      bool
				to      uint32
				counter uint32
			}
			seen := make(map[nonce]string)
			gens := make(map[string]int)
			phase := make(map[string]byte)
			copies, last := 0, 0
			for _, s := range r.take() {
				if !packet.KindOf(s.p).IsData() {
					continue
				}
				up := s.to == w.addr
				id, _ := packet.Receiver(s.p)
				key := fmt.Sprint(up, id)
				counter := uint32(s.p[5])<<24 | uint32(s.p[6])<<16 | uint32(s.p[7])<<8 | uint32(s.p[8])
				n := nonce{up: up, to: uint32(id), counter: counter}
				if first, ok := seen[n]; ok { // whatever key, as counters run on
					if first != string(s.p) {
						t.Fatalf("counter %d of %s twice", counter, key)
					}
					copies++
					continue
				}
				if b := s.p[0] & 0x20; b != phase[key] {
					phase[key] = b
					gens[key]++
					last = max(last, gens[key])
				}
				seen[n] = string(s.p)
			}
			if copies == 0 || last < 2 || len(seen) < 500 {
				t.Errorf("%d packets, %d copies, %d changes of keys: the test shows nothing", len(seen), copies, last)
			}
		})
	}
}
