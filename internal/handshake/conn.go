package handshake

import (
	"net"
	"os"
	"sync"
	"time"
)

// Conn is a Flow as a net.Conn, with the clock of package time. All methods may
// be called at once by several goroutines.
//
// It goes on acknowledging and sending again, whether anyone reads and writes
// or not, until Close or the end of its Life. It starts no goroutine: packets
// leave on those of Write and Input and on that of its one timer.
type Conn struct {
	send          func(offset, ack uint32, data []byte)
	local, remote net.Addr

	writing sync.Mutex // one Write at a time; taken before mu

	mu        sync.Mutex
	changed   sync.Cond // with mu: any of what Read, Write and Close wait for
	flow      *Flow
	closed    bool
	lingering bool
	readBy    time.Time
	writeBy   time.Time
	timer     *time.Timer
	sending   bool // a goroutine is in pumpLocked, and packet is its own
	packet    []byte
}

var _ net.Conn = (*Conn)(nil)

// NewConn begins a stream whose life starts now. Close it.
//
// It calls send for each packet, one at a time and without holding a lock, so
// that send may lead to another Conn's Input; data are valid during the call.
// Send must not block, for Input calls it, and must not call Close.
func NewConn(send func(offset, ack uint32, data []byte), local, remote net.Addr) *Conn {
	c := &Conn{send: send, local: local, remote: remote}
	c.changed.L = &c.mu
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flow = NewFlow(time.Now())
	c.timer = time.AfterFunc(Life, c.fire)
	return c
}

// Input takes a packet of the other end and sends what that gives reason to. It
// does not block, nor wait for a send of another goroutine. An error, one of
// ErrPacket, ErrTimeout and net.ErrClosed, says that the packet was dropped.
func (c *Conn) Input(offset, ack uint32, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if err := c.flow.Input(offset, ack, data, time.Now()); err != nil {
		return err
	}
	c.changed.Broadcast()
	c.pumpLocked()
	return nil
}

// Read waits for bytes. It fails with net.ErrClosed after Close and Linger,
// os.ErrDeadlineExceeded, and, once the bytes in order are read, ErrTimeout.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.refusedLocked(c.readBy); err != nil || len(p) == 0 {
			return 0, err
		}
		if n := c.flow.Read(p); n > 0 {
			return n, nil
		}
		if err := c.flow.Err(); err != nil {
			return 0, err
		}
		c.armLocked() // the Flow asks for more now
		c.changed.Wait()
	}
}

// Write returns once the Flow has taken all of p, and waits while that has no
// room. It fails with net.ErrClosed, os.ErrDeadlineExceeded and ErrTimeout.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.refusedLocked(c.writeBy); err != nil {
			return n, err
		}
		k, err := c.flow.Write(p[n:], time.Now())
		n += k
		switch {
		case err != nil:
			return n, err
		case k > 0:
			c.pumpLocked()
		case n < len(p):
			c.changed.Wait()
		}
		if n == len(p) {
			return n, nil
		}
	}
}

// refusedLocked is why a Read or Write with that deadline fails.
func (c *Conn) refusedLocked(deadline time.Time) error {
	switch {
	case c.closed || c.lingering:
		return net.ErrClosed
	case !deadline.IsZero() && !time.Now().Before(deadline):
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

// Linger ends reading and writing, as Close does, and leaves the rest to run:
// what was written is sent until it is acknowledged. Close must follow.
func (c *Conn) Linger() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lingering = true
	c.flow.hungry = false // nobody reads
	c.changed.Broadcast()
}

// Close stops everything. It waits for a send that is under way; when it has
// returned, send is not called again. It always returns nil.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.timer.Stop()
	c.changed.Broadcast()
	for c.sending {
		c.changed.Wait()
	}
	return nil
}

// Pending is how many bytes that were written the other end has not
// acknowledged.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flow.Pending()
}

// Stats returns what the Flow has counted so far.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flow.Stats()
}

// LocalAddr returns what NewConn was given.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns what NewConn was given.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines; zero is none.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.readBy, &c.writeBy) }

// SetReadDeadline sets that of Read, of one that waits as well.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readBy) }

// SetWriteDeadline sets that of Write, of one that waits as well.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeBy) }

func (c *Conn) setDeadlines(t time.Time, deadlines ...*time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	for _, d := range deadlines {
		*d = t
	}
	c.changed.Broadcast()
	c.armLocked()
	return nil
}

// fire is the timer's: something is due, or a deadline has passed.
func (c *Conn) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumpLocked()
	c.changed.Broadcast()
}

// pumpLocked sends all that is due. It lets go of mu for each send; where a
// goroutine is at it already, that one sees to what has come due meanwhile.
func (c *Conn) pumpLocked() {
	if c.sending {
		return
	}
	c.sending = true
	for !c.closed {
		offset, ack, data, ok := c.flow.Next(time.Now())
		if !ok {
			break
		}
		c.packet = append(c.packet[:0], data...)
		c.mu.Unlock()
		c.send(offset, ack, c.packet)
		c.mu.Lock()
	}
	c.sending = false
	if c.closed {
		c.changed.Broadcast() // Close waits
	}
	c.armLocked()
}

// armLocked sets the timer to what comes next: the Flow's due time or a
// deadline that has not passed.
func (c *Conn) armLocked() {
	if c.closed || c.sending { // pumpLocked does it at its end
		return
	}
	next, now := c.flow.Due(), time.Now()
	for _, t := range []time.Time{c.readBy, c.writeBy} {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if next.IsZero() {
		c.timer.Stop()
		return
	}
	c.timer.Reset(next.Sub(now))
}
