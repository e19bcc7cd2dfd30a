package simnet

import (
	"net/netip"
	"slices"
	"time"
)

// hop is one link of the way of a stream.
type hop struct {
	segment *segment
	direction
}

// lane is one direction of a stream's way. What is sent on it arrives in order
// and is never lost: a cut delays it.
type lane struct {
	net    *Net
	hops   []hop
	last   time.Time         // arrival of what was sent last
	parked []func(time.Time) // what waits for a cut to heal, oldest first
}

// sendLocked has do called at the other end when its time has come.
func (l *lane) sendLocked(at time.Time, do func(at time.Time)) {
	if !l.cutLocked() { // and nothing is parked: what heals a cut retries at once
		l.passLocked(at, do)
		return
	}
	if len(l.parked) == 0 {
		l.net.parked = append(l.net.parked, l)
	}
	l.parked = append(l.parked, do)
}

func (l *lane) passLocked(at time.Time, do func(at time.Time)) {
	for _, h := range l.hops {
		at = at.Add(h.segment.linkLocked(h.direction).Delay)
	}
	if at.Before(l.last) {
		at = l.last
	}
	l.last = at
	l.net.pushLocked(&event{at: at, do: do})
}

func (l *lane) cutLocked() bool {
	return slices.ContainsFunc(l.hops, func(h hop) bool { return h.segment.cutLocked(h.direction) })
}

// back is the lane of the other direction.
func (l *lane) back() *lane {
	b := &lane{net: l.net}
	for _, h := range slices.Backward(l.hops) {
		b.hops = append(b.hops, hop{h.segment, direction{h.to, h.from}})
	}
	return b
}

// retryLocked sends what no cut stops any more.
func (n *Net) retryLocked(at time.Time) {
	n.parked = slices.DeleteFunc(n.parked, func(l *lane) bool {
		if l.cutLocked() {
			return false
		}
		for _, do := range l.parked {
			l.passLocked(at, do)
		}
		l.parked = nil
		return true
	})
}

// routeLocked is the way of a stream from a host to an address: the lane there, the
// source as the other end sees it, and the host at the end. The host is nil if
// nobody there accepts streams: a router, or what is behind one.
func (h *Host) routeLocked(local, to netip.AddrPort) (l *lane, src netip.AddrPort, target *Host, ok bool) {
	l, src = &lane{net: h.net}, local
	s, from := h.segment, local.Addr()
	for {
		next := s.nextLocked(to.Addr())
		if next == nil {
			return nil, src, nil, false
		}
		d := direction{from, next.linkAddr(to.Addr())}
		l.hops = append(l.hops, hop{s, d})
		if target, ok = next.(*Host); ok {
			return l, src, target, true
		}
		r := next.(*Router)
		if r != s.router || to.Addr() == r.wan {
			return l, src, nil, true
		}
		if r.table.translates(src.Addr()) {
			src = netip.AddrPortFrom(r.wan, r.nextStreamPortLocked())
		}
		s, from = r.up, r.wan
	}
}
