package link

import (
	"net/netip"
	"slices"
)

// Mapping is how an end's NAT gives its socket outer ports, as far as the server
// could tell.
type Mapping uint8

const (
	Unknown     Mapping = iota
	Independent         // one outer port for all destinations, or no NAT
	Sequential          // another port for each destination, Delta after the one before
	Random              // another port for each destination
	Blocked             // no UDP
)

func (m Mapping) String() string {
	return [...]string{"unknown", "independent", "sequential", "random", "blocked"}[min(m, Blocked)]
}

// Info is what the server tells of an end.
type Info struct {
	Host      []netip.AddrPort // addresses of its own, with the socket's port
	Reflexive []netip.AddrPort // those the server has seen and proven, the newest IPv4 first

	Mapping Mapping
	Last    uint16 // newest outer port of a Sequential mapping: each attempt uses some up, so only a Start with a fresh one predicts well
	Delta   int    // and its step

	SamePublic bool // both ends have the same public address, so private ones may be near
	Birthday   bool // the end allows it
}

// class is what paths are ordered by before their round trip times.
type class uint8

const (
	classLAN class = iota
	classIPv6
	classIPv4
)

var shared = netip.MustParsePrefix("100.64.0.0/10") // of carriers' NATs, RFC 6598

// Near reports whether an address means something in one network only.
func Near(a netip.Addr) bool { return a.IsPrivate() || shared.Contains(a) }

func classOf(a netip.Addr) class {
	switch {
	case Near(a) || a.IsLoopback():
		return classLAN
	case a.Is4():
		return classIPv4
	}
	return classIPv6
}

// unmap makes addresses comparable: dual-stack sockets report IPv4 in IPv6.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// usable reports whether probes may go to an address at all.
func (l *Link) usable(a netip.AddrPort) bool {
	ip := a.Addr()
	switch {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || a.Port() < 1024,
		ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 240),
		ip.IsLoopback() && !l.cfg.Loopback:
		return false
	}
	return !slices.ContainsFunc(l.self.Host, func(own netip.AddrPort) bool { return unmap(own) == a }) &&
		!slices.ContainsFunc(l.self.Reflexive, func(own netip.AddrPort) bool { return unmap(own) == a })
}

// near reports whether the peer's private addresses may be in our network: the
// server says so, or it is in there itself and sees us both.
func (l *Link) near() bool {
	return l.peer.SamePublic || slices.ContainsFunc(l.self.Reflexive, func(a netip.AddrPort) bool { return Near(unmap(a).Addr()) })
}

// candidates lists the addresses to try, predicted ones first: with a sequential
// NAT of our own each new destination takes the next port, so our i-th probe has
// to be the one to the peer's i-th port.
func (l *Link) candidates() []netip.AddrPort {
	var all []netip.AddrPort
	for _, told := range slices.Concat(l.peer.Host, l.peer.Reflexive) {
		a := unmap(told)
		if l.usable(a) && (!Near(a.Addr()) || l.near()) && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b netip.AddrPort) int { return int(classOf(a.Addr())) - int(classOf(b.Addr())) })
	all = all[:min(len(all), l.cfg.MaxCandidates)]
	var first []netip.AddrPort
	if public, ok := l.public(); ok && l.peer.Mapping == Sequential && l.peer.Delta != 0 {
		for i := range l.cfg.Predict {
			port := int(l.peer.Last) + (i+1)*l.peer.Delta
			if port < 1024 || port > 65535 {
				break
			}
			if a := netip.AddrPortFrom(public.Addr(), uint16(port)); l.usable(a) {
				first = append(first, a)
			}
		}
	}
	for _, a := range all {
		if !slices.Contains(first, a) {
			first = append(first, a)
		}
	}
	return first
}

// public is the peer's address outside of its NAT, whose ports may be guessed.
func (l *Link) public() (netip.AddrPort, bool) {
	for _, told := range l.peer.Reflexive {
		if a := unmap(told); a.Addr().Is4() && l.usable(a) && (!Near(a.Addr()) || l.near()) {
			return a, true
		}
	}
	return netip.AddrPort{}, false
}

// possible reports whether trying makes sense: both ends have UDP.
func (l *Link) possible() bool { return l.self.Mapping != Blocked && l.peer.Mapping != Blocked }
