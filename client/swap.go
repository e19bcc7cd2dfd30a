package client

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/session"
)

const (
	// readBuffer is room for what a server sends at once, see Limits.Pace.
	readBuffer = 1 << 20
	// brokenAfter is how long writing fails before another socket is tried: some
	// systems take sockets away with the network they were for.
	brokenAfter = time.Second
)

// swap is a net.PacketConn whose place another one can take, below whoever
// reads and writes.
type swap struct {
	// set once
	open   func(context.Context) (net.PacketConn, error)
	broken chan struct{} // holds a token when nothing has left for brokenAfter

	now     atomic.Pointer[lower]
	detours atomic.Pointer[[]*detour] // nil without any; never changed, only replaced
	failing time.Time                 // the first of the writes in a row that failed; the writer's

	mu     sync.Mutex
	closed bool
}

// lower is what carries datagrams for the time being.
type lower struct {
	net.PacketConn
	fast addrPorter // the same; nil where it is none
}

// addrPorter is what a *net.UDPConn has, and what imitates one well.
type addrPorter interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

// detour is a socket that one address is reached by.
type detour struct {
	to   netip.AddrPort
	pc   net.PacketConn
	over chan struct{} // closed when the network is another one
}

// detour has what goes to an address go by that socket.
func (s *swap) detour(to netip.AddrPort, pc net.PacketConn) *detour {
	d := &detour{to, pc, make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := append(s.around(), d)
	s.detours.Store(&list)
	return d
}

// around are the detours, to be changed.
func (s *swap) around() []*detour {
	if l := s.detours.Load(); l != nil {
		return slices.Clone(*l)
	}
	return nil
}

// rejoin ends a detour.
func (s *swap) rejoin(d *detour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(s.around(), func(o *detour) bool { return o == d })
	s.detours.Store(&list)
	if len(list) == 0 {
		s.detours.Store(nil)
	}
}

// newSwap opens the first one.
func newSwap(ctx context.Context, open func(context.Context) (net.PacketConn, error)) (*swap, error) {
	s := &swap{open: open, broken: make(chan struct{}, 1)}
	return s, s.renew(ctx)
}

// renew opens one and closes the one before it.
func (s *swap) renew(ctx context.Context) error {
	pc, err := s.open(ctx)
	if err != nil {
		return err
	}
	l := &lower{PacketConn: pc}
	l.fast, _ = pc.(addrPorter)
	if b, ok := pc.(interface{ SetReadBuffer(bytes int) error }); ok {
		b.SetReadBuffer(readBuffer) // an error leaves it as the system has it
	}
	s.mu.Lock()
	old := l
	if !s.closed {
		old = s.now.Swap(l)
		for _, d := range s.around() {
			close(d.over)
		}
		s.detours.Store(nil)
	}
	closed := s.closed
	s.mu.Unlock()
	if old != nil {
		old.Close() // a reader goes on with the new one
	}
	if closed {
		return ErrClosed
	}
	return nil
}

// ReadFromUDPAddrPort reads from whichever there is.
func (s *swap) ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	for {
		l := s.now.Load()
		if l.fast != nil {
			n, from, err = l.fast.ReadFromUDPAddrPort(b)
		} else {
			var a net.Addr
			if n, a, err = l.ReadFrom(b); err == nil {
				from = session.AddrPort(a)
			}
		}
		if err == nil || s.now.Load() == l {
			return n, from, err
		}
	}
}

// WriteToUDPAddrPort writes to whichever there is.
func (s *swap) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (n int, err error) {
	if list := s.detours.Load(); list != nil {
		for _, d := range *list {
			if d.to == to {
				return d.pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
			}
		}
	}
	l := s.now.Load()
	if l.fast != nil {
		n, err = l.fast.WriteToUDPAddrPort(b, to)
	} else {
		n, err = l.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
	s.judge(err)
	return n, err
}

// judge notes whether anything leaves.
func (s *swap) judge(err error) {
	if err == nil {
		s.failing = time.Time{}
		return
	}
	now := time.Now()
	switch {
	case s.failing.IsZero():
		s.failing = now
	case now.Sub(s.failing) > brokenAfter:
		s.failing = now
		wake(s.broken)
	}
}

// ReadFrom implements net.PacketConn.
func (s *swap) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (s *swap) WriteTo(b []byte, to net.Addr) (int, error) {
	return s.WriteToUDPAddrPort(b, session.AddrPort(to))
}

// Close implements net.PacketConn.
func (s *swap) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.now.Load().Close()
}

// LocalAddr implements net.PacketConn.
func (s *swap) LocalAddr() net.Addr { return s.now.Load().LocalAddr() }

// The deadlines are nobody's: whoever reads is woken by Close.

// SetDeadline implements net.PacketConn.
func (s *swap) SetDeadline(t time.Time) error { return s.now.Load().SetDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (s *swap) SetReadDeadline(t time.Time) error { return s.now.Load().SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn.
func (s *swap) SetWriteDeadline(t time.Time) error { return s.now.Load().SetWriteDeadline(t) }
