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

	Unrelayed uint64 // packets for other clients beyond what the server relays for one: lost, or sent again later
	NotDirect uint64 // receivers that a message by Direct has not reached, see Group.Via

	Sent      Sent
	Datagrams Datagrams
}

// Datagrams is the part of Stats that is about UDP. Packets are counted whether
// they were of use or not.
type Datagrams struct {
	Up bool // unreliable and sequenced messages go by UDP now; always on udp://, where the reliable ones do too

	// RTT and Deviation are those of the packets; zero while UDP is not up, and
	// before the first ping was answered.
	RTT, Deviation time.Duration

	In, Out    uint64 // packets, through all sockets there have been
	Dropped    uint64 // packets that the system did not take
	Duplicates uint64 // packets that came a second time: copies, or the network's doing
	Forged     uint64 // packets that did not open: damaged, or somebody else's
	Stale      uint64 // sequenced messages behind a newer one
	Unread     uint64 // unreliable messages that callbacks had no room for
	Moves      uint64 // sockets after the first, see Client.Rebind
}

type counts struct {
	unmatched, earlyDropped, late atomic.Uint64
	stale, notDirect, moves       atomic.Uint64
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
		Unrelayed:    in.Refused.Load(),
		NotDirect:    c.counts.notDirect.Load(),
		Sent:         c.session.Sent(),
	}
	s.RTT, s.Deviation = c.session.RTT()
	s.Datagrams = c.datagrams(&s)
	c.queue.mu.Lock()
	s.QueuedIn = c.queue.bytes
	c.queue.mu.Unlock()
	return s
}

func (c *Client) datagrams(s *Stats) Datagrams {
	in := c.session.Counts()
	d := Datagrams{Up: c.session.Datagrams(), Stale: in.Stale.Load() + c.counts.stale.Load(), Unread: in.Unread.Load(), Moves: c.counts.moves.Load()}
	if d.Up {
		d.RTT, d.Deviation = s.RTT, s.Deviation
	}
	if p := c.port.Load(); p != nil {
		sock, end := p.sock.Stats(), p.End.Counts()
		d.In, d.Out, d.Dropped = sock.In, sock.Out, sock.Dropped+end.Dropped.Load()
		d.Duplicates, d.Forged = end.Replayed.Load(), end.Forged.Load()
	}
	return d
}
