package client

import (
	"net"
	"net/netip"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// self is what this client knows of where it is.
func (c *Client) self() link.Info {
	at, _, _ := c.whereabouts()
	info := link.Info{Host: c.hosts(), Mapping: at.mapping}
	if at.seen[0].IsValid() {
		info.Reflexive = at.seen[:1]
	}
	return info
}

// hosts are the addresses of this machine with the socket's port.
func (c *Client) hosts() (out []netip.AddrPort) {
	p := c.port.Load()
	if p == nil {
		return nil
	}
	at := p.End.LocalAddr()
	if !at.Addr().IsUnspecified() {
		return []netip.AddrPort{at}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		if ip = ip.Unmap(); !ip.IsLinkLocalUnicast() && (!ip.IsLoopback() || c.loopback()) && len(out) < 8 {
			out = append(out, netip.AddrPortFrom(ip, at.Port()))
		}
	}
	return out
}

// loopback reports whether the server is on this machine: so may be the others.
func (c *Client) loopback() bool { return c.session.RemoteAddr().Addr().IsLoopback() }

// tellCandidates tells the server where this client may be reached, as soon as it
// knows.
func (c *Client) tellCandidates() {
	if c.survey.busy.Load() {
		return
	}
	at, last, delta := c.whereabouts()
	m := &wirepb.Candidates{RelayOnly: c.cfg.RelayOnly, Mapping: uint32(at.mapping), Birthday: c.cfg.Birthday}
	if 0 < last && last <= 65535 {
		m.Last, m.Delta = uint32(last), int32(delta)
	}
	if !m.RelayOnly {
		for _, h := range c.hosts() {
			m.Hosts = append(m.Hosts, packet.AppendObserved(nil, h))
		}
	}
	c.flush(c.session.PutMessage(wire.KindCandidates, m)) // an error says that the session is ending
}

func addresses(list [][]byte) (out []netip.AddrPort) {
	for _, b := range list {
		if a, err := packet.ParseObserved(b); err == nil {
			out = append(out, a)
		}
	}
	return out
}
