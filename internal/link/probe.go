package link

import (
	"net/netip"
	"time"
)

// probe is one that may still be answered.
type probe struct {
	nonce [8]byte
	to    netip.AddrPort
	sent  time.Time
}

// probes is a ring of them, the oldest overwritten. It grows while young ones
// would be, to what one attempt needs at most.
type probes struct {
	ring []probe // a zero sent marks what is used up
	next int
}

const (
	probesLeast = 32
	probesMost  = 2048
)

func (r *probes) add(p probe) {
	if len(r.ring) == 0 {
		r.ring = make([]probe, probesLeast)
	}
	if old := r.ring[r.next]; len(r.ring) < probesMost && !old.sent.IsZero() && p.sent.Sub(old.sent) < probeLife {
		grown := make([]probe, 2*len(r.ring))
		n := copy(grown, r.ring[r.next:])
		n += copy(grown[n:], r.ring[:r.next])
		r.ring, r.next = grown, n
	}
	r.ring[r.next] = p
	r.next = (r.next + 1) % len(r.ring)
}

// take finds a nonce and uses it up.
func (r *probes) take(now time.Time, nonce [8]byte) (probe, bool) {
	for i := range r.ring {
		if p := r.ring[i]; p.nonce == nonce && !p.sent.IsZero() {
			r.ring[i] = probe{}
			return p, now.Sub(p.sent) <= probeLife
		}
	}
	return probe{}, false
}

func (r *probes) clear() { *r = probes{} }

// try sends a probe by a path.
func (l *Link) try(now time.Time, p *path, send Sender) {
	p.sent++
	if !p.opened {
		p.opened = true
		l.stats.Opened++
	}
	l.probe(now, p.addr, send)
}

// probe sends one to an address. A refused one counts as lost.
func (l *Link) probe(now time.Time, to netip.AddrPort, send Sender) {
	n := l.nonce()
	if !send(to, n) {
		l.stats.Refused++
		return
	}
	l.stats.Probes++
	l.probed = now
	l.probes.add(probe{n, to, now})
}
