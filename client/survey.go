package client

import (
	"context"
	"crypto/rand"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// survey finds out how this client's NAT maps its socket (RFC 4787, section 4.1):
// the server says where it sees that from each of two ports. Direct paths through
// NATs that give every destination another port depend on it.
type survey struct {
	busy   atomic.Bool       // candidates are told when it is over
	look   chan struct{}     // holds a token when it is due
	bounds chan packet.Bound // answers

	mu     sync.Mutex
	host   string // of the second port; "" is the first one's
	second uint16 // 0: there is none
	found  place
	opened int // destinations that the NAT had given ports to by then
}

// place is where the socket is seen.
type place struct {
	mapping link.Mapping
	seen    [2]netip.AddrPort // from the server's two ports
}

// inquiries are the pauses after each time of asking.
var inquiries = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}

// maxDelta is the largest step of a NAT that counts.
const maxDelta = 8

func (s *survey) init() {
	s.look, s.bounds = make(chan struct{}, 1), make(chan packet.Bound, 2*len(inquiries))
}

// at says where the server's second port is.
func (s *survey) at(dg *wirepb.Datagrams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host, s.second = dg.SecondHost, uint16(dg.SecondPort)
}

// bound takes an answer.
func (s *survey) bound(m packet.Bound) {
	select {
	case s.bounds <- m:
	default: // nobody asks so much
	}
}

// due has it begin: the socket, or the way to the server, is another.
func (s *survey) due() {
	s.busy.Store(true)
	wake(s.look)
}

// keepSurveying surveys when it is due.
func (c *Client) keepSurveying(ctx context.Context) {
	s := &c.survey
	for {
		select {
		case <-s.look:
		case <-ctx.Done():
			return
		}
		found := c.inquire(ctx)
		opened := c.pairs.opened()
		s.mu.Lock()
		if found != s.found { // else the ports have been given before
			s.found, s.opened = found, opened
		}
		s.mu.Unlock()
		s.busy.Store(false)
		if c.cfg.OnGroup != nil && c.session.Datagrams() { // there will be pairs
			c.tellCandidates()
		}
	}
}

// inquire asks both ports until both have answered.
func (c *Client) inquire(ctx context.Context) (p place) {
	ports, ok := c.ports(ctx)
	if !ok || c.cfg.OnGroup == nil || c.cfg.RelayOnly { // there will be no pairs
		return place{}
	}
	var nonces [2][8]byte
	for i := range nonces {
		rand.Read(nonces[i][:]) // never fails
	}
	for _, pause := range inquiries {
		for i, to := range ports {
			if !p.seen[i].IsValid() {
				c.session.Bind(nonces[i], to)
			}
		}
		over := time.NewTimer(pause)
		for waiting := true; waiting; {
			select {
			case m := <-c.survey.bounds:
				for i := range nonces {
					if m.Nonce == nonces[i] {
						p.seen[i] = m.Observed
					}
				}
				if p.seen[0].IsValid() && p.seen[1].IsValid() {
					over.Stop()
					p.mapping = mapping(p.seen)
					return p
				}
			case <-over.C:
				waiting = false
			case <-ctx.Done():
				over.Stop()
				return place{}
			}
		}
	}
	return p
}

// ports are the server's two.
func (c *Client) ports(ctx context.Context) (ports [2]netip.AddrPort, ok bool) {
	s := &c.survey
	s.mu.Lock()
	host, second := s.host, s.second
	s.mu.Unlock()
	first := c.session.Observed()
	if second == 0 || !first.IsValid() {
		return ports, false
	}
	ports = [2]netip.AddrPort{first, netip.AddrPortFrom(first.Addr(), second)}
	if host == "" {
		return ports, true
	}
	addrs, err := c.cfg.find(ctx, host, second)
	if err != nil {
		return ports, false
	}
	for _, a := range addrs {
		if a.Addr().Is4() == first.Addr().Is4() {
			ports[1] = a
			return ports, true
		}
	}
	return ports, false
}

func mapping(seen [2]netip.AddrPort) link.Mapping {
	delta := int(seen[1].Port()) - int(seen[0].Port())
	switch {
	case seen[0] == seen[1]:
		return link.Independent
	case seen[0].Addr() == seen[1].Addr() && max(delta, -delta) <= maxDelta:
		return link.Sequential
	}
	return link.Random
}

// whereabouts is what has been found, with the port that a Sequential NAT has
// given out last: each destination that has been probed since took one.
func (c *Client) whereabouts() (p place, last, delta int) {
	opened := c.pairs.opened()
	s := &c.survey
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.found
	if p.mapping == link.Sequential {
		delta = int(p.seen[1].Port()) - int(p.seen[0].Port())
		last = int(p.seen[1].Port()) + delta*(opened-s.opened)
	}
	return p, last, delta
}
