package client

import (
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/session"
)

// Sent counts what a client has sent, by its fate.
type Sent = session.Sent

// Stats counts since the start of the session.
type Stats struct {
	RTT, Deviation time.Duration // smoothed; zero before the first ping was answered

	FramesIn, BytesIn uint64
	QueuedIn          int    // bytes of buffers that wait for the callbacks
	Unmatched         uint64 // answers to nothing: their calls had given up, or never were

	// Group messages that came before the join of their sender, see Group.
	EarlyHeld    int    // waiting
	EarlyDropped uint64 // waited too long, or were too many
	Late         uint64 // group messages that came after the leave of their sender

	Sent Sent
}

type counts struct {
	unmatched, earlyDropped, late atomic.Uint64
	earlyHeld                     atomic.Int64
}

// Stats may be called at any time.
func (c *Client) Stats() Stats {
	in := c.session.Counts()
	s := Stats{
		FramesIn:     in.FramesIn.Load(),
		BytesIn:      in.BytesIn.Load(),
		Unmatched:    c.counts.unmatched.Load(),
		EarlyHeld:    int(c.counts.earlyHeld.Load()),
		EarlyDropped: c.counts.earlyDropped.Load(),
		Late:         c.counts.late.Load(),
		Sent:         c.session.Sent(),
	}
	s.RTT, s.Deviation = c.session.RTT()
	c.queue.mu.Lock()
	s.QueuedIn = c.queue.bytes
	c.queue.mu.Unlock()
	return s
}
