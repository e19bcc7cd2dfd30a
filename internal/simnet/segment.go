package simnet

import (
	"fmt"
	"net/netip"
	"time"
)

// packet is a datagram under way. Its data are shared by copies of it and never
// written to.
type packet struct {
	src, dst netip.AddrPort
	data     []byte
}

// node is what is attached to segments: a host, or a router to two of them.
type node interface {
	// receiveLocked takes a datagram that has arrived from a segment.
	receiveLocked(at time.Time, p packet, from *segment)
	// linkAddr is the address that names the node's link to use for a datagram
	// to or from addr.
	linkAddr(addr netip.Addr) netip.Addr
}

// segment is a network whose nodes reach each other directly: the public one, or
// a router's LAN. Net and Router embed theirs.
type segment struct {
	// Set once.
	net    *Net
	router *Router // the way to everywhere else; nil for the public segment
	id     uint64

	// Owned by net.mu.
	attached map[netip.Addr]node
	links    map[direction]Link
	cuts     map[direction]bool
	paths    map[direction]*path
}

func newSegment(n *Net, r *Router) *segment {
	return &segment{
		net:      n,
		router:   r,
		attached: map[netip.Addr]node{},
		links:    map[direction]Link{},
		cuts:     map[direction]bool{},
		paths:    map[direction]*path{},
	}
}

// SetLink sets both directions of the link between two nodes of this segment; a
// zero Addr stands for all, and the more exact setting counts. Nodes go by their
// addresses, a host with several has links of their own for each; a router goes
// by its outer address, inside too. It panics if a setting makes no sense.
func (s *segment) SetLink(a, b netip.Addr, l Link) {
	s.setLink(l, direction{a, b}, direction{b, a})
}

// SetOneWay is SetLink for one direction.
func (s *segment) SetOneWay(from, to netip.Addr, l Link) { s.setLink(l, direction{from, to}) }

func (s *segment) setLink(l Link, ds ...direction) {
	if err := l.validate(); err != nil {
		panic(err)
	}
	s.net.change(func() {
		for _, d := range ds {
			s.links[d.unmap()] = l.withDefaults()
		}
	})
}

// Cut ends all traffic between two nodes of this segment until Heal; a zero Addr
// stands for all. Datagrams are lost, streams wait. Settings are kept.
func (s *segment) Cut(a, b netip.Addr) { s.setCut(true, direction{a, b}, direction{b, a}) }

// CutOneWay is Cut for one direction.
func (s *segment) CutOneWay(from, to netip.Addr) { s.setCut(true, direction{from, to}) }

// Heal undoes Cut and CutOneWay of the same addresses.
func (s *segment) Heal(a, b netip.Addr) { s.setCut(false, direction{a, b}, direction{b, a}) }

func (s *segment) setCut(cut bool, ds ...direction) {
	s.net.change(func() {
		for _, d := range ds {
			if cut {
				s.cuts[d.unmap()] = true
			} else {
				delete(s.cuts, d.unmap())
			}
		}
	})
}

func (d direction) unmap() direction { return direction{d.from.Unmap(), d.to.Unmap()} }

// settings are the keys a direction is set by, the most exact first.
func (d direction) settings() [4]direction {
	return [4]direction{d, {from: d.from}, {to: d.to}, {}}
}

func (s *segment) linkLocked(d direction) Link {
	for _, k := range d.settings() {
		if l, ok := s.links[k]; ok {
			return l
		}
	}
	return Link{}
}

func (s *segment) cutLocked(d direction) bool {
	for _, k := range d.settings() {
		if s.cuts[k] {
			return true
		}
	}
	return false
}

func (s *segment) pathLocked(d direction) *path {
	p := s.paths[d]
	if p == nil {
		p = newPath(s.net.seed, s.id, d)
		s.paths[d] = p
	}
	return p
}

// nextLocked is the node to hand what goes to addr: the one that has it, else
// the way out, else nil.
func (s *segment) nextLocked(addr netip.Addr) node {
	if d := s.attached[addr]; d != nil {
		return d
	}
	if s.router != nil {
		return s.router
	}
	return nil
}

// forwardLocked sends a datagram on from one of the segment's nodes.
func (s *segment) forwardLocked(at time.Time, p packet, from netip.Addr) {
	next := s.nextLocked(p.dst.Addr())
	if next == nil {
		s.net.counts.lose(LostNoRoute)
		return
	}
	d := direction{from, next.linkAddr(p.dst.Addr())}
	if s.cutLocked(d) {
		s.net.counts.lose(LostCut)
		return
	}
	out := s.pathLocked(d).pass(s.linkLocked(d), at, p.data)
	if out.lost != none {
		s.net.counts.lose(out.lost)
		return
	}
	if out.corrupted {
		s.net.counts.corrupted++
	}
	p.data = out.data
	for i, at := range out.arrivals {
		if at.IsZero() {
			break
		}
		s.net.counts.duplicated += i
		s.net.pushLocked(&event{at: at, datagram: true, do: func(at time.Time) { next.receiveLocked(at, p, s) }})
	}
}

// attachLocked gives a node an address of the segment.
func (s *segment) attachLocked(addr netip.Addr, d node) {
	if s.attached[addr] != nil {
		panic(fmt.Sprintf("simnet: %v is taken", addr))
	}
	s.attached[addr] = d
}
