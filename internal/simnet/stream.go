package simnet

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// streamWindow is how much may be written and not yet read.
const streamWindow = 256 << 10

// stream is one end of a connection: reliable, ordered, with the delay of the
// links, and a bounded window that blocks the writer. It can close its writing
// half alone, as a *net.TCPConn can. There are no losses to show: a cut delays.
type stream struct {
	// Set once.
	net           *Net
	local, remote netip.AddrPort
	rank          uint64
	other         *stream
	lane          *lane // to the other end

	// Owned by net.mu.
	ready       *sync.Cond // anything below has changed
	host        *Host      // whose port it holds; nil if it was accepted, or not dialled yet
	arrived     []byte     // to be read
	unread      int        // written by the other end: under way and arrived
	ended       bool       // the other end writes no more
	broken      bool       // the other end reads no more
	closed      bool
	closedWrite bool
	readBy      deadline
	writeBy     deadline
}

// newStreams makes the ends of a stream: the dialler's and the listener's.
func newStreams(d *dial, src netip.AddrPort, there, back *lane) (near, far *stream) {
	n := d.host.net
	n.accepted++
	near = &stream{local: d.local, remote: d.remote, rank: d.host.rank(kindDialled, d.local), lane: there}
	far = &stream{local: d.remote, remote: src, rank: rank(kindAccepted, n.accepted, 0, 0), lane: back}
	near.other, far.other = far, near
	for _, s := range []*stream{near, far} {
		s.net = n
		s.ready = sync.NewCond(&n.mu)
		n.sockets[s] = struct{}{}
	}
	return near, far
}

func (s *stream) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.local) }
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

// Read returns what has arrived, or waits for it; io.EOF once the other end has
// closed and all was read.
func (s *stream) Read(p []byte) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, s.fail("read", net.ErrClosed)
		case s.readBy.passedLocked():
			return 0, s.fail("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(s.arrived) > 0:
			n := copy(p, s.arrived)
			s.arrived = s.arrived[n:]
			s.unread -= n
			s.other.ready.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.ready.Wait()
	}
}

// Write sends p, and waits while the window is full.
func (s *stream) Write(p []byte) (written int, err error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for {
		switch {
		case s.closed || s.closedWrite:
			return written, s.fail("write", net.ErrClosed)
		case s.writeBy.passedLocked():
			return written, s.fail("write", os.ErrDeadlineExceeded)
		case s.broken:
			return written, s.fail("write", syscall.EPIPE)
		case written == len(p):
			return written, nil
		}
		room := min(streamWindow-s.other.unread, len(p)-written)
		if room == 0 {
			s.ready.Wait()
			continue
		}
		chunk := bytes.Clone(p[written : written+room])
		written += room
		s.other.unread += room
		s.sendLocked(func() { s.other.arrived = append(s.other.arrived, chunk...) })
	}
}

// sendLocked has arrive called when what is sent now is at the other end.
func (s *stream) sendLocked(arrive func()) {
	s.net.pushLocked(&event{at: time.Now(), rank: s.rank, do: func(at time.Time) {
		s.lane.sendLocked(at, func(time.Time) {
			if !s.other.closed {
				arrive()
				s.other.ready.Broadcast()
			}
		})
	}})
}

// CloseWrite tells the other end that no more comes; reading goes on.
func (s *stream) CloseWrite() error {
	return s.update("close", func() {
		if !s.closedWrite {
			s.closedWrite = true
			s.sendLocked(func() { s.other.ended = true })
			s.ready.Broadcast()
		}
	})
}

// Close ends both halves. The other end still reads what was written before; its
// writes fail with EPIPE once it knows.
func (s *stream) Close() error { return s.update("close", s.closeLocked) }

func (s *stream) closeLocked() {
	s.shutLocked()
	s.sendLocked(func() { s.other.ended, s.other.broken = true, true })
}

// shutLocked closes this end without telling the other.
func (s *stream) shutLocked() {
	s.closed = true
	s.arrived = nil
	s.readBy.stopLocked()
	s.writeBy.stopLocked()
	if s.host != nil {
		delete(s.host.streams, s.local)
	}
	delete(s.net.sockets, s)
	s.ready.Broadcast()
}

// SetDeadline sets both deadlines.
func (s *stream) SetDeadline(t time.Time) error {
	return s.update("set", func() { s.readBy.setLocked(t, s.ready); s.writeBy.setLocked(t, s.ready) })
}

// SetReadDeadline ends reads with os.ErrDeadlineExceeded from t on; the zero
// Time means never.
func (s *stream) SetReadDeadline(t time.Time) error {
	return s.update("set", func() { s.readBy.setLocked(t, s.ready) })
}

// SetWriteDeadline does so with writes.
func (s *stream) SetWriteDeadline(t time.Time) error {
	return s.update("set", func() { s.writeBy.setLocked(t, s.ready) })
}

// update does f unless the stream is closed.
func (s *stream) update(op string, f func()) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return s.fail(op, net.ErrClosed)
	}
	f()
	return nil
}

func (s *stream) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}
