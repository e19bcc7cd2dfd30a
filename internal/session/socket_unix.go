//go:build unix

package session

import (
	"io"
	"net"
	"syscall"
	"time"
)

// rawTCP reads and writes a TCP connection's descriptor itself: an idle session
// holds no buffer, and a write does not wait.
func rawTCP(t *net.TCPConn) (source, sink, bool) {
	rc, err := t.SyscallConn()
	if err != nil {
		return nil, nil, false
	}
	both := &struct { // in one piece of memory: there is one for each peer
		in  rawSource
		out rawSink
	}{rawSource{rc: rc}, rawSink{t: t, rc: rc}}
	both.in.ready, both.out.ready = both.in.readSome, both.out.writeOnce
	return &both.in, &both.out, true
}

// rawSource reads once the poller says that there is something. The poller is
// edge-triggered: readSome must have tried to read before it returns false.
type rawSource struct {
	rc    syscall.RawConn
	ready func(fd uintptr) bool // readSome, bound once

	// of the read under way
	carry *Buffer
	hint  int
	buf   *Buffer
	n     int
	err   error
}

func (s *rawSource) read(carry *Buffer, hint int) (*Buffer, error) {
	s.carry, s.hint = carry, hint
	err := s.rc.Read(s.ready)
	carry, b := s.carry, s.buf
	s.carry, s.buf = nil, nil
	if err != nil { // closed, or the deadline has passed
		return carry, err
	}
	if s.err != nil {
		return b, s.err
	}
	b.w += s.n
	return b, nil
}

func (s *rawSource) readSome(fd uintptr) bool {
	b := withRoom(s.carry, s.hint)
	for {
		s.n, s.err = sysRead(fd, b.room())
		if s.err != syscall.EINTR {
			break
		}
	}
	switch {
	case s.err == syscall.EAGAIN:
		s.err = nil
		if s.carry == nil {
			b.Release()
		} else {
			s.carry = b // withRoom may have replaced it
		}
		return false
	case s.err == nil && s.n == 0:
		s.err = io.EOF
	}
	if s.err != nil {
		s.n = 0
		if s.carry == nil {
			b.Release()
			b = nil
		}
	}
	s.buf = b
	return true
}

// rawSink writes once and leaves the rest to drain.
type rawSink struct {
	t     *net.TCPConn
	rc    syscall.RawConn
	ready func(fd uintptr) bool

	// of the write under way
	p    []byte
	n    int
	err  error
	rest []byte
}

func rawWriter(t *net.TCPConn) (*rawSink, bool) {
	rc, err := t.SyscallConn()
	if err != nil {
		return nil, false
	}
	w := &rawSink{t: t, rc: rc}
	w.ready = w.writeOnce
	return w, true
}

// writeSome writes as much of p as the kernel takes at once. One caller at a time.
func (s *rawSink) writeSome(p []byte) (int, error) {
	s.p, s.n = p, 0
	err := s.rc.Write(s.ready)
	s.p = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

func (s *rawSink) writeOnce(fd uintptr) bool {
	for {
		n, err := sysWrite(fd, s.p)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			n, err = 0, nil
		}
		s.n, s.err = max(n, 0), err
		return true // never wait
	}
}

func (s *rawSink) tryWrite(p []byte) (bool, error) {
	n, err := s.writeSome(p)
	if err != nil {
		return false, err
	}
	s.rest = p[n:]
	return len(s.rest) == 0, nil
}

// keep implements sharer.
func (s *rawSink) keep(rest []byte) { s.rest = rest }

func (s *rawSink) drain(deadline time.Time) error {
	s.t.SetWriteDeadline(deadline) // fails only on a closed connection, and then Write does too
	_, err := s.t.Write(s.rest)
	s.rest = nil
	s.t.SetWriteDeadline(time.Time{}) // else the next writeSome is late
	return err
}
