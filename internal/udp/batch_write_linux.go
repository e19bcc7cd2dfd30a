package udp

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// writer is the writing half of a batchPort: one goroutine's.
type writer struct {
	rc          syscall.RawConn
	call        mmsg
	setDeadline func(time.Time) error
	v6          bool // the socket's family
	connected   bool
	ready       func(fd uintptr) bool // some, bound once

	slots slots
	zones zones

	// of the write under way
	todo []header
	sent int
	late bool // the kernel's buffer was full: a deadline is set
}

func (w *writer) write(ms []Message) int {
	w.sent, w.late = 0, false
	for len(ms) > 0 {
		n := min(len(ms), batchSize)
		w.todo = w.slots.headers[:w.fill(ms[:n])]
		raceSent(ms[:n])
		err := w.rc.Write(w.ready)
		w.slots.release(n)
		if err != nil { // closed, or waited too long: the rest has no better luck
			break
		}
		ms = ms[n:]
	}
	w.todo = nil
	if w.late {
		w.setDeadline(time.Time{}) // fails only on a closed connection: so does the next write
	}
	return w.sent
}

// fill tells the kernel of the datagrams and returns how many have an address
// that this socket can send to.
func (w *writer) fill(ms []Message) (n int) {
	s := &w.slots
	for i := range ms {
		m, h := &ms[i], &s.headers[n]
		h.Name, h.Namelen = nil, 0
		if !w.connected {
			if !s.names[n].set(m.Addr, w.v6, &w.zones) {
				continue
			}
			h.Name, h.Namelen = s.names[n].used(w.v6)
		}
		h.Control = nil
		h.SetControllen(0)
		if m.Local.IsValid() {
			size := s.controls[n].setSource(m.Local, w.v6)
			if size == 0 {
				continue
			}
			h.Control = s.controls[n].bytes()
			h.SetControllen(size)
		}
		s.point(n, m.Buf)
		n++
	}
	return n
}

// some sends what is to do. It returns false, which is to wait for room, only
// after EAGAIN.
func (w *writer) some(fd uintptr) bool {
	for len(w.todo) > 0 {
		n, errno := w.call(fd, w.todo)
		switch errno {
		case 0:
			w.todo = w.todo[n:]
			w.sent += n
		case unix.EINTR:
		case unix.EAGAIN:
			if !w.late {
				w.late = true
				w.setDeadline(time.Now().Add(patience)) // fails only on a closed connection: waiting does too
			}
			return false
		default: // the first is refused
			w.todo = w.todo[1:]
		}
	}
	return true
}
