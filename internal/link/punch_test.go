package link

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestRounds(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(6 * time.Second)
	var want []time.Duration
	for _, at := range []time.Duration{0, 10, 30, 60, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 1000} {
		want = append(want, at*ms)
	}
	for at := 1250 * ms; at < 5*time.Second; at += 250 * ms {
		want = append(want, at)
	}
	var got []time.Duration
	for _, p := range r.sent {
		got = append(got, p.at)
	}
	if !slices.Equal(got, want) {
		t.Errorf("rounds at %v, want %v", got, want)
	}
	r.want("relayed-punching started", "punching-relayed gave up")
}

func TestBackoff(t *testing.T) {
	starts := func(own Mapping) (at []time.Duration) {
		r := newRig(t, Config{}, Info{Mapping: own})
		r.Start(r.clock(), far(), 0)
		r.run(20 * time.Minute)
		for _, e := range r.events {
			if e.To == Punching {
				at = append(at, e.At.Sub(r.start))
			}
		}
		return at
	}
	s := time.Second
	if got, want := starts(Unknown), []time.Duration{0, 20 * s, 85 * s, 390 * s, 695 * s, 1000 * s}; !slices.Equal(got, want) {
		t.Errorf("attempts at %v, want %v", got, want)
	}
	last := 4750 * ms // round of an attempt
	if got, want := starts(Independent), []time.Duration{0, last + 35*s, last + 35*s + 65*s}; !slices.Equal(got[:3], want) {
		t.Errorf("where they should have met, attempts at %v, want %v", got, want)
	}
}

func TestStartWaits(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 70*ms)
	r.run(69 * ms)
	if len(r.sent) > 0 || r.State() != Punching {
		t.Fatalf("%d probes, %v", len(r.sent), r.State())
	}
	r.run(70 * ms)
	if len(r.sent) != 1 {
		t.Fatalf("%d probes", len(r.sent))
	}
}

func TestOwnNonceMakesDirect(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(40 * ms)
	r.Answered(r.clock(), [8]byte{1}, netip.AddrPort{})
	if r.step(); r.State() != Punching || r.Stats().Strange != 1 {
		t.Fatalf("a strange nonce: %v, %+v", r.State(), r.Stats())
	}
	r.Challenged(r.clock(), farAddr)
	if r.step(); r.State() != Punching {
		t.Fatalf("a probe of the peer: %v", r.State())
	}
	n := r.sent[0].nonce
	r.Answered(r.clock(), n, addr("198.51.100.9:9999"))
	r.step()
	r.want("relayed-punching started", "punching-direct echoed")
	e := r.events[1]
	if to, direct, relay := r.Route(); to != farAddr || !direct || relay || e.Path != farAddr || e.RTT != 40*ms || e.At != r.clock() {
		t.Errorf("route %v %v %v, event %+v", to, direct, relay, e)
	}
	r.Answered(r.clock(), n, netip.AddrPort{})
	if r.Stats().Strange != 2 || r.Stats().Echoes != 1 {
		t.Errorf("a nonce counts once: %+v", r.Stats())
	}
	if want := addr("198.51.100.9:9999"); r.Observed() != want {
		t.Errorf("observed at %v, want %v", r.Observed(), want)
	}
}

func TestLateNonceProvesNothing(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(probeLife + ms)
	r.Answered(r.clock(), r.sent[0].nonce, netip.AddrPort{})
	if r.step(); r.State() != Relayed {
		t.Errorf("%v", r.State())
	}
}

// The nonce of a probe to an address proves that one, also if it was learned from
// the peer.
func TestPeerReflexive(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(5 * ms)
	other := addr("203.0.113.5:7777")
	r.Challenged(r.clock(), addr("[::ffff:203.0.113.5]:7777"))
	r.run(6 * ms)
	if r.to(other, 0, 6*ms) != 1 {
		t.Fatalf("sent %v", r.sent)
	}
	r.answer(other)
	if to, direct, _ := r.Route(); to != other || !direct {
		t.Errorf("route %v %v", to, direct)
	}
}

// The trap: two NATs that map by destination and let everybody in show each other
// a new address with each packet.
func TestTriggeredProbesAreBounded(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(0)
	for i := range 3000 { // every ms, from 200 addresses
		r.run(time.Duration(i) * ms)
		r.Challenged(r.clock(), netip.AddrPortFrom(farAddr.Addr(), uint16(20000+i%200)))
		r.Challenged(r.clock(), addr("203.0.113.5:6000"))
	}
	count := map[netip.AddrPort]int{}
	last := map[netip.AddrPort]time.Duration{}
	for _, p := range r.sent {
		count[p.to]++
		last[p.to] = p.at
	}
	if len(count) > maxPaths {
		t.Errorf("%d addresses probed", len(count))
	}
	for a, n := range count {
		if n > 30 {
			t.Errorf("%d probes to %v", n, a)
		}
	}
	if n := len(r.sent); n > maxPaths*30 {
		t.Errorf("%d probes", n)
	}
	if n := r.to(addr("203.0.113.5:6000"), 0, 100*ms); n > 11 { // one in 20 ms, and the rounds
		t.Errorf("%d probes to an address in 100 ms", n)
	}
}

func TestUnusableAddressesAreNotLearned(t *testing.T) {
	r := newRig(t, Config{}, Info{Host: addrs("192.168.0.2:5000")})
	r.Start(r.clock(), Info{}, 0)
	for _, a := range addrs("127.0.0.1:5000", "192.168.0.2:5000", "203.0.113.5:53", "224.0.0.1:5000") {
		r.Challenged(r.clock(), a)
	}
	r.Challenged(r.clock(), netip.AddrPort{})
	if r.run(10 * time.Second); len(r.sent) > 0 {
		t.Errorf("sent %v", r.sent)
	}
}

func TestRefusedProbesAreNotRepeated(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.refuse = true
	r.Start(r.clock(), far(), 0)
	r.run(10 * time.Second)
	if n, s := len(r.sent), r.Stats(); n != 30 || s.Refused != 30 || s.Probes != 0 {
		t.Errorf("%d tries, %+v", n, s)
	}
	r.Answered(r.clock(), r.sent[29].nonce, netip.AddrPort{})
	if r.State() == Direct {
		t.Error("a nonce that was never sent proved a path")
	}
}

func TestLateStepSendsOneRound(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.now = 3 * time.Second
	r.step()
	r.step()
	if len(r.sent) != 1 {
		t.Errorf("%d probes", len(r.sent))
	}
}

func TestNearerPathIsTaken(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, then netip.AddrPort
		rtt         time.Duration // of the second; the first has 40 ms
		want        bool
	}{
		{"LAN", farAddr, addr("192.168.0.7:5000"), 90 * ms, true},
		{"IPv6", farAddr, addr("[2001:db8::1]:5000"), 90 * ms, true},
		{"IPv4 after IPv6", addr("[2001:db8::1]:5000"), farAddr, ms, false},
		{"hardly faster", farAddr, addr("203.0.113.5:5001"), 33 * ms, false},
		{"faster", farAddr, addr("203.0.113.5:5001"), 30 * ms, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{}, Info{})
			peer := Info{Reflexive: []netip.AddrPort{tt.first, tt.then}, SamePublic: true}
			r.Start(r.clock(), peer, 0)
			r.run(30 * ms)
			first, then := r.sentAt(0, tt.first), r.sentAt(30*ms, tt.then)
			if tt.rtt > 40*ms {
				then = r.sentAt(0, tt.then)
			}
			r.run(40 * ms)
			r.Answered(r.clock(), first, netip.AddrPort{})
			r.now = max(r.now, then0(tt.rtt))
			r.Answered(r.clock(), then, netip.AddrPort{})
			r.step()
			if to, _, _ := r.Route(); (to == tt.then) != tt.want {
				t.Errorf("route %v", to)
			}
		})
	}
}

// then0 is when an echo of the second path comes.
func then0(rtt time.Duration) time.Duration {
	if rtt > 40*ms {
		return rtt
	}
	return 30*ms + rtt
}

// sentAt is the nonce of a probe.
func (r *rig) sentAt(at time.Duration, to netip.AddrPort) [8]byte {
	for _, p := range r.sent {
		if p.at == at && p.to == to {
			return p.nonce
		}
	}
	r.t.Fatalf("nothing sent to %v at %v", to, at)
	return [8]byte{}
}

// With a path of our own, rounds go on for the peer's sake and for nearer paths.
func TestRoundsAfterDirect(t *testing.T) {
	lan, other := addr("192.168.0.7:5000"), addr("203.0.113.5:5001")
	peer := Info{Reflexive: []netip.AddrPort{farAddr, other}, Host: []netip.AddrPort{lan}, SamePublic: true}
	for _, tt := range []struct {
		name      string
		told      bool
		challenge time.Duration // every
		most      int           // probes to the path in use in 2 s besides pings every 15 s
		least     int
	}{
		{"peer says it has one", true, 10 * ms, 0, 0},
		{"peer is silent", false, 0, 8, 4},
		{"peer goes on probing", false, 50 * ms, 13, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{}, Info{})
			r.Start(r.clock(), peer, 0)
			r.run(40 * ms)
			r.answer(farAddr)
			if tt.told {
				r.PeerDirect()
			}
			r.step()
			if tt.challenge > 0 {
				for at := 40 * ms; at < 2*time.Second; at += tt.challenge {
					r.run(at)
					r.Challenged(r.clock(), farAddr)
				}
			}
			r.run(2 * time.Second)
			if n := r.to(farAddr, 41*ms, 2*time.Second); n > tt.most || n < tt.least {
				t.Errorf("%d probes to the path in use, want %d to %d", n, tt.least, tt.most)
			}
			if n := r.to(other, 41*ms, 2*time.Second); n > 0 {
				t.Errorf("%d to one that is no better", n)
			}
			if n := r.to(lan, 41*ms, 2*time.Second); n < 10 {
				t.Errorf("%d to one that is better", n)
			}
		})
	}
}

func TestLaterStartReplacesCandidates(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(500 * ms)
	moved := Info{Reflexive: addrs("203.0.113.5:6000")}
	r.Start(r.clock(), moved, 0)
	r.run(5 * time.Second)
	if n := r.to(farAddr, 501*ms, 5*time.Second); n > 0 {
		t.Errorf("%d probes to a candidate that is none any more", n)
	}
	if n := r.to(addr("203.0.113.5:6000"), 500*ms, 5*time.Second); n < 20 {
		t.Errorf("%d probes to the new one", n)
	}
	r.want("relayed-punching started")
}

func TestLaterStartLeavesPathInUse(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	r.echo(farAddr, 40*ms, time.Second)
	r.Start(r.clock(), Info{Reflexive: addrs("203.0.113.5:6000")}, 0)
	r.echo(farAddr, 40*ms, 20*time.Second)
	if to, direct, relay := r.Route(); to != farAddr || !direct || relay {
		t.Errorf("route %v %v %v", to, direct, relay)
	}
	if n := r.to(addr("203.0.113.5:6000"), 0, 20*time.Second); n != denseRounds {
		t.Errorf("%d probes to the new candidate, want %d", n, denseRounds)
	}
}

func TestInvited(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), far(), 0)
	r.run(10 * time.Second)
	r.Invited(r.clock())
	r.Invited(r.clock())
	r.step()
	r.want("relayed-punching started", "punching-relayed gave up", "relayed-punching invited")
	for range 100 { // no attempt while one runs, and back-off goes on
		r.Invited(r.clock())
		r.run(r.now + 10*ms)
	}
	if n := r.Stats().Attempts; n != 2 {
		t.Errorf("%d attempts", n)
	}
}

func TestNoUDPIsNotTried(t *testing.T) {
	for _, tt := range []struct{ self, peer Mapping }{{Blocked, Independent}, {Independent, Blocked}} {
		r := newRig(t, Config{}, Info{Mapping: tt.self})
		peer := far()
		peer.Mapping = tt.peer
		r.Start(r.clock(), peer, 0)
		r.Challenged(r.clock(), farAddr)
		r.Invited(r.clock())
		r.run(time.Hour)
		if len(r.sent) > 0 || len(r.events) > 0 || r.Stats().Attempts > 0 {
			t.Errorf("%v and %v: %v, %v", tt.self, tt.peer, r.sent, r.changes())
		}
	}
}

func TestStop(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	r.Stop(r.clock())
	r.step()
	if !r.Due().IsZero() {
		t.Errorf("due at %v", r.Due())
	}
	n := len(r.sent)
	r.Challenged(r.clock(), farAddr)
	r.Answered(r.clock(), r.sent[n-1].nonce, netip.AddrPort{})
	r.NetworkChanged(r.clock(), Info{})
	r.Invited(r.clock())
	r.Sent(r.clock())
	r.run(time.Hour)
	if len(r.sent) > n {
		t.Errorf("%d probes after Stop", len(r.sent)-n)
	}
	r.want("relayed-punching started", "punching-direct echoed", "direct-relayed stopped")
	r.direct(far()) // and again
}
