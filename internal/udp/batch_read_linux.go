package udp

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// reader is the reading half of a batchPort: one goroutine's.
type reader struct {
	rc       syscall.RawConn
	counts   *counts
	call     mmsg
	wildcard bool
	ready    func(fd uintptr) bool // some, bound once

	slots slots
	zones zones

	// of the read under way
	ms  []Message
	n   int
	err error
}

func (r *reader) read(ms []Message) (int, error) {
	r.ms, r.n, r.err = ms, 0, nil
	err := r.rc.Read(r.ready)
	r.ms = nil
	if err == nil {
		err = r.err
	}
	return r.n, err
}

// some reads what is there. The poller is edge-triggered: only after EAGAIN may
// some return false, which is to wait.
func (r *reader) some(fd uintptr) bool {
	for r.n < len(r.ms) {
		asked := min(len(r.ms)-r.n, batchSize)
		got, errno := r.receive(fd, r.ms[r.n:r.n+asked])
		switch {
		case errno == unix.EINTR:
			continue
		case r.n > 0 && errno == unix.EAGAIN:
			return true
		case r.n > 0 && errno != 0: // reading tells of an error once
			r.counts.faults.Add(1)
			return true
		case errno == unix.EAGAIN:
			return false
		case errno != 0:
			r.err = errno
			return true
		case got < asked: // as good as EAGAIN
			return true
		case r.n == 0: // all were cut: look whether the Socket is closed, however many more there are
			return true
		}
	}
	return true
}

// receive reads one batch into ms, adds to r.n what is of use, and returns how
// many datagrams there were.
func (r *reader) receive(fd uintptr, ms []Message) (int, syscall.Errno) {
	s := &r.slots
	for i := range ms {
		s.point(i, ms[i].Buf)
		h := &s.headers[i]
		h.Name, h.Namelen = s.names[i].room()
		if r.wildcard {
			h.Control = s.controls[i].bytes()
			h.SetControllen(controlSize)
		}
	}
	defer s.release(len(ms))
	got, errno := r.call(fd, s.headers[:len(ms)])
	if errno != 0 {
		return 0, errno
	}
	use := 0
	for i := range ms[:got] {
		m, h := &ms[i], &s.headers[i]
		if h.Flags&unix.MSG_TRUNC != 0 {
			r.counts.faults.Add(1)
			continue
		}
		m.N = int(h.n)
		m.Addr = s.names[i].addrPort(&r.zones)
		m.Local = netip.Addr{}
		if r.wildcard {
			m.Local = s.controls[i].destination(int(h.Controllen))
		}
		if use != i { // what was cut leaves its Buf to a later datagram
			ms[use], ms[i] = ms[i], ms[use]
		}
		use++
	}
	raceReceived(ms[:use])
	r.n += use
	return got, 0
}
