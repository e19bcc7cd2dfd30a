package groups

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

// inPairs is inBubble with bots that may have pairs.
func inPairs(t *testing.T, f func(t *testing.T, w *world)) {
	inBubble(t, func(t *testing.T, w *world) {
		w.paired = true
		f(t, w)
	})
}

// sealed is a packet as the server takes it for one of a pair's.
func sealed(n int) []byte { return make([]byte, max(n, packet.Overhead)) }

// relay has the server relay a packet.
func (b *bot) relay(slot uint32, c wire.Class, p []byte) {
	body := append(binary.BigEndian.AppendUint32(nil, slot), byte(c))
	b.send(wire.KindRelay, append(body, p...))
}

func (b *bot) tell(k wire.Kind, m proto.Message) {
	frame, err := wire.MarshalFrame(nil, k, m)
	b.check(err)
	b.out <- frame
}

func (b *bot) slotOf(o *bot) uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.pairs) - 1; i >= 0; i-- {
		if wire.ID(b.pairs[i].Member) == o.id() {
			return b.pairs[i].Slot
		}
	}
	b.w.t.Fatalf("bot %v has no pair with %v", b.id(), o.id())
	return 0
}

func (b *bot) count(f func() int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return f()
}

func (b *bot) relays() int  { return b.count(func() int { return len(b.relayed) }) }
func (b *bot) punched() int { return b.count(func() int { return len(b.punches) }) }

func (b *bot) words() []*wirepb.Punch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*wirepb.Punch(nil), b.punches...)
}

func (w *world) pairs() *pairs { return &homeOf(w.sys).pairs }

// left fails unless there are n pairs, and as many slots as that makes.
func (w *world) left(n int, bots ...*bot) {
	w.t.Helper()
	ps := w.pairs()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.pairs) != n {
		w.t.Errorf("%d pairs are left, want %d", len(ps.pairs), n)
	}
	slots := 0
	for _, b := range bots {
		if sd, ok := b.peer.Session().Pairer().(*side); ok {
			slots += len(sd.slots)
		}
	}
	if slots != 2*n {
		w.t.Errorf("%d slots are left of %d pairs", slots, n)
	}
}

// What is relayed goes to the other end of a living pair, and nowhere else.
func TestForgedRelaySlots(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(4)
		a, b, c, d := bots[0], bots[1], bots[2], bots[3]
		g := w.ready(Options{}, a, b)
		w.ready(Options{}, c, d)
		w.ready(Options{}, d, a) // d's slots are 1 and 2
		late := func() uint64 { return c.peer.Session().Counts().Late.Load() }
		for slot := range uint32(70) {
			if slot != c.slotOf(d) {
				c.relay(slot, wire.ClassReliable, sealed(100))
			}
		}
		c.relay(^uint32(0), 3, sealed(1100))
		w.settle()
		if n := a.relays() + b.relays() + c.relays() + d.relays(); n != 0 {
			t.Errorf("%d packets for slots that are not the sender's were relayed", n)
		}
		if late() != 70 {
			t.Errorf("%d of 70 were counted", late())
		}
		c.relay(c.slotOf(d), wire.ClassUnreliable, sealed(100))
		a.relay(a.slotOf(b), wire.ClassReliable, sealed(100))
		w.settle()
		if a.relays() != 0 || b.relays() != 1 || c.relays() != 0 || d.relays() != 1 {
			t.Errorf("of two good ones came %d, %d, %d and %d", a.relays(), b.relays(), c.relays(), d.relays())
		}
		if got := uint32(d.count(func() int { return int(binary.BigEndian.Uint32(d.relayed[0])) })); got != d.slotOf(c) {
			t.Errorf("it came by slot %d, which is %d at that end", got, d.slotOf(c))
		}
		slot := a.slotOf(b)
		g.Leave(b.peer)
		w.settle()
		before := a.peer.Session().Counts().Late.Load()
		a.relay(slot, wire.ClassReliable, sealed(100))
		w.settle()
		if b.relays() != 1 || a.peer.Session().Counts().Late.Load() != before+1 {
			t.Error("a packet was relayed after the end of its pair, or not counted")
		}
		c.relay(1, wire.ClassReliable, sealed(0)[:packet.Overhead-1])
		w.settle()
		if c.closeCode() != wire.CodeProtocol {
			t.Errorf("who relays what is no packet is closed with %v", c.closeCode())
		}
	})
}

// A pair lasts as long as its ends share a group that has pairs, however the
// groups end; with the last one both are told at once.
func TestPairIsCountedOverGroups(t *testing.T) {
	ends := map[string]func(g *Group, b *bot){
		"leave":      func(g *Group, b *bot) { g.Leave(b.peer) },
		"kick":       func(g *Group, b *bot) { g.Kick(b.peer, "") },
		"destroy":    func(g *Group, b *bot) { g.Destroy() },
		"disconnect": func(g *Group, b *bot) { b.end() },
		"panic":      func(g *Group, b *bot) { g.ref.Force(setCall{set: wire.Params{}}); g.ref.Kill() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inPairs(t, func(t *testing.T, w *world) {
				bots := w.crowd(3)
				a, b, c := bots[0], bots[1], bots[2]
				one := w.ready(Options{KeepEmpty: true}, a, b)
				two := w.ready(Options{KeepEmpty: true}, a, b, c)
				w.ready(Options{KeepEmpty: true, Quiet: true}, a, b)
				w.left(3, bots...)
				slot := a.slotOf(b)
				one.Leave(b.peer)
				w.settle()
				w.left(3, bots...)
				a.relay(slot, wire.ClassReliable, sealed(64))
				w.settle()
				if b.relays() != 1 {
					t.Error("the pair of two groups ended with one of them")
				}
				begun := time.Now()
				end(two, b)
				w.settle()
				if took := time.Since(begun); took > 100*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				rest := map[string]int{"destroy": 0, "panic": 0}
				want, ok := rest[name]
				if !ok {
					want = 1 // a and c
				}
				w.left(want, bots...)
				a.relay(slot, wire.ClassReliable, sealed(64))
				w.settle()
				if b.relays() != 1 {
					t.Error("a packet was relayed after the end")
				}
				if n := a.count(func() int { return len(a.unpaired) }); n != 2-want {
					t.Errorf("one end was told of %d ends", n)
				}
				if name == "disconnect" {
					return
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				if len(b.unpaired) != 2 {
					t.Errorf("the other end was told of %v", b.unpaired)
				}
			})
		})
	}
}

// Slots are not used again in a session, not by its next group either.
func TestSlotsAreNotUsedAgain(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		used := make(map[uint32]bool)
		for range 20 {
			g := w.ready(Options{}, bots...)
			if slot := bots[0].slotOf(bots[1]); used[slot] {
				t.Fatalf("slot %d is used again", slot)
			} else {
				used[slot] = true
			}
			g.Destroy()
			w.settle()
		}
	})
}

// Members come and go, or are cut off, at random: nothing of their pairs stays.
func TestPairsLeaveNothing(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		r := rand.New(rand.NewPCG(1, 2))
		bots := w.crowd(8)
		all := append([]*bot(nil), bots...)
		gs := make([]*Group, 4)
		for i := range gs {
			gs[i] = w.ready(Options{KeepEmpty: true})
		}
		for n := range 1000 {
			g, k := gs[r.IntN(len(gs))], r.IntN(len(bots))
			b := bots[k]
			switch {
			case n%50 == 49: // while it has much to do
				for _, g := range gs {
					g.Join(b.peer, nil)
				}
				b.end()
				bots[k] = w.bot()
				all = append(all, bots[k])
			case g.Has(b.id()):
				g.Leave(b.peer)
			default:
				g.Join(b.peer, nil)
			}
			if n%7 == 0 {
				w.settle()
			}
		}
		w.settle()
		shared := 0
		for i, a := range bots {
			for _, b := range bots[:i] {
				for _, g := range gs {
					if g.Has(a.id()) && g.Has(b.id()) {
						shared++
						break
					}
				}
			}
		}
		if shared == 0 {
			t.Error("nobody shares a group at the end")
		}
		w.left(shared, all...)
		for i, b := range bots {
			if i%2 == 0 {
				b.end()
				continue
			}
			for _, g := range gs {
				g.Leave(b.peer)
			}
		}
		w.settle()
		w.left(0, all...)
	})
}

// Who has more relayed than may be loses it, and nobody else does.
func TestRelayBudgets(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(3)
		a, b, c := bots[0], bots[1], bots[2]
		w.ready(Options{}, bots...)
		slot := a.slotOf(b)
		a.pour(2000, slot, wire.ClassReliable)
		if n := b.relays(); n != 512 {
			t.Errorf("%d packets at once were relayed, want 512", n)
		}
		time.Sleep(time.Second)
		a.pour(2000, slot, wire.ClassReliable)
		if n := b.relays(); n != 512+256 {
			t.Errorf("%d packets a second later, want 768", n)
		}
		if n := a.peer.Session().Counts().Refused.Load(); n != 4000-768 {
			t.Errorf("%d were counted", n)
		}
		c.pour(300, c.slotOf(b), wire.ClassUnreliable) // the others have their own
		b.pour(300, b.slotOf(a), wire.ClassUnreliable)
		if b.relays() != 768+300 || a.relays() != 300 {
			t.Errorf("%d and %d packets of others were relayed, want 300 each", b.relays()-768, a.relays())
		}
		time.Sleep(5 * time.Second) // all is refilled
		before := b.relays()
		a.pour(512, slot, wire.ClassUnreliable)
		if n := b.relays() - before; n != 384 {
			t.Errorf("%d unreliable packets were relayed, want three quarters of 512", n)
		}
		before = b.relays()
		a.pour(512, slot, wire.ClassReliable)
		if n := b.relays() - before; n != 128 {
			t.Errorf("%d reliable ones behind them, want the last quarter", n)
		}
	})
}

// pour has packets relayed, no faster than a pipe takes them.
func (b *bot) pour(n int, slot uint32, c wire.Class) {
	for i := range n {
		b.relay(slot, c, sealed(30))
		if i%32 == 31 {
			b.w.settle()
		}
	}
	b.w.settle()
}

// Bytes are bounded as packets are: 1 MiB at once, 512 KiB a second.
func TestRelayBudgetOfBytes(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		w.ready(Options{}, bots...)
		bytes := 0
		for range 20 {
			for range 128 {
				a.relay(a.slotOf(b), wire.ClassReliable, sealed(packet.MaxSize))
			}
			time.Sleep(250 * time.Millisecond)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.relayed {
			bytes += len(p)
		}
		if most := 1<<20 + 5*512<<10 + packet.MaxSize; bytes > most || bytes < most/2 {
			t.Errorf("%d bytes in 5 s, at most %d", bytes, most)
		}
		t.Logf("%d bytes of %d packets", bytes, len(b.relayed))
	})
}

// see has the server see bots at an address.
func (w *world) see(at func(s *session.Session) string) {
	w.pairs().observed = func(s *session.Session) netip.AddrPort { return netip.MustParseAddrPort(at(s)) }
}

func apart(s *session.Session) string   { return fmt.Sprintf("198.51.100.%d:4000", s.ID()%200+1) }
func behindOne(*session.Session) string { return "198.51.100.7:4000" }

func hosts(addrs ...string) *wirepb.Candidates {
	m := &wirepb.Candidates{}
	for _, a := range addrs {
		m.Hosts = append(m.Hosts, packet.AppendObserved(nil, netip.MustParseAddrPort(a)))
	}
	return m
}

// Whatever an end says, a pair is told to look for a path at most once a second
// where there is news of an end, else once in the time that an attempt takes; the
// last word is not lost.
func TestPunchSpam(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		w.see(apart)
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		w.ready(Options{}, bots...)
		slot := a.slotOf(b)
		a.tell(wire.KindCandidates, hosts())
		a.tell(wire.KindPairPath, &wirepb.PairPath{Slot: slot, Punch: true})
		w.settle()
		if a.punched()+b.punched() != 0 {
			t.Fatal("an end that has not told its candidates is looked for")
		}
		b.tell(wire.KindCandidates, hosts())
		w.settle()
		if a.punched() != 1 || b.punched() != 1 {
			t.Fatalf("%d and %d words, want 1", a.punched(), b.punched())
		}
		spam := func(c func(i int) *wirepb.Candidates, least, most int) {
			before := a.punched()
			for i := range 300 {
				a.tell(wire.KindPairPath, &wirepb.PairPath{Slot: slot, Punch: true, State: uint32(i % 2)})
				b.tell(wire.KindCandidates, c(i))
				a.tell(wire.KindPairPath, &wirepb.PairPath{Slot: slot + 1, Punch: true, State: 1}) // there is none
				time.Sleep(time.Second / 30)
			}
			if n := a.punched() - before; n < least || n > most {
				t.Errorf("%d words in 10 s, want %d to %d", n, least, most)
			}
		}
		spam(func(int) *wirepb.Candidates { return hosts() }, 1, 2)
		spam(func(i int) *wirepb.Candidates { return &wirepb.Candidates{Mapping: 2, Last: uint32(i)} }, 2, 3)
		spam(func(i int) *wirepb.Candidates { return &wirepb.Candidates{Mapping: uint32(i % 2)} }, 9, 11)
		a.mu.Lock()
		for i, m := range a.punches {
			if m.Attempt != uint32(i+1) {
				t.Errorf("attempt %d is told as number %d", i+1, m.Attempt)
			}
		}
		a.mu.Unlock()
		time.Sleep(5 * time.Second)
		n := a.punched()
		b.tell(wire.KindCandidates, hosts("[2600::1]:4000"))
		b.tell(wire.KindCandidates, hosts("[2600:0:0:1::1]:4000"))
		time.Sleep(2 * time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		last := a.punches[len(a.punches)-1]
		if len(a.punches) != n+2 || len(last.Peer.Hosts) != 1 {
			t.Errorf("%d words for two changes, the last with %d candidates", len(a.punches)-n, len(last.Peer.Hosts))
		}
	})
}

// Who is direct meanwhile need not look any more.
func TestNoPunchForTheDirect(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		w.see(apart)
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		w.ready(Options{PunchAtJoin: true}, bots...)
		a.tell(wire.KindCandidates, hosts())
		b.tell(wire.KindCandidates, hosts())
		time.Sleep(2 * time.Second)
		a.tell(wire.KindPairPath, &wirepb.PairPath{Slot: a.slotOf(b), State: 1, Punch: true})
		time.Sleep(time.Second)
		for _, e := range [][2]*bot{{a, b}, {b, a}} {
			e[0].tell(wire.KindPairPath, &wirepb.PairPath{Slot: e[0].slotOf(e[1]), State: 2})
		}
		time.Sleep(10 * time.Second)
		if n := a.punched(); n != 1 {
			t.Errorf("they were told %d times", n)
		}
	})
}

// An owner is told of a path that flaps four times a second, not as often as an
// end says so, and last what is so.
func TestPathSpam(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(2)
		a, b := bots[0], bots[1]
		w.ready(Options{}, bots...)
		b.tell(wire.KindPairPath, &wirepb.PairPath{Slot: b.slotOf(a), State: 2})
		for n := range 1001 {
			a.tell(wire.KindPairPath, &wirepb.PairPath{Slot: a.slotOf(b), State: uint32(2 - n%2)})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		var told []bool
		for _, e := range w.events() {
			if e, ok := e.(PathChanged); ok {
				told = append(told, e.Direct)
			}
		}
		if len(told) < 1 || len(told) > 6 || !told[len(told)-1] {
			t.Errorf("the owner was told %v", told)
		}
	})
}

// What may not be a client's address is not handed out.
func TestCandidatesHandedOut(t *testing.T) {
	const public = "198.51.100.7:4000"
	tests := []struct {
		addr        string
		apart, same bool
	}{
		{"192.168.0.2:4000", false, true},
		{"10.1.2.3:4000", false, true},
		{"100.64.1.2:4000", false, true},
		{"[fd00::1]:4000", false, true},
		{"[2600::1]:4000", true, true},
		{"[::ffff:192.168.0.3]:4000", false, true},
		{"203.0.113.9:4000", false, false},
		{public, false, false}, // it goes beside them
		{"192.168.0.2:1023", false, false},
		{"[2600::1]:53", false, false},
		{"127.0.0.1:4000", false, false},
		{"[::1]:4000", false, false},
		{"0.0.0.0:4000", false, false},
		{"[::]:4000", false, false},
		{"224.0.0.251:5353", false, false},
		{"239.1.1.1:4000", false, false},
		{"[ff02::1]:4000", false, false},
		{"[ff0e::1]:4000", false, false},
		{"169.254.169.254:4000", false, false},
		{"[fe80::1]:4000", false, false},
		{"255.255.255.255:4000", false, false},
		{"[64:ff9b::cb00:7109]:4000", false, false},
		{"[2002:cb00:7109::1]:4000", false, false},
		{"[2001:0:1:2::1]:4000", false, false},
	}
	seen := netip.MustParseAddrPort(public)
	for _, tt := range tests {
		for _, same := range []bool{false, true} {
			want := tt.apart
			if same {
				want = tt.same
			}
			out, _ := new(pairs).candidates(&side{cand: hosts(tt.addr)}, seen, same, time.Unix(1e9, 0))
			if got := len(out.Hosts) == 1; got != want {
				t.Errorf("%s, same %v: handed out %v", tt.addr, same, got)
			}
		}
	}
	for _, h := range [][]byte{nil, make([]byte, 17), append(hosts("[2600::1]:4000").Hosts[0], 0)} {
		if out, _ := new(pairs).candidates(&side{cand: &wirepb.Candidates{Hosts: [][]byte{h}}}, seen, true, time.Unix(1e9, 0)); len(out.Hosts) != 0 {
			t.Errorf("%x is no address", h)
		}
	}
	many := hosts("[2600::1]:4000", "[2600::2]:4000", "[2600:0:0:2::1]:4000", "[2600:0:0:3::1]:4000", "[2600:0:0:4::1]:4000")
	if out, _ := new(pairs).candidates(&side{cand: many}, seen, false, time.Unix(1e9, 0)); len(out.Hosts) > maxGlobal {
		t.Errorf("%d public addresses are handed out", len(out.Hosts))
	}
}

// A forged address is handed out once in 10 s, over all pairs and clients that
// name it or one of its network: one attempt's 30 probes of 64 bytes go there.
func TestForgedAddressIsHandedOutSeldom(t *testing.T) {
	for name, addr := range map[string]string{"global": "[2600::9]:4000", "private": "192.168.0.9:4000"} {
		t.Run(name, func(t *testing.T) {
			inPairs(t, func(t *testing.T, w *world) {
				w.see(behindOne)
				bots := w.crowd(8)
				w.ready(Options{PunchAtJoin: true}, bots...)
				begun := time.Now()
				for range 60 {
					for i, b := range bots {
						m := hosts(addr)
						if name == "global" {
							m = hosts(fmt.Sprintf("[2600::%d]:400%d", i+1, i))
						}
						b.tell(wire.KindCandidates, m)
					}
					time.Sleep(time.Second)
				}
				told := 0
				for _, b := range bots {
					b.mu.Lock()
					for _, p := range b.punches {
						told += len(p.Peer.Hosts)
					}
					b.mu.Unlock()
				}
				if most := int(time.Since(begun)/probeAgain) + 1; told == 0 || told > most {
					t.Errorf("it was handed out %d times in a minute, at most %d", told, most)
				}
				t.Logf("handed out %d times in %v", told, time.Since(begun))
			})
		})
	}
}

// An address in a client's own network that somebody there has reached it at is
// known to be the client's: the others there are told at once. One that the client
// has not named, or that is not in its network, nobody vouches for.
func TestReachedAddressIsHandedOut(t *testing.T) {
	for at, want := range map[string]int{"192.168.0.9:4000": 7, "192.168.0.8:4000": 1, "[2600::9]:4000": 1} {
		t.Run(at, func(t *testing.T) {
			inPairs(t, func(t *testing.T, w *world) {
				w.see(behindOne)
				bots := w.crowd(8)
				named, rest := bots[0], bots[1:]
				w.ready(Options{PunchAtJoin: true}, bots...)
				for _, b := range rest {
					b.tell(wire.KindCandidates, hosts())
				}
				addr := at
				if at == "192.168.0.8:4000" {
					addr = "192.168.0.9:4000"
				}
				named.tell(wire.KindCandidates, hosts(addr))
				w.settle()
				told := func() (n int) {
					for _, b := range rest {
						for _, p := range b.words() {
							n += min(1, len(p.Peer.Hosts))
						}
					}
					return n
				}
				if n := told(); n != 1 {
					t.Fatalf("it was handed out %d times before anybody was there", n)
				}
				m := &wirepb.PairPath{Slot: rest[3].slotOf(named), State: 2, At: packet.AppendObserved(nil, netip.MustParseAddrPort(at))}
				rest[3].tell(wire.KindPairPath, m)
				w.settle()
				if n := told(); n != want {
					t.Errorf("it was handed out %d times then, want %d", n, want)
				}
			})
		})
	}
}

// Where a group or an end wants the relay alone nobody is told an address; a
// second group that allows it makes the difference, for the pair.
func TestRelayOnlyTellsNothing(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		w.see(apart)
		bots := w.crowd(3)
		a, b, c := bots[0], bots[1], bots[2]
		w.ready(Options{RelayOnly: true, PunchAtJoin: true}, bots...)
		say := func() {
			for i, x := range bots {
				x.tell(wire.KindCandidates, &wirepb.Candidates{RelayOnly: x == c})
				for j, y := range bots {
					if i != j {
						x.tell(wire.KindPairPath, &wirepb.PairPath{Slot: x.slotOf(y), Punch: true})
					}
				}
			}
			time.Sleep(2 * time.Second)
		}
		say()
		if n := a.punched() + b.punched() + c.punched(); n != 0 {
			t.Fatalf("%d words in a group that only relays", n)
		}
		g := w.ready(Options{}, bots...)
		w.settle()
		if a.punched() != 1 || b.punched() != 1 {
			t.Errorf("%d and %d words in a group that allows it, want what was asked for before", a.punched(), b.punched())
		}
		say()
		if c.punched() != 0 {
			t.Error("a client that only relays is told others' addresses")
		}
		for _, p := range append(a.words(), b.words()...) {
			if addr, _ := packet.ParseObserved(p.Reflexive[0]); addr == netip.MustParseAddrPort(apart(c.peer.Session())) {
				t.Error("others are told the address of a client that only relays")
			}
		}
		g.Destroy()
		w.settle()
		n := a.punched()
		say()
		if a.punched() != n {
			t.Error("a word when the only group left only relays")
		}
	})
}

// Who is told of a member has the pair by then, the one who joins too: what it
// says first goes the way that the rest will go.
func TestPairsComeBeforeTheJoin(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(3)
		g := w.ready(Options{}, bots[:2]...)
		must(t, g.Join(bots[2].peer, nil))
		w.settle()
		for i, want := range []string{"pair; 1 joined 2; pair; 2 joined 1", "pair; 1 joined 2; pair; 2 joined 1", "pair; pair; 2 joined 3"} {
			if got := strings.Join(bots[i].takeLog(), "; "); got != want {
				t.Errorf("bot %d was told %s, want %s", i, got, want)
			}
		}
	})
}

// Pairs are not made in groups that are too large, or Quiet, nor with peers that
// do not speak UDP.
func TestWhoHasPairs(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		bots := w.crowd(maxPaired)
		g := w.ready(Options{}, bots...)
		w.left(maxPaired*(maxPaired-1)/2, bots...)
		last := w.bot()
		must(t, g.Join(last.peer, nil))
		w.settle()
		w.left(maxPaired*(maxPaired-1)/2, bots...)
		g.Destroy()
		w.settle()
		w.left(0, bots...)
		w.ready(Options{Quiet: true}, bots[:3]...)
		w.left(0, bots...)
		w.paired = false
		stream := w.bot()
		w.ready(Options{}, stream, bots[0])
		w.left(0, bots...)
	})
}

// What a client told before its first pair is known when that comes about; what is
// no candidates is as if it had not been told.
func TestCandidatesBeforeThePair(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		w.see(apart)
		bots := w.crowd(3)
		a, b, c := bots[0], bots[1], bots[2]
		for _, bot := range bots[:2] {
			bot.tell(wire.KindCandidates, hosts())
		}
		c.send(wire.KindCandidates, []byte{0xFF})
		w.settle()
		w.ready(Options{PunchAtJoin: true}, bots...)
		if a.punched() != 1 || b.punched() != 1 || c.punched() != 0 {
			t.Errorf("%d, %d and %d words at the join, want 1, 1 and 0", a.punched(), b.punched(), c.punched())
		}
		c.tell(wire.KindCandidates, hosts())
		w.settle()
		if a.punched() != 2 || b.punched() != 2 || c.punched() != 2 {
			t.Errorf("%d, %d and %d words then, want 2 each", a.punched(), b.punched(), c.punched())
		}
	})
}
