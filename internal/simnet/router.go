package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Router joins a LAN, its own segment, to the segment it is attached to, and
// translates between them. Hosts and more routers can be attached to the LAN.
type Router struct {
	*segment

	// Set once.
	wan netip.Addr
	up  *segment

	// Owned by net.mu.
	table      *table
	streamPort uint16 // outer port of the stream dialled last
}

// Router attaches a router with one outer address. It panics if the address is
// none or taken, or if there is no such NAT.
func (s *segment) Router(wan string, c NAT) *Router {
	if err := c.validate(); err != nil {
		panic(err)
	}
	r := &Router{wan: netip.MustParseAddr(wan).Unmap(), up: s}
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.attachLocked(r.wan, r)
	s.net.nodes++
	rng := rand.New(rand.NewPCG(s.net.seed, s.net.nodes))
	r.table = newTable(c.withDefaults(), r.wan, rng)
	r.streamPort = 1024 + uint16(rng.IntN(50000))
	r.segment = newSegment(s.net, r)
	r.segment.id = s.net.nodes
	return r
}

// Addr is the outer address.
func (r *Router) Addr() netip.Addr { return r.wan }

// SetNAT changes how the router behaves. Flows it knows live on.
func (r *Router) SetNAT(c NAT) {
	if err := c.validate(); err != nil {
		panic(err)
	}
	r.net.change(func() { r.table.nat = c.withDefaults() })
}

// NAT is how the router behaves, defaults filled in.
func (r *Router) NAT() (c NAT) {
	r.net.change(func() { c = r.table.nat })
	return c
}

// Flush forgets all mappings, as a restart does: preserved ports come back.
func (r *Router) Flush() { r.net.change(r.table.flush) }

// Rebind forgets all mappings, and new ones have ports that were not in use
// since the last Rebind, whatever the kind of NAT.
func (r *Router) Rebind() { r.net.change(r.table.rebind) }

// Mappings is the number of live mappings.
func (r *Router) Mappings() (n int) {
	r.net.change(func() { n = r.table.size(time.Now()) })
	return n
}

func (r *Router) linkAddr(netip.Addr) netip.Addr { return r.wan }

func (r *Router) receiveLocked(at time.Time, p packet, from *segment) {
	switch {
	case r.table.nat.Blocked:
		r.net.counts.lose(LostBlocked)
	case from == r.segment:
		r.outLocked(at, p)
	default:
		r.inLocked(at, p)
	}
}

// outLocked passes a datagram from inside on.
func (r *Router) outLocked(at time.Time, p packet) {
	hairpin := p.dst.Addr() == r.wan
	if hairpin && r.table.nat.Hairpin == HairpinNone {
		r.net.counts.lose(LostNoHairpin)
		return
	}
	outer, lost := r.table.out(p.src, p.dst, at)
	if lost != none {
		r.net.counts.lose(lost)
		return
	}
	if !hairpin {
		p.src = outer
		r.up.forwardLocked(at, p, r.wan)
		return
	}
	inner, lost := r.table.in(outer, p.dst, at)
	if lost != none {
		r.net.counts.lose(lost)
		return
	}
	if p.dst = inner; r.table.nat.Hairpin == HairpinExternal {
		p.src = outer
	}
	r.forwardLocked(at, p, r.wan)
}

// inLocked passes a datagram from outside on.
func (r *Router) inLocked(at time.Time, p packet) {
	inner, lost := r.table.in(p.src, p.dst, at)
	if lost != none {
		r.net.counts.lose(lost)
		return
	}
	p.dst = inner
	r.forwardLocked(at, p, r.wan)
}

// announceLocked makes an address that is routed, not translated, known outside.
func (r *Router) announceLocked(addr netip.Addr) {
	if r == nil || r.table.translates(addr) {
		return
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		panic(fmt.Sprintf("simnet: %v cannot be routed to", addr))
	}
	r.up.attachLocked(addr, r)
	r.up.router.announceLocked(addr)
}

// nextStreamPortLocked is the outer source port of a stream from inside.
func (r *Router) nextStreamPortLocked() uint16 {
	r.streamPort = max(1024, r.streamPort+1)
	return r.streamPort
}
