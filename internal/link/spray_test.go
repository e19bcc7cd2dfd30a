package link

import (
	"net/netip"
	"testing"
	"time"
)

func TestSpray(t *testing.T) {
	peer := Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Random, Birthday: true}
	for _, tt := range []struct {
		name string
		cfg  Config
		self Mapping
		peer func(*Info)
		want int
	}{
		{"both allow it", Config{Birthday: true}, Independent, func(*Info) {}, 2048},
		{"fewer", Config{Birthday: true, Spray: 100}, Independent, func(*Info) {}, 100},
		{"we do not", Config{}, Independent, func(*Info) {}, 0},
		{"the peer does not", Config{Birthday: true}, Independent, func(p *Info) { p.Birthday = false }, 0},
		{"the peer has one port", Config{Birthday: true}, Independent, func(p *Info) { p.Mapping = Independent }, 0},
		{"both random", Config{Birthday: true}, Random, func(*Info) {}, 0},
		{"class unknown", Config{Birthday: true}, Unknown, func(*Info) {}, 0},
		{"no IPv4", Config{Birthday: true}, Independent, func(p *Info) { p.Reflexive = addrs("[2001:db8::1]:5000") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.cfg, Info{Mapping: tt.self})
			p := peer
			tt.peer(&p)
			r.Start(r.clock(), p, 0)
			r.run(6 * time.Second)
			seen := map[netip.AddrPort]bool{}
			var first, last time.Duration
			n := 0
			for _, s := range r.sent {
				if s.to == p.Reflexive[0] {
					continue
				}
				if n++; n == 1 {
					first = s.at
				}
				if seen[s.to] || s.to.Addr() != p.Reflexive[0].Addr() || s.to.Port() < 1024 {
					t.Fatalf("probe to %v", s.to)
				}
				seen[s.to] = true
				last = s.at
			}
			if n > tt.want || n < tt.want-1 { // the reflexive port itself may be one
				t.Errorf("%d random ports, want %d", n, tt.want)
			}
			if n > 0 && (first < 700*ms || last-first < time.Duration(tt.want-2)*2*ms) {
				t.Errorf("from %v to %v", first, last)
			}
		})
	}
}

func TestSprayEndsWithPath(t *testing.T) {
	r := newRig(t, Config{Birthday: true}, Info{Mapping: Independent})
	r.Start(r.clock(), Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Random, Birthday: true}, 0)
	r.run(2 * time.Second)
	hit := r.sent[len(r.sent)-1]
	r.answer(hit.to)
	r.step()
	if to, direct, _ := r.Route(); to != hit.to || !direct {
		t.Fatalf("route %v %v", to, direct)
	}
	n := len(r.sent)
	r.PeerDirect()
	r.run(6 * time.Second)
	if got := len(r.sent) - n; got > 0 {
		t.Errorf("%d probes after", got)
	}
}

// A step that comes late does not make up for all it has missed.
func TestLateSpray(t *testing.T) {
	r := newRig(t, Config{Birthday: true}, Info{Mapping: Independent})
	r.Start(r.clock(), Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Random, Birthday: true}, 0)
	r.run(time.Second)
	n := len(r.sent)
	r.now = 3 * time.Second
	r.step()
	if got := len(r.sent) - n; got > sprayBurst+1 {
		t.Errorf("%d probes at once", got)
	}
}

func TestSocketsAreAskedFor(t *testing.T) {
	peer := Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Independent, Birthday: true}
	r := newRig(t, Config{Birthday: true}, Info{Mapping: Random})
	r.Start(r.clock(), peer, 0)
	r.run(699 * ms)
	if r.ask.Sockets != 0 {
		t.Fatalf("asked too early: %+v", r.ask)
	}
	r.run(700 * ms)
	if r.ask.Sockets != 256 || r.ask.Target != peer.Reflexive[0] {
		t.Fatalf("asked for %+v", r.ask)
	}
	r.ask = Output{}
	r.run(9 * time.Minute) // with attempts in between
	if r.ask.Sockets != 0 {
		t.Errorf("asked again: %+v", r.ask)
	}
	if r.run(20 * time.Minute); r.ask.Sockets != 256 {
		t.Errorf("never asked again")
	}
}
