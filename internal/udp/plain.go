package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// plainPort reads and writes one datagram at a time.
type plainPort struct {
	conn        conn
	counts      *counts
	setDeadline func(time.Time) error // nil where writes wait as long as they like
}

// conn is a net.PacketConn in terms of netip.
type conn interface {
	// receive reads one datagram. Where n > 0 beside an error, a datagram was
	// there, and is lost.
	receive(b []byte) (n int, from netip.AddrPort, err error)
	send(b []byte, to netip.AddrPort) error
}

func plain(pc net.PacketConn, counts *counts) port {
	switch c := pc.(type) {
	case *net.UDPConn:
		return &plainPort{udpConn{c, c.RemoteAddr() != nil}, counts, c.SetWriteDeadline}
	case addrPorter:
		return &plainPort{addrPortConn{c}, counts, nil}
	default:
		return &plainPort{packetConn{pc}, counts, nil}
	}
}

func (p *plainPort) read(ms []Message) (int, error) {
	m := &ms[0]
	n, from, err := p.conn.receive(m.Buf)
	switch {
	case err != nil && n > 0, err == nil && !from.IsValid():
		p.counts.faults.Add(1)
		return 0, nil
	case err != nil:
		return 0, err
	}
	m.N, m.Addr, m.Local = n, unmap(from), netip.Addr{}
	return 1, nil
}

func (p *plainPort) write(ms []Message) (sent int) {
	p.renew()
	for i := range ms {
		err := p.conn.send(ms[i].Buf, ms[i].Addr)
		if isLate(err) { // the kernel was full, or this program slow: only the former lasts
			p.renew()
			if err = p.conn.send(ms[i].Buf, ms[i].Addr); isLate(err) {
				return sent
			}
		}
		if err == nil {
			sent++
		}
	}
	return sent
}

func (p *plainPort) renew() {
	if p.setDeadline != nil {
		p.setDeadline(time.Now().Add(patience)) // fails only on a closed connection: sending does too
	}
}

func isLate(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

type udpConn struct {
	*net.UDPConn
	connected bool
}

func (c udpConn) receive(b []byte) (int, netip.AddrPort, error) {
	n, _, flags, from, err := c.ReadMsgUDPAddrPort(b, nil)
	if flags&truncated != 0 {
		from = netip.AddrPort{} // nothing to answer to
	}
	return n, from, err
}

func (c udpConn) send(b []byte, to netip.AddrPort) error {
	if c.connected {
		to = netip.AddrPort{} // the only one that package net accepts
	}
	_, _, err := c.WriteMsgUDPAddrPort(b, nil, to)
	return err
}

// addrPorter is implemented by what imitates a *net.UDPConn well.
type addrPorter interface {
	ReadFromUDPAddrPort(b []byte) (n int, addr netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
}

type addrPortConn struct{ addrPorter }

func (c addrPortConn) receive(b []byte) (int, netip.AddrPort, error) {
	return c.ReadFromUDPAddrPort(b)
}

func (c addrPortConn) send(b []byte, to netip.AddrPort) error {
	_, err := c.WriteToUDPAddrPort(b, to)
	return err
}

type packetConn struct{ net.PacketConn }

func (c packetConn) receive(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.ReadFrom(b)
	return n, addrPort(from), err
}

func (c packetConn) send(b []byte, to netip.AddrPort) error {
	_, err := c.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}
