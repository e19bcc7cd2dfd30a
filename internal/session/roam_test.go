package session

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
)

// stalls keeps the longest time between two messages.
type stalls struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration
	n       int
}

func (s *stalls) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.last.IsZero() {
		s.longest = max(s.longest, now.Sub(s.last))
	}
	s.last = now
	s.n++
}

func (s *stalls) count() (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.longest
}

// A NAT that rebinds in the middle of a game stops it for a round trip and 100
// ms at most, and loses nothing; also while keys change.
func TestRebindMidStream(t *testing.T) {
	const tick = 33 * time.Millisecond
	seeds := 8
	if Poison { // the race detector's builds are slow
		seeds = 2
	}
	for _, rtt := range []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond} {
		for _, rekey := range []bool{false, true} {
			for seed := range seeds {
				t.Run(fmt.Sprint(rtt, rekey, seed), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						nat := simnet.PortRestricted()
						w := newWorld(t, worldConfig{seed: uint64(seed), link: simnet.Link{Delay: rtt / 2}, nat: &nat})
						down, up := newLedger(w.client.in), newLedger(w.server.in)
						var gaps stalls
						w.client.in.onMsg = func(d wire.Delivery, b []byte) { gaps.note(); down.take(d, b) }
						send := func(i int) {
							for _, st := range []*station{w.client, w.server} {
								if err := st.put(wire.Reliable, parcel(0, i, 100)); err != nil {
									t.Fatal(err)
								}
								st.s.Flush()
							}
						}
						const before, after = 50, 100
						for i := range before {
							send(i)
							time.Sleep(tick)
						}
						time.Sleep(time.Duration(seed) * tick / 8)
						w.nat.Rebind()
						if rekey {
							w.client.l.mu.Lock()
							w.client.l.crypt.Update(time.Now())
							w.client.l.mu.Unlock()
						}
						for i := range after {
							send(before + i)
							time.Sleep(tick)
						}
						time.Sleep(3 * time.Second)
						for _, g := range []*ledger{down, up} {
							if n, err := g.total(); n != before+after || err != nil {
								t.Errorf("%d of %d messages: %v", n, before+after, err)
							}
						}
						if n := w.server.s.Counts().Moves.Load(); n != 2 { // the first one taught the server the outer address
							t.Errorf("%d moves", n)
						}
						if _, longest := gaps.count(); longest > rtt+100*time.Millisecond {
							t.Errorf("nothing came for %v", longest)
						}
					})
				})
			}
		}
	}
}

// capture is a packet that the server has not got, of the client's.
func (w *world) capture(r *record, say func()) sentPacket {
	w.t.Helper()
	synctest.Wait()
	w.net.Cut(netip.Addr{}, netip.Addr{})
	r.take()
	say()
	time.Sleep(time.Millisecond)
	w.net.Heal(netip.Addr{}, netip.Addr{})
	all := r.take()
	if len(all) == 0 {
		w.t.Fatal("nothing was sent")
	}
	return all[0]
}

// sentTo are the packets that went to an address.
func sentTo(all []sentPacket, to netip.AddrPort) (list []sentPacket) {
	for _, p := range all {
		if p.to == to {
			list = append(list, p)
		}
	}
	return list
}

var attacker = netip.MustParseAddrPort("192.0.2.66:6666")

// Only the newest authentic packet proposes an address, and only the answer to
// what was sent there moves the session.
func TestWhatProposes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		home := w.server.l.Remote()
		r := newRecord(w.net)
		older := w.capture(r, func() { w.client.send(wire.Unreliable, "older") })
		w.client.send(wire.Unreliable, "newer")
		time.Sleep(100 * time.Millisecond)
		seen := r.take()[0]

		for name, p := range map[string][]byte{"a replayed": seen.p, "a reordered": older.p} {
			w.net.Inject(attacker, w.addr, p)
			time.Sleep(100 * time.Millisecond)
			if n := len(sentTo(r.take(), attacker)); n != 0 || w.server.l.Remote() != home {
				t.Errorf("%s packet from elsewhere was answered with %d", name, n)
			}
		}
		if len(w.server.in.of(wire.Unreliable)) != 2 {
			t.Error("the reordered message was not taken: it is authentic")
		}

		fresh := w.capture(r, func() { w.client.send(wire.Unreliable, "captured") })
		w.net.Inject(attacker, w.addr, fresh.p)
		time.Sleep(100 * time.Millisecond)
		sent := sentTo(r.take(), attacker)
		bytes := 0
		for _, p := range sent {
			bytes += len(p.p)
		}
		if len(sent) == 0 || bytes > challengeBudget*len(fresh.p) {
			t.Errorf("a fresh packet of %d bytes was answered with %d in %d packets", len(fresh.p), bytes, len(sent))
		}
		if w.server.l.Remote() != home || w.server.s.Counts().Moves.Load() != 0 {
			t.Error("the session moved without an answer")
		}
		w.server.send(wire.Unreliable, "still here")
		w.client.send(wire.Unreliable, "so am I")
		time.Sleep(100 * time.Millisecond)
		if len(w.client.in.of(wire.Unreliable)) != 1 || len(w.server.in.of(wire.Unreliable)) != 4 || w.server.l.Remote() != home {
			t.Error("messages do not come any more")
		}
	})
}

// What holds against somebody on the way who is faster with the client's own
// packets: he cannot read, change or invent anything. If he forwards the
// challenge too, the session moves to him, and what the server sends goes by him
// as long as he is faster with each of the client's packets. The first one that
// comes by itself moves it back, if there is a move left: 5 at once, then one a
// second.
func TestRelayingAttacker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		home := w.server.l.Remote()
		r := newRecord(w.net)
		fresh := w.capture(r, func() { w.client.send(wire.Unreliable, "captured") })
		w.net.Inject(attacker, w.addr, fresh.p)
		time.Sleep(15 * time.Millisecond)
		for _, p := range sentTo(r.take(), attacker) {
			w.net.Inject(w.addr, home, p.p) // the client answers to the server's address
		}
		time.Sleep(12 * time.Millisecond)
		w.net.Cut(home.Addr(), netip.Addr{}) // let the response in, nothing after it
		time.Sleep(10 * time.Millisecond)
		if w.server.s.Counts().Moves.Load() == 0 {
			t.Fatal("the test shows nothing: he was not believed")
		}
		w.net.Heal(home.Addr(), netip.Addr{})
		took := until(t, time.Second, "the way back", func() bool {
			w.client.send(wire.Unreliable, "here I am")
			return w.server.l.Remote() == home
		})
		if took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// Addresses change 5 times at once and then once a second, however fast somebody
// swaps his ports; nothing is lost that is reliable.
func TestPortPingPong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nat := simnet.FullCone()
		w := newWorld(t, worldConfig{link: near, nat: &nat})
		up, down := newLedger(w.server.in), newLedger(w.client.in)
		const messages = 400
		for i := range messages {
			w.client.put(wire.Reliable, parcel(0, i, 50))
			w.server.put(wire.Reliable, parcel(0, i, 50))
			w.client.s.Flush()
			w.server.s.Flush()
			if i%5 == 0 {
				w.nat.Rebind()
			}
			time.Sleep(25 * time.Millisecond)
		}
		if n := w.server.s.Counts().Moves.Load(); n < 10 || n > 5+messages*25/1000+1 {
			t.Errorf("%d moves in %v", n, messages*25*time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		for _, g := range []*ledger{up, down} {
			if n, err := g.total(); n != messages || err != nil {
				t.Errorf("%d of %d messages: %v", n, messages, err)
			}
		}
	})
}

// To an address that is not proven goes three times what came from there, at
// most and at every moment, whatever waits to be sent.
func TestUnprovenBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, limits: Limits{Rate: Rate{PerSecond: -1}}})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		r := newRecord(w.net)
		got, sent := 0, 0
		for i := range 100 {
			p := w.capture(r, func() { w.client.send(wire.Unreliable, "captured") })
			for range 20 { // in flight, and lost
				w.server.put(wire.Reliable, make([]byte, 300))
			}
			w.server.s.Flush()
			if i%3 == 0 {
				w.net.Inject(attacker, w.addr, p.p)
				got += len(p.p)
			} else { // what comes from the old address does not end it, nor does silence
				time.Sleep(40 * time.Millisecond)
			}
			time.Sleep(30 * time.Millisecond)
			for _, p := range sentTo(r.take(), attacker) {
				sent += len(p.p)
			}
			if sent > challengeBudget*got {
				t.Fatalf("%d bytes for %d", sent, got)
			}
		}
		if sent < got/2 {
			t.Errorf("%d bytes for %d: the test shows nothing", sent, got)
		}
	})
}

// A NAT that rebinds while nothing is said: what the server says then waits for
// the client's next ping, and is not the end.
func TestRebindWhileIdle(t *testing.T) {
	for idle := range 6 {
		bubble(t, func(t *testing.T) {
			nat := simnet.PortRestricted()
			w := newWorld(t, worldConfig{link: near, nat: &nat})
			w.client.send(wire.Reliable, "x")
			w.sweep()
			time.Sleep(30*time.Second + time.Duration(idle)*3*time.Second)
			w.nat.Rebind()
			w.server.send(wire.Reliable, "are you there?")
			took := until(t, time.Minute, "the message", func() bool {
				return w.server.hasEnded() || len(w.client.in.of(wire.Reliable)) == 1
			})
			if most := w.client.env.PingInterval + time.Second; took > most {
				t.Errorf("it took %v", took)
			}
			if w.server.hasEnded() {
				t.Error(w.server.in.ended())
			}
		})
	}
}

// bindPacket is the body of a packet with so many Binds, padded to size bytes.
func bindPacket(binds, size int) (body []byte) {
	for i := range binds {
		body = packet.AppendFrame(body, packet.FrameBind, []byte{7: byte(i)})
	}
	return packet.Pad(body, size-packet.Overhead)
}

// bounds are the answers to Binds among packets to the client.
func (w *world) bounds(all []sentPacket) (list []packet.Bound) {
	w.client.l.mu.Lock()
	defer w.client.l.mu.Unlock()
	for _, p := range all {
		body, _, _, err := w.client.l.crypt.Open(p.p, time.Now())
		if err != nil {
			continue
		}
		t, frame, _, err := packet.NextFrame(body)
		var m packet.Bound
		if err == nil && t == packet.FrameBound && m.Parse(frame) == nil {
			list = append(list, m)
		}
	}
	return list
}

// A Bind is answered to where it came from, about that address, by no more bytes
// than have come unless it is the client's; probes of no kind propose one.
func TestProbesProposeNothing(t *testing.T) {
	nonce := make([]byte, nonceSize)
	for _, tt := range []struct {
		name  string
		from  netip.AddrPort // zero: the client's own
		body  []byte
		bound int
	}{
		{"a bind", attacker, bindPacket(1, 96), 1},
		{"one that is as long as its answer", attacker, bindPacket(1, 78), 1},
		{"a shorter one", attacker, bindPacket(1, 77), 0},
		{"two binds, padded for one", attacker, bindPacket(2, 155), 1},
		{"two binds, padded for two", attacker, bindPacket(2, 156), 2},
		{"a short one of the client's", netip.AddrPort{}, bindPacket(1, 0), 1},
		{"a challenge", attacker, packet.AppendFrame(nil, packet.FrameChallenge, nonce), 0},
		{"a response", attacker, packet.AppendFrame(nil, packet.FrameResponse, nonce), 0},
		{"padding", attacker, make([]byte, 50), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldConfig{link: near})
				w.server.e.receipt = func(seen netip.AddrPort, _ uint64, _ time.Time) []byte {
					return append(packet.AppendObserved(nil, seen), make([]byte, packet.ReceiptSize-packet.ObservedSize)...)
				}
				w.client.send(wire.Reliable, "x")
				time.Sleep(time.Second)
				home := w.server.l.Remote()
				from := tt.from
				if !from.IsValid() {
					from = home
				}
				r := newRecord(w.net)
				probe := w.capture(r, func() { w.client.say(tt.body) })
				w.net.Inject(from, w.addr, probe.p)
				time.Sleep(100 * time.Millisecond)
				sent := sentTo(r.take(), from)
				bytes := 0
				for _, p := range sent {
					bytes += len(p.p)
				}
				if len(sent) != tt.bound || from == attacker && bytes > len(probe.p) {
					t.Errorf("%d bytes are answered by %d in %d packets", len(probe.p), bytes, len(sent))
				}
				if from == home { // the client has opened it
					return
				}
				answers := w.bounds(sent)
				if len(answers) != tt.bound {
					t.Errorf("%d answers", len(answers))
				}
				for _, m := range answers {
					if seen, err := packet.ParseObserved(m.Receipt.Append(nil)); m.Observed != from || seen != from || err != nil {
						t.Errorf("seen at %v, with a receipt for %v, %v; it came from %v", m.Observed, seen, err, from)
					}
				}
				if w.server.l.roam != nil || w.server.l.Remote() != home {
					t.Error("it proposed the address")
				}
			})
		})
	}
}

// A Bind beside a message does not add to what may go to an address that is not
// proven.
func TestBindKeepsToTheBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		r := newRecord(w.net)
		body := packet.AppendFrame(bindPacket(2, 0), packet.FrameControl, nil)
		got, sent := 0, 0
		for range 20 {
			p := w.capture(r, func() { w.client.say(packet.Pad(body, 156-packet.Overhead)) })
			for range 20 { // in flight, and lost
				w.server.put(wire.Reliable, make([]byte, 300))
			}
			w.server.s.Flush()
			w.net.Inject(attacker, w.addr, p.p)
			got += len(p.p)
			time.Sleep(60 * time.Millisecond)
			for _, p := range sentTo(r.take(), attacker) {
				sent += len(p.p)
			}
			if sent > challengeBudget*got {
				t.Fatalf("%d bytes for %d", sent, got)
			}
		}
		if sent < 2*got {
			t.Errorf("%d bytes for %d: the test shows nothing", sent, got)
		}
	})
}

// A Bind does not propose an address at the second socket, nor anything else
// that comes there.
func TestSecondSocketMovesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		second, err := w.net.Host("203.0.113.2").ListenPacket(0)
		if err != nil {
			t.Fatal(err)
		}
		w.server.e.StartSecond(udp.New(second), func([]byte, netip.AddrPort, time.Time) []byte { return nil })
		at := second.AddrPort()
		r := newRecord(w.net)
		for _, size := range []int{0, 96} { // the first one is shorter than its answer
			bind := w.capture(r, func() { w.client.say(bindPacket(1, size)) })
			w.net.Inject(attacker, at, bind.p)
		}
		other := w.capture(r, func() { w.client.send(wire.Unreliable, "x") })
		w.net.Inject(attacker, at, other.p)
		time.Sleep(100 * time.Millisecond)
		answers := sentTo(r.take(), attacker)
		if len(answers) != 1 || answers[0].from != at || len(answers[0].p) > 96 {
			t.Errorf("answers: %v", answers)
		}
		if w.server.l.roam != nil || w.server.s.Counts().Moves.Load() != 0 || len(w.server.in.of(wire.Unreliable)) != 0 {
			t.Error("it had another effect")
		}
	})
}
