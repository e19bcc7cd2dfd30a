package reliable

import (
	"errors"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

const (
	// MTU bounds what out is given and Input takes: it fits every path, relayed
	// ones too, so that a packet may change its path. It never changes (KCP
	// panics when it shrinks under queued segments).
	MTU = 1136
	// Segment is the largest piece of a message.
	Segment = MTU - headerSize
	// MaxMessage is the largest message: 64 KiB and what frames it.
	MaxMessage = maxFragments * Segment
	// Window is how many segments may be on their way, and how many wait for
	// Recv before the window closes.
	Window = 256

	maxFragments = 59
)

var (
	// ErrTooLarge says that a message exceeds [MaxMessage].
	ErrTooLarge = errors.New("reliable: message too large")
	// ErrEmpty says that a message has no bytes.
	ErrEmpty = errors.New("reliable: empty message")
)

// Channel is one ordered lane of messages, one of its two ends. It is not safe
// for concurrent use.
//
// It takes about 20 KiB, so it is best made on first use. What waits in it comes
// on top, 1,500 bytes a segment: up to [Window] segments and one message to be
// sent, and Window received that wait for Recv, behind which a lying end may
// place as many out of their order: 750 KiB at worst. KCP pools these buffers
// for the whole process; a dropped Channel needs no Close, what it holds is
// garbage and does not go back to the pool.
type Channel struct {
	// set once
	kcp    *kcp.KCP
	number uint8
	out    func(segments []byte)

	sent   uint32 // sequence number of the next segment never sent
	told   uint32 // sequence number that the other end was told to send next
	wnd    uint16 // window that the other end was told last
	theirs uint16 // window that the other end told last
	due    uint8  // rounds of Tick until what KCP owes the other end has left
	asked  uint8  // rounds of Tick since it was asked for its window
	since  uint32 // KCP's time of the last progress, or of the first Send after it
	busy   uint32 // KCP's time of the Send before which nothing was waiting
	bad    bool   // the other end sent a message larger than MaxMessage
	stats  Stats

	arrived arrivals

	inputting bool   // KCP has Input's segments
	held      []byte // acks that KCP sent within Input, see hold
}

// New makes one end of the channel of that number. It calls out within Flush,
// Tick and Input with one or more segments of together at most [MTU] bytes,
// valid only during the call. What out drops is sent again later. It must not
// call the Channel.
func New(number uint8, out func(segments []byte)) *Channel {
	c := &Channel{number: number, out: out, wnd: Window, theirs: Window}
	c.kcp = kcp.NewKCP(uint32(number), c.output)
	// Least timeout 30 ms; two acks from behind a segment resend it: one does
	// more so in vain where packets are reordered; no congestion window.
	c.kcp.NoDelay(1, 10, 2, 1)
	c.kcp.WndSize(Window, Window)
	c.kcp.SetMtu(MTU)
	return c
}

// Send queues a message, 1 to [MaxMessage] bytes, which it copies. It never
// refuses for want of room: ask Full first.
func (c *Channel) Send(message []byte) error {
	switch {
	case len(message) == 0:
		return ErrEmpty
	case len(message) > MaxMessage:
		return ErrTooLarge
	}
	if c.kcp.WaitSnd() == 0 {
		c.since = now()
		c.busy = c.since
	}
	c.kcp.Send(message) // refuses nothing that got here
	return nil
}

// Waiting is how many segments are queued or not acknowledged.
func (c *Channel) Waiting() int { return c.kcp.WaitSnd() }

// Full reports whether Waiting has reached [Window]. Whoever sends only when
// it has not overdraws by less than one message.
func (c *Channel) Full() bool { return c.kcp.WaitSnd() >= Window }

// Stalled is how long Waiting has been above zero without any of it being
// acknowledged, be the other end gone or its window closed. Retransmission goes
// on for ever: the owner ends it.
func (c *Channel) Stalled() time.Duration {
	if c.kcp.WaitSnd() == 0 {
		return 0
	}
	return time.Duration(now()-c.since) * time.Millisecond
}

// Next is the size of the next whole message, -1 if there is none.
func (c *Channel) Next() int {
	n := c.kcp.PeekSize()
	if n > MaxMessage {
		c.bad = true
		return -1
	}
	return n
}

// Recv takes the next message into b, which must have room for Next bytes, and
// returns its size; -1 if there is none. When it reopens a closed window, the
// other end learns of it with the next Flush or Tick.
func (c *Channel) Recv(b []byte) int {
	if c.Next() < 0 {
		return -1
	}
	n := c.kcp.Recv(b)
	if n >= 0 {
		c.arrived.take(n)
		if c.wnd == 0 {
			c.owe()
		}
	}
	return n
}
