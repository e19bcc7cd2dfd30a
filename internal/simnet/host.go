package simnet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// Host is a computer with addresses.
type Host struct {
	// Set once.
	net     *Net
	segment *segment
	addrs   []netip.Addr
	id      uint64

	// Owned by net.mu.
	rng     *rand.Rand // of ports
	packets map[netip.AddrPort]*PacketConn
	streams map[netip.AddrPort]socket // listeners, and dials for as long as their streams live
}

// Host attaches a host with at least one address, of either family or both. It
// panics if one is none, or taken. An address the router does not translate has
// to be public and can be reached from outside as far as the NAT's filter lets.
func (s *segment) Host(addrs ...string) *Host {
	h := &Host{
		net:     s.net,
		segment: s,
		packets: map[netip.AddrPort]*PacketConn{},
		streams: map[netip.AddrPort]socket{},
	}
	for _, a := range addrs {
		h.addrs = append(h.addrs, netip.MustParseAddr(a).Unmap())
	}
	if len(addrs) == 0 {
		panic("simnet: a host without addresses")
	}
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for _, a := range h.addrs {
		s.attachLocked(a, h)
		s.router.announceLocked(a)
	}
	s.net.nodes++
	h.id = s.net.nodes
	h.rng = rand.New(rand.NewPCG(s.net.seed, h.id))
	return h
}

// Addr is the host's first address.
func (h *Host) Addr() netip.Addr { return h.addrs[0] }

// Addrs are all of the host's addresses.
func (h *Host) Addrs() []netip.Addr { return slices.Clone(h.addrs) }

func (h *Host) linkAddr(addr netip.Addr) netip.Addr { return addr }

func (h *Host) receiveLocked(_ time.Time, p packet, _ *segment) {
	c := h.packets[p.dst]
	if c == nil {
		c = h.packets[wildcard(p.dst.Port())]
	}
	if c == nil {
		h.net.counts.lose(LostNoListener)
		return
	}
	if !c.enqueueLocked(p) {
		h.net.counts.lose(LostInbox)
		return
	}
	h.net.counts.delivered++
}

// source is the address to send from to a remote one, the first of its
// family; false if the host has none.
func (h *Host) source(remote netip.Addr) (netip.Addr, bool) {
	i := slices.IndexFunc(h.addrs, func(a netip.Addr) bool { return a.Is4() == remote.Is4() })
	if i < 0 {
		return netip.Addr{}, false
	}
	return h.addrs[i], true
}

// wildcard is the key of sockets that are bound to all addresses.
func wildcard(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.Addr{}, port) }

// rank is the rank of what a socket sends that is bound to an address.
func (h *Host) rank(kind uint64, local netip.AddrPort) uint64 {
	return rank(kind, h.id, uint64(slices.Index(h.addrs, local.Addr())+1), local.Port())
}

// bind finds a port for a new socket: the one asked for, or a free ephemeral one
// if that is 0.
func bind[S any](h *Host, open map[netip.AddrPort]S, local netip.AddrPort) (netip.AddrPort, error) {
	if h.net.closed {
		return local, net.ErrClosed
	}
	if local.Addr().IsValid() && !slices.Contains(h.addrs, local.Addr()) {
		return local, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	free := func(a netip.AddrPort) bool {
		rivals := []netip.Addr{{}, a.Addr()}
		if !a.Addr().IsValid() {
			rivals = append(rivals, h.addrs...)
		}
		return !slices.ContainsFunc(rivals, func(r netip.Addr) bool {
			_, taken := open[netip.AddrPortFrom(r, a.Port())]
			return taken
		})
	}
	if local.Port() != 0 {
		if !free(local) {
			return local, os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
		return local, nil
	}
	const first, count = 32768, 28232
	start := h.rng.IntN(count)
	for i := range count {
		if a := netip.AddrPortFrom(local.Addr(), uint16(first+(start+i)%count)); free(a) {
			return a, nil
		}
	}
	return local, fmt.Errorf("no free port: %w", syscall.EADDRINUSE)
}
