package session

import (
	"time"

	"github.com/troupe-go/troupe/internal/reliable"
	"github.com/troupe-go/troupe/wire"
)

// channels is how many reliable channels a session has.
const channels = 8

// channel is one reliable channel of a link: frames that wait, and what they go
// by. It is guarded by its link's mu.
type channel struct {
	l      *Link
	rel    *reliable.Channel
	out    *Buffer // frames that wait for room in rel: unread(); nil while there are none
	frames int     // in out
	twice  bool    // packets with this channel's segments are sent again
	copied uint64  // of put: what was put in to be sent twice ends there
	sent   uint64  // bytes taken out, ever
	put    uint64  // bytes put in, ever
	mark   ageMark // valid while out waits

	unacked, unread int // bytes of rel's, as they were charged
}

// channelLocked is the channel of that number, made when it is first used: it
// costs some 19 KiB.
func (l *Link) channelLocked(number uint8) *channel {
	c := l.channels[number]
	if c == nil {
		c = &channel{l: l}
		c.rel = reliable.New(number, c.emit)
		l.channels[number] = c
	}
	return c
}

// reliableNumber is the channel that segments are of.
func reliableNumber(segments []byte) (uint8, error) { return reliable.NumberOf(segments) }

// begin locks the link and returns what to append n bytes of frames to.
func (l *Link) begin(n int, d wire.Delivery) ([]byte, queue, error) {
	if !d.Valid() {
		return nil, nil, ErrNoSuchChannel
	}
	l.mu.Lock()
	if l.finishing || l.over {
		l.mu.Unlock()
		return nil, nil, ErrClosed
	}
	if l.queued+n > l.e.env.QueueHard || l.e.env.Budget.exhausted(l.queued+l.unacked) {
		l.mu.Unlock()
		return nil, nil, ErrOverloaded
	}
	c := l.channelLocked(d.Channel())
	if c.grow(n); d.IsTwice() {
		c.copied = c.put + uint64(n)
	}
	return c.out.data[:c.out.w:len(c.out.data)], c, nil
}

// commitFrames implements queue: it takes what was appended and unlocks.
func (c *channel) commitFrames(b []byte, n int) (full bool) {
	l := c.l
	size := len(b) - c.out.w
	c.out.w = len(b)
	c.frames += n
	c.put += uint64(size)
	l.queued += size
	l.stats.accepted += uint64(n)
	full = l.queued >= chunkSize
	l.unsent.Store(true)
	l.mu.Unlock()
	return full
}

// grow makes room for n more bytes.
func (c *channel) grow(n int) {
	budget := c.l.e.env.Budget
	switch {
	case c.out == nil:
		c.out = newBuffer(n)
		budget.add(c.out.Size())
	case len(c.out.room()) < n:
		rest := c.out.unread()
		want := len(rest) + n
		if want <= c.out.Size()/2 { // half of it has been sent
			c.out.w = copy(c.out.data, rest)
			c.out.r = 0
			return
		}
		if want > largeBuffer {
			want = max(want, 2*c.out.Size())
		}
		b := newBuffer(want)
		budget.add(b.Size())
		b.w = copy(b.data, rest)
		c.drop()
		c.out = b
	}
}

// account charges the budget for what the reliable channel holds by now.
func (c *channel) account() {
	out, in := c.rel.Held()
	c.l.e.env.Budget.add(out - c.unacked + in - c.unread)
	c.l.unacked += out - c.unacked
	c.l.unread += in - c.unread
	c.unacked, c.unread = out, in
}

// drop gives the buffer of waiting frames back.
func (c *channel) drop() {
	c.l.e.env.Budget.add(-c.out.Size())
	c.out.Release()
	c.out = nil
}

// advance gives waiting frames to the reliable channels as far as these and the
// link's pace have room for them: by turns a message each, so that a channel with
// much to send does not hold up the others. It reports which channels got any.
func (l *Link) advance() (advanced [channels]bool, err error) {
	granted := l.tokens
	for more := true; more && granted > 0; {
		more = false
		for range channels {
			i := l.turnOut
			l.turnOut = (i + 1) % channels
			c := l.channels[i]
			if c == nil || c.out == nil || c.rel.Full() {
				continue
			}
			n, err := c.advance(!advanced[i])
			if err != nil {
				return advanced, err
			}
			advanced[i], more = true, true
			if granted -= float64(n); granted <= 0 {
				break
			}
		}
	}
	return advanced, nil
}

// advance gives the next message to the reliable channel: whole frames, as many
// as fit into a segment. first says that what it gave before has left.
func (c *channel) advance(first bool) (int, error) {
	message := c.out.unread()
	message = message[:wholeFrames(message, reliable.Segment)]
	if err := c.rel.Send(message); err != nil {
		return 0, err
	}
	c.account()
	c.twice = c.sent < c.copied || c.twice && !first
	n := countFrames(message)
	c.frames -= n
	c.l.stats.written += uint64(n)
	c.l.queued -= len(message)
	c.sent += uint64(len(message))
	if c.out.r += len(message); c.out.r == c.out.w {
		c.drop()
	}
	return len(message), nil
}

// age watches how long frames wait, as the outbox of a stream does.
func (c *channel) age(now time.Time) error {
	switch {
	case c.out == nil:
		c.mark = ageMark{}
	case c.mark.at.IsZero() || c.sent >= c.mark.pos:
		c.mark = ageMark{pos: c.put, at: now}
	case now.Sub(c.mark.at) > maxAge:
		return &CloseError{Code: wire.CodeSlow, Text: "nothing was read in time"}
	}
	return nil
}

// discard drops what waits.
func (c *channel) discard() {
	if c.out == nil {
		return
	}
	c.l.stats.discarded += uint64(c.frames)
	c.l.queued -= len(c.out.unread())
	c.sent += uint64(len(c.out.unread()))
	c.frames = 0
	c.drop()
}
