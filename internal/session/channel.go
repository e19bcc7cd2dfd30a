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
	sent   uint64  // bytes taken out, ever
	put    uint64  // bytes put in, ever
	mark   ageMark // valid while out waits
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
	if l.queued+n > l.e.env.QueueHard || l.e.env.Budget.exhausted(l.queued) {
		l.mu.Unlock()
		return nil, nil, ErrOverloaded
	}
	c := l.channelLocked(d.Channel())
	c.twice = d.IsTwice()
	c.grow(n)
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

// drop gives the buffer of waiting frames back.
func (c *channel) drop() {
	c.l.e.env.Budget.add(-c.out.Size())
	c.out.Release()
	c.out = nil
}

// advance gives as many of the waiting frames to the reliable channel as it and
// the link's pace have room for: whole frames, as many as fit into a segment,
// are a message. It reports whether any was given.
func (c *channel) advance(now time.Time) (advanced bool, err error) {
	l := c.l
	for c.out != nil && !c.rel.Full() && l.granted > 0 {
		message := c.out.unread()
		message = message[:wholeFrames(message, reliable.Segment)]
		if err := c.rel.Send(message); err != nil {
			return false, err
		}
		advanced = true
		l.granted -= float64(len(message))
		n := countFrames(message)
		c.frames -= n
		l.stats.written += uint64(n)
		l.queued -= len(message)
		c.sent += uint64(len(message))
		if c.out.r += len(message); c.out.r == c.out.w {
			c.drop()
		}
	}
	switch {
	case c.out == nil:
		c.mark = ageMark{}
	case c.mark.at.IsZero() || c.sent >= c.mark.pos:
		c.mark = ageMark{pos: c.put, at: now}
	case now.Sub(c.mark.at) > maxAge:
		return false, &CloseError{Code: wire.CodeSlow, Text: "nothing was read in time"}
	}
	return advanced, nil
}

// discard drops what waits.
func (c *channel) discard() {
	if c.out == nil {
		return
	}
	c.l.stats.discarded += uint64(c.frames)
	c.l.queued -= len(c.out.unread())
	c.frames = 0
	c.drop()
}
