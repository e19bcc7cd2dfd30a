package session

import (
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/udp"
)

const (
	twiceAfter  = 5 * time.Millisecond // when a packet is sent again: a burst of losses is over by then
	maxAgain    = 4096                 // packets that may wait for that
	maxRaw      = 1024                 // packets of no link that may wait
	maxInline   = 8                    // rounds that whoever flushes sends for others
	maxSegments = 512                  // that a transmitter keeps room for
)

// transmitter sends for all links of an endpoint, one goroutine at a time:
// whoever flushes while nobody sends does so, for all that come meanwhile. So
// the busier it gets the more packets leave with one system call, and nobody
// waits for a goroutine to wake while it is not.
type transmitter struct {
	e *Endpoint

	mu     sync.Mutex
	dirty  []*Link
	raw    []rawPacket
	busy   bool // somebody sends, and looks again before it stops
	held   bool // the reader is at it, and will
	closed bool

	// whoever sends has these
	spare    []*Link
	batch    []udp.Message
	n        int // of them filled
	slots    []byte
	packer   packer
	segments []segment

	later     sync.Mutex
	repeats   []repeat // in the order of their times
	repeating bool     // a goroutine waits for the first
}

// rawPacket is one that belongs to no link, or to one that has no more packets.
type rawPacket struct {
	p      []byte
	to     netip.AddrPort
	source netip.Addr
}

// repeat is a packet that is to be sent again.
type repeat struct {
	rawPacket
	at time.Time
}

func (t *transmitter) init(e *Endpoint, batch int) {
	t.e = e
	t.batch = make([]udp.Message, batch)
	t.slots = make([]byte, batch*packet.MaxSize)
}

// list has l send before the transmitter rests. Whoever calls it makes sure
// that somebody flushes; the reader does at the end of a read. It reports false
// when nothing is sent any more.
func (t *transmitter) list(l *Link) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !l.listed && !t.closed {
		l.listed = true
		t.dirty = append(t.dirty, l)
	}
	return !t.closed
}

// flush has l send, and sends unless somebody does.
func (t *transmitter) flush(l *Link) {
	t.list(l)
	t.run()
}

// sendRaw queues a copy of a packet, or drops it when too many wait.
func (t *transmitter) sendRaw(p []byte, to netip.AddrPort, source netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.raw) >= maxRaw || t.closed {
		t.e.counts.Dropped.Add(1)
		return
	}
	t.raw = append(t.raw, rawPacket{append([]byte(nil), p...), to, source})
}

// hold lets nobody begin to send until release: the reader has more to list. The
// reader releases what it holds before it reads on; one that is relieved leaves
// that to whoever relieves it, and does not hold again.
func (t *transmitter) hold() {
	t.mu.Lock()
	t.held = true
	t.mu.Unlock()
}

func (t *transmitter) release() {
	t.mu.Lock()
	t.held = false
	t.mu.Unlock()
	t.run()
}

// run sends what is listed, unless somebody does.
func (t *transmitter) run() {
	t.mu.Lock()
	if t.busy || t.held || t.closed || len(t.dirty) == 0 && len(t.raw) == 0 {
		t.mu.Unlock()
		return
	}
	t.busy = true
	t.mu.Unlock()
	for range maxInline {
		if !t.round() {
			return
		}
	}
	t.e.wg.Go(func() { // ended by the first round that finds nothing to send
		for t.round() {
		}
	})
}

// round sends for all that are listed; false says that there were none, and
// that this goroutine no longer is the one that sends.
func (t *transmitter) round() bool {
	t.mu.Lock()
	work, raw := t.dirty, t.raw
	t.dirty, t.raw = t.spare[:0], nil
	t.spare = work[:0]
	for _, l := range work {
		l.listed = false
	}
	if len(work) == 0 && len(raw) == 0 || t.closed {
		t.busy = false
		t.mu.Unlock()
		return false
	}
	t.mu.Unlock()
	now := time.Now()
	for i := range raw {
		t.put(raw[i])
	}
	for i, l := range work {
		l.send(t, now)
		work[i] = nil
	}
	t.write()
	if cap(t.segments) > maxSegments {
		t.segments = nil
	}
	return true
}

// slot is room for a packet.
func (t *transmitter) slot() []byte {
	if t.n == len(t.batch) {
		t.write()
	}
	return t.slots[t.n*packet.MaxSize : (t.n+1)*packet.MaxSize : (t.n+1)*packet.MaxSize]
}

// commit takes the packet that was made in the last slot.
func (t *transmitter) commit(p []byte, to netip.AddrPort, source netip.Addr) {
	t.batch[t.n] = udp.Message{Buf: p, Addr: to, Local: source}
	t.n++
}

func (t *transmitter) put(r rawPacket) {
	t.commit(append(t.slot()[:0], r.p...), r.to, r.source)
}

// write gives the batch to the socket.
func (t *transmitter) write() {
	if t.n == 0 {
		return
	}
	t.e.sock.Write(t.batch[:t.n]) // what it does not take is lost, as on the way
	t.n = 0
}

// again sends a packet once more in a moment, byte for byte.
func (t *transmitter) again(p []byte, to netip.AddrPort, source netip.Addr, now time.Time) {
	t.later.Lock()
	defer t.later.Unlock()
	if len(t.repeats) >= maxAgain {
		return
	}
	r := repeat{rawPacket{append([]byte(nil), p...), to, source}, now.Add(twiceAfter)}
	t.repeats = append(t.repeats, r)
	if !t.repeating {
		t.repeating = true
		t.e.wg.Go(t.repeat) // ended by itself, without repeats or with the endpoint
	}
}

// repeat sends packets again as they are due.
func (t *transmitter) repeat() {
	timer := time.NewTimer(twiceAfter)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-t.e.done:
			return
		}
		t.later.Lock()
		now, n := time.Now(), 0
		for n < len(t.repeats) && !t.repeats[n].at.After(now) {
			r := t.repeats[n]
			t.sendRaw(r.p, r.to, r.source)
			n++
		}
		left := copy(t.repeats, t.repeats[n:])
		clear(t.repeats[left:])
		t.repeats = t.repeats[:left]
		if left == 0 {
			t.repeating = false
			t.later.Unlock()
			t.run()
			return
		}
		timer.Reset(t.repeats[0].at.Sub(now))
		t.later.Unlock()
		t.run()
	}
}

func (t *transmitter) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}
