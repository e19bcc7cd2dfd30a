package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// kernelBuffer is what the kernel is asked to hold each way: a server's second
// of bad luck with the scheduler.
const kernelBuffer = 4 << 20

// patience is how long a Write in all waits for a kernel whose buffer is full.
// A burst to many peers passes in that time; what has to wait longer is no news
// any more when it arrives, and reliable channels send again.
const patience = 4 * time.Millisecond

// Errors in a row that Read takes without a pause, and the pauses after them.
const (
	manyFaults = 16
	firstPause = time.Millisecond
	lastPause  = 64 * time.Millisecond
)

// Socket reads and writes datagrams in batches. Its methods may be called from
// any goroutine, Read and Write from one each.
type Socket struct {
	pc    net.PacketConn
	port  port
	local netip.AddrPort
	counts

	closed chan struct{}
	close  func() error
}

// port is how a Socket reaches its network. Both methods count what they lose.
type port interface {
	// read waits for a datagram and takes what more is there. With neither
	// datagram nor error it has read something that is of no use.
	read(ms []Message) (int, error)
	// write returns how many of ms the network took.
	write(ms []Message) int
}

// Listen opens a socket at "host:port". ":port" is every address of the machine,
// IPv4 and IPv6 alike; a host in IPv4, "0.0.0.0" too, is IPv4 only.
func Listen(address string) (*Socket, error) {
	network := "udp"
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "udp4" // "udp" would take 0.0.0.0 for both
		}
	}
	pc, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	return New(pc), nil
}

// New makes a Socket of any net.PacketConn and takes it over. A *net.UDPConn has
// its kernel buffers enlarged and, on Linux, is read and written in batches; one
// that is connected writes to its other end whatever Message.Addr says.
//
// Of other types the methods ReadFromUDPAddrPort and WriteToUDPAddrPort are used
// where both are there: a wrapper that embeds a *net.UDPConn has to override
// these too. Their writes wait as long as they like.
func New(pc net.PacketConn) *Socket {
	s := &Socket{pc: pc, local: addrPort(pc.LocalAddr()), closed: make(chan struct{})}
	s.close = sync.OnceValue(func() error {
		close(s.closed)
		return s.pc.Close()
	})
	c, isUDP := pc.(*net.UDPConn)
	if isUDP {
		enlarge(c.SetReadBuffer)
		enlarge(c.SetWriteBuffer)
		if s.port = batched(c, &s.counts); s.port != nil {
			return s
		}
	}
	s.port = plain(pc, &s.counts)
	return s
}

// enlarge asks for less where the system refuses instead of giving what it can.
func enlarge(set func(int) error) {
	for size := kernelBuffer; size >= 1<<18 && set(size) != nil; size /= 2 {
	}
}

// Read waits for a datagram and takes with it those that have come, up to
// len(ms). It returns net.ErrClosed once the Socket is closed, and no other
// error: the rest are counted, and reading goes on. A datagram longer than its
// Buf is dropped and counted as a fault too, where the system tells.
func (s *Socket) Read(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	for row := 0; ; {
		n, err := s.port.read(ms)
		switch {
		case s.isClosed() || errors.Is(err, net.ErrClosed):
			return 0, net.ErrClosed
		case err != nil:
			s.faults.Add(1)
			row++
			s.pause(row - manyFaults)
		case n > 0:
			s.in.Add(uint64(n))
			s.batchesIn.Add(1)
			return n, nil
		}
	}
}

func (s *Socket) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// pause waits after an error: the longer, the more there were beyond many.
func (s *Socket) pause(beyond int) {
	if beyond <= 0 {
		return
	}
	t := time.NewTimer(min(firstPause<<min(beyond-1, 10), lastPause))
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closed:
	}
}

// Write sends ms and returns how many the system took. What it refuses (no
// buffers, no route, a firewall's rule, too long) is dropped and counted, and
// the others go on. When its buffer is full, Write waits for room 4 ms in all,
// twice that without batches, and then drops the rest.
func (s *Socket) Write(ms []Message) int {
	if len(ms) == 0 {
		return 0
	}
	sent := s.port.write(ms)
	if sent > 0 {
		s.out.Add(uint64(sent))
		s.batchesOut.Add(1)
	}
	if sent < len(ms) {
		s.dropped.Add(uint64(len(ms) - sent))
	}
	return sent
}

// LocalAddr is the address that the socket is bound to.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket and wakes Read. Later calls return what the first did.
func (s *Socket) Close() error { return s.close() }
