package client

import (
	"fmt"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// run is the callback goroutine.
func (c *Client) run() {
	defer close(c.done) // deferred: a test may end a callback by Goexit
	if c.cfg.OnOpen != nil && c.begin() {
		c.cfg.OnOpen(c)
		c.end()
	}
	close(c.opened)
	var taken []*batch
	for {
		var last *CloseError
		taken, last = c.queue.take(taken[:0])
		for i, b := range taken {
			c.handle(b)
			taken[i] = nil
		}
		if last != nil {
			c.finish(last)
			return
		}
		if len(taken) > 0 {
			continue
		}
		select {
		case <-c.queue.wake:
		case <-c.early.timer.C:
			c.dropped(c.early.expire(time.Now()))
		}
	}
}

// dropped counts what is held no longer.
func (c *Client) dropped(n uint64) {
	c.counts.earlyDropped.Add(n)
	c.counts.earlyHeld.Store(int64(c.early.n))
}

// begin reports whether a callback may run, and marks that one does.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = !c.closing
	return c.running
}

// beginLast marks that a callback runs that tells of the end.
func (c *Client) beginLast() {
	c.mu.Lock()
	c.running = true
	c.mu.Unlock()
}

func (c *Client) end() {
	c.mu.Lock()
	c.running = false
	c.mu.Unlock()
}

// handle calls back for a batch and gives its buffer back.
func (c *Client) handle(b *batch) {
	for i := range b.frames {
		if c.isClosing() {
			break
		}
		c.frame(&b.frames[i])
	}
	if b.buf == nil {
		return
	}
	n, from := b.buf.Size(), b.from
	b.release()
	c.queue.handled(n)
	from.Credit(n)
}

func (c *Client) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

func (c *Client) frame(f *frame) {
	switch f.kind {
	case wire.KindEvent:
		if c.cfg.OnEvent != nil && c.begin() {
			c.cfg.OnEvent(wire.Event{Code: f.Code, Delivery: f.Delivery, Body: f.Body})
			c.end()
		}
	case wire.KindOperation:
		c.operation(f)
	case wire.KindPath:
		c.pathChanged()
	case wire.KindGroupEntry:
		c.groupEntry(f.entry)
	case wire.KindPairPath:
		c.tellPath(f.pair)
	case wire.KindGroupMessage:
		c.groupMessage(&f.GroupMessage, f.pair, time.Time{})
	}
}

// pathChanged tells of what carries unreliable messages now: of two changes in
// short order, what has come of them.
func (c *Client) pathChanged() {
	up := c.session.Datagrams()
	if up == c.path {
		return
	}
	c.path = up
	if c.cfg.OnDatagrams != nil && c.begin() {
		c.cfg.OnDatagrams(up)
		c.end()
	}
}

// broken ends the session because the server broke the protocol.
func (c *Client) broken(format string, args ...any) {
	c.shut(wire.CodeProtocol, fmt.Sprintf(format, args...))
}

// finish tells of the end: to the groups, then to the application.
func (c *Client) finish(why *CloseError) {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	for g := range c.Groups() {
		c.endGroup(g, wire.CodeDisconnected)
	}
	c.dropped(c.early.clear())
	if c.cfg.OnClose != nil {
		c.beginLast()
		c.cfg.OnClose(why)
		c.end()
	}
}
