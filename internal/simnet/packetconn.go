package simnet

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	inboxSize   = 256 << 10
	perDatagram = 256   // what one takes of an inbox besides its bytes
	maxDatagram = 65507 // UDP's
)

// PacketConn is a UDP socket. It behaves as a [net.UDPConn] does, but addresses
// are never IPv4 in IPv6.
type PacketConn struct {
	// Set once.
	host  *Host
	bound netip.AddrPort // without address: to all of them
	rank  uint64

	// Owned by host.net.mu.
	ready   *sync.Cond // the inbox, a deadline or closed has changed
	inbox   []packet
	held    int // of inbox
	limit   int // on held
	readBy  deadline
	writeBy deadline
	closed  bool
}

// ListenPacket opens a UDP socket on all of the host's addresses. Port 0 picks a
// free one. It sends from the host's first address of the receiver's family.
func (h *Host) ListenPacket(port uint16) (*PacketConn, error) {
	return h.listenPacket(wildcard(port))
}

// ListenPacketAt opens a UDP socket on one of the host's addresses.
func (h *Host) ListenPacketAt(local netip.AddrPort) (*PacketConn, error) {
	return h.listenPacket(unmap(local))
}

func (h *Host) listenPacket(local netip.AddrPort) (*PacketConn, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	bound, err := bind(h, h.packets, local)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	c := &PacketConn{
		host: h, bound: bound, rank: h.rank(kindPacket, bound),
		ready: sync.NewCond(&n.mu), limit: inboxSize,
	}
	h.packets[bound] = c
	n.sockets[c] = struct{}{}
	return c, nil
}

// Sockets is how many UDP sockets are open.
func (h *Host) Sockets() int {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return len(h.packets)
}

// AddrPort is the local address; of several, the host's first.
func (c *PacketConn) AddrPort() netip.AddrPort {
	if c.bound.Addr().IsValid() {
		return c.bound
	}
	return netip.AddrPortFrom(c.host.Addr(), c.bound.Port())
}

// LocalAddr is AddrPort as a *net.UDPAddr.
func (c *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.AddrPort()) }

// ReadFrom receives a datagram; what p is too short for is lost.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is ReadFrom without an allocation for the address.
func (c *PacketConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, netip.AddrPort{}, c.fail("read", nil, net.ErrClosed)
		case c.readBy.passedLocked():
			return 0, netip.AddrPort{}, c.fail("read", nil, os.ErrDeadlineExceeded)
		case len(c.inbox) > 0:
			first := c.inbox[0]
			c.inbox[0] = packet{}
			c.inbox = c.inbox[1:]
			c.held -= len(first.data) + perDatagram
			return copy(p, first.data), first.src, nil
		}
		c.ready.Wait()
	}
}

// WriteTo sends a datagram to a *net.UDPAddr. It never blocks.
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok || u == nil {
		return 0, c.fail("write", to, syscall.EINVAL)
	}
	return c.WriteToUDPAddrPort(p, u.AddrPort())
}

// WriteToUDPAddrPort is WriteTo without an allocation for the address.
func (c *PacketConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	to = unmap(to)
	if err := c.sendLocked(p, to); err != nil {
		return 0, c.fail("write", net.UDPAddrFromAddrPort(to), err)
	}
	return len(p), nil
}

func (c *PacketConn) sendLocked(p []byte, to netip.AddrPort) error {
	src := c.bound
	var ok bool
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeBy.passedLocked():
		return os.ErrDeadlineExceeded
	case !to.Addr().IsValid() || to.Port() == 0:
		return syscall.EINVAL
	case len(p) > maxDatagram:
		return syscall.EMSGSIZE
	case src.Addr().IsValid():
		ok = src.Addr().Is4() == to.Addr().Is4()
	default:
		var addr netip.Addr
		addr, ok = c.host.source(to.Addr())
		src = netip.AddrPortFrom(addr, src.Port())
	}
	if !ok {
		return fmt.Errorf("no address of the family of %v: %w", to.Addr(), syscall.ENETUNREACH)
	}
	c.host.net.departLocked(c.rank, packet{src: src, dst: to, data: bytes.Clone(p)}, c.host.segment, src.Addr())
	return nil
}

func (c *PacketConn) fail(op string, to net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: to, Err: err}
}

// enqueueLocked takes a datagram that has arrived, false if there is no room.
func (c *PacketConn) enqueueLocked(p packet) bool {
	size := len(p.data) + perDatagram
	if c.held+size > c.limit {
		return false
	}
	c.inbox = append(c.inbox, p)
	c.held += size
	c.ready.Broadcast()
	return true
}

// SetReadBuffer sets how much may wait to be read before datagrams are lost. It
// is 256 KiB at first; each datagram takes 256 bytes besides its own.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	return c.update("set", func() { c.limit = bytes })
}

// SetWriteBuffer does nothing: writes never wait.
func (c *PacketConn) SetWriteBuffer(int) error { return c.update("set", func() {}) }

// SetDeadline sets both deadlines.
func (c *PacketConn) SetDeadline(t time.Time) error {
	return c.update("set", func() { c.readBy.setLocked(t, c.ready); c.writeBy.setLocked(t, c.ready) })
}

// SetReadDeadline ends reads with os.ErrDeadlineExceeded from t on; the zero
// Time means never.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	return c.update("set", func() { c.readBy.setLocked(t, c.ready) })
}

// SetWriteDeadline does so with writes.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	return c.update("set", func() { c.writeBy.setLocked(t, c.ready) })
}

// Close ends all reads with net.ErrClosed. What was sent travels on.
func (c *PacketConn) Close() error { return c.update("close", c.shutLocked) }

// update does f unless the socket is closed.
func (c *PacketConn) update(op string, f func()) error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	if c.closed {
		return c.fail(op, nil, net.ErrClosed)
	}
	f()
	return nil
}

func (c *PacketConn) shutLocked() {
	c.closed = true
	c.inbox = nil
	c.readBy.stopLocked()
	c.writeBy.stopLocked()
	delete(c.host.packets, c.bound)
	delete(c.host.net.sockets, c)
	c.ready.Broadcast()
}
