package session

import (
	"sync"
	"time"

	"github.com/troupe-go/troupe/wire"
)

const (
	chunkSize    = 64 << 10               // most bytes given to the socket at once
	lossyTTL     = 250 * time.Millisecond // an unreliable message that waited longer is dropped
	maxLossy     = 64                     // unreliable messages that may wait
	maxSequenced = 256                    // keys of sequenced messages that may wait
	maxHeld      = 512                    // frames that may be dropped, before a link's transmitter is taken to be behind
	maxControl   = 64                     // control frames that may wait
	maxAge       = 5 * time.Second        // a reliable message that waited longer closes the session
)

// outbox is what waits to be written to one connection, encoded. Frames leave
// in the order of their sending, save control frames, which go first, and
// unreliable ones that are superseded or too old, which don't. Dropping and
// superseding happen only while the socket is behind: a frame that can be
// written at once always is. Where others share the way there, it is behind, too,
// when so much waits that it should have been taken long ago.
type outbox struct {
	// set once
	soft, hard int // bytes at which unreliable is refused, reliable closes
	budget     *Budget
	shared     bool // its transmitter is, and may be held or busy with others: a link's

	mu      sync.Mutex
	out     *Buffer   // frames: unread()
	frames  int       // in out, those in holes not counted
	lossy   []segment // those of them that may still be dropped
	holes   int       // bytes of out that belong to dropped frames
	control []byte
	nCtl    int
	writing bool          // somebody is writing, and looks again before it stops
	closed  bool          // no more frames
	empty   chan struct{} // closed when nothing is left; nil while nobody waits
	mark    *ageMark      // nil while nothing waits for the socket
	sent    uint64        // bytes taken out, ever
	put     uint64        // bytes put in, ever
	stats   outStats
}

// segment is an unreliable or sequenced frame in out.
type segment struct {
	off, n  int
	class   wire.Class
	twice   bool
	lane    lane      // of a sequenced one
	at      time.Time // zero when it was put in with nothing being written
	dropped bool
}

// ageMark is a byte whose age is watched; see oldest.
type ageMark struct {
	pos uint64
	at  time.Time
}

// outStats counts frames by their fate: what was accepted is delivered to the
// socket, dropped, or still queued.
type outStats struct {
	accepted, written, superseded, expired, overflowed, discarded uint64
}

// lane is what sequenced messages supersede each other in: a channel and key of
// one sender in one group, or of the server itself.
type lane struct {
	group, sender wire.ID
	key           uint32
}

func laneOf(d wire.Delivery, group, sender wire.ID) lane {
	return lane{group, sender, uint32(d.Channel())<<16 | uint32(d.Key())}
}

// begin locks the outbox and returns what to append a frame of n bytes to; the
// caller gives the result to commit. With an error nothing is locked.
func (q *outbox) begin(n int, d wire.Delivery, l lane) ([]byte, error) {
	if !d.Valid() {
		return nil, ErrNoSuchChannel
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil, ErrClosed
	}
	queued := q.queuedLocked()
	if d.Class() == wire.ClassReliable {
		if q.writing && (queued+n > q.hard || q.budget.exhausted(queued)) {
			q.mu.Unlock()
			return nil, ErrOverloaded
		}
	} else if err := q.admitLossyLocked(n, d.Class(), l); err != nil {
		q.mu.Unlock()
		return nil, err
	}
	q.growLocked(n)
	if d.Class() != wire.ClassReliable {
		s := segment{off: q.out.w, n: n, class: d.Class(), twice: d.IsTwice(), lane: l}
		if q.writing {
			s.at = time.Now()
		}
		q.lossy = append(q.lossy, s)
	}
	return q.out.data[:q.out.w:len(q.out.data)], nil
}

// commit takes the frame that was appended to what begin returned, and unlocks.
// It reports whether so much waits that it should be flushed now.
func (q *outbox) commit(b []byte) (full bool) { return q.commitFrames(b, 1) }

// commitFrames is commit for n frames at once.
func (q *outbox) commitFrames(b []byte, n int) (full bool) {
	added := len(b) - q.out.w
	q.put += uint64(added)
	q.out.w = len(b)
	q.frames += n
	q.stats.accepted += uint64(n)
	full = len(q.out.unread())+added > chunkSize // another one would make it two chunks
	q.mu.Unlock()
	return full
}

// putControl queues a frame ahead of the others.
func (q *outbox) putControl(frame []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if q.nCtl >= maxControl {
		return ErrOverloaded
	}
	q.nCtl++
	q.control = append(q.control, frame...)
	q.stats.accepted++
	return nil
}

// finish appends a last frame behind everything and lets nothing more in. With
// discard what is waiting is dropped first. It reports false when it was called
// before.
func (q *outbox) finish(frame []byte, discard bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	if discard {
		q.discardLocked()
	}
	if len(frame) == 0 {
		return true
	}
	q.growLocked(len(frame))
	q.out.w += copy(q.out.room(), frame)
	q.put += uint64(len(frame))
	q.frames++
	q.stats.accepted++
	return true
}

// abandon drops all that waits, and all that would.
func (q *outbox) abandon() {
	q.mu.Lock()
	q.closed = true
	q.discardLocked()
	q.signalLocked()
	q.mu.Unlock()
}

func (q *outbox) discardLocked() {
	if q.out != nil {
		q.stats.discarded += uint64(q.frames)
		q.releaseLocked(q.out)
		q.out = nil
	}
	q.stats.discarded += uint64(q.nCtl)
	q.control, q.nCtl = nil, 0
	q.lossy, q.holes, q.frames = nil, 0, 0
	q.sent = q.put
}

func (q *outbox) queuedLocked() int {
	if q.out == nil {
		return 0
	}
	return len(q.out.unread()) - q.holes
}

// growLocked makes room for n more bytes: that of dropped frames, where it is
// worth the copying, or new room.
func (q *outbox) growLocked(n int) {
	if q.out != nil && len(q.out.room()) < n && q.holes > q.out.Size()/4 {
		q.compactLocked()
	}
	switch {
	case q.out == nil:
		q.out = newBuffer(n)
		q.budget.add(q.out.Size())
		return
	case len(q.out.room()) >= n:
		return
	}
	for i := range q.lossy {
		q.lossy[i].off -= q.out.r
	}
	old, left := q.out, q.out.unread()
	want := len(left) + n
	if want > largeBuffer {
		want = max(want, 2*len(left))
	}
	if want <= old.Size() && len(left) <= old.r { // what has been taken leaves room enough
		old.r, old.w = 0, copy(old.data, left)
		return
	}
	q.out = newBuffer(want)
	q.budget.add(q.out.Size())
	q.out.w = copy(q.out.data, left)
	q.releaseLocked(old)
}

func (q *outbox) releaseLocked(b *Buffer) {
	q.budget.add(-b.Size())
	b.Release()
}

// take returns the next bytes to write, whole frames, or nil. The caller gives
// the buffer back to done.
func (q *outbox) takeLocked() *Buffer {
	if q.out == nil && q.nCtl == 0 {
		return nil
	}
	q.expireLocked()
	if q.holes > 0 {
		q.compactLocked()
	}
	if q.out == nil && q.nCtl == 0 { // all of it has expired
		return nil
	}
	n, all := 0, 0
	if q.out != nil {
		all = len(q.out.unread())
		n = all
	}
	if room := chunkSize - len(q.control); n > room {
		if n = wholeFrames(q.out.unread(), room); n > room && q.nCtl > 0 {
			n = 0 // the largest frame goes alone: a WebSocket message has no room for more
		}
	}
	q.sent += uint64(n)
	if len(q.control) == 0 && q.out != nil && n == all { // the usual case: no copy
		b := q.out
		q.stats.written += uint64(q.frames)
		q.out, q.frames, q.lossy = nil, 0, q.lossy[:0]
		if cap(q.lossy) > maxLossy { // a rare burst's
			q.lossy = nil
		}
		return b
	}
	b := newBuffer(len(q.control) + n)
	q.budget.add(b.Size())
	b.w = copy(b.data, q.control)
	q.stats.written += uint64(q.nCtl)
	q.control, q.nCtl = nil, 0
	if q.out != nil {
		b.w += copy(b.data[b.w:], q.out.unread()[:n])
		q.cutLocked(n)
	}
	return b
}

// cutLocked takes the first n bytes of out, whole frames, as taken. They stay where
// they are: moving all that waits behind them, chunk by chunk, takes longer than
// writing it.
func (q *outbox) cutLocked(n int) {
	cut := countFrames(q.out.unread()[:n])
	q.frames -= cut
	q.stats.written += uint64(cut)
	q.out.r += n
	end := q.out.r
	if end == q.out.w {
		q.releaseLocked(q.out)
		q.out = nil
	}
	k := 0
	for _, s := range q.lossy {
		if s.off >= end {
			if s.at.IsZero() { // from now on it waits for the socket
				s.at = time.Now()
			}
			q.lossy[k] = s
			k++
		}
	}
	q.lossy = q.lossy[:k]
}

// deadlineLocked is when the oldest byte that waits will be too old. One byte
// is watched at a time, so a session that always lags a little may reach twice
// the age before it is noticed; one that reads nothing does not.
func (q *outbox) deadlineLocked(now time.Time) time.Time {
	if q.mark == nil || q.sent >= q.mark.pos {
		q.mark = &ageMark{pos: q.put, at: now}
	}
	return q.mark.at.Add(maxAge)
}

// wholeFrames is the length of the longest run of whole frames at the start of
// b that is at most limit, or of the first frame if that alone is longer.
func wholeFrames(b []byte, limit int) int {
	n := 0
	for n < len(b) {
		_, _, size, err := wire.ParseFrame(b[n:], wire.MaxFrame)
		if err != nil || size == 0 || n > 0 && n+size > limit {
			break
		}
		n += size
	}
	return n
}

func countFrames(b []byte) (n int) {
	for len(b) > 0 {
		_, _, size, err := wire.ParseFrame(b, wire.MaxFrame)
		if err != nil || size == 0 {
			break
		}
		b = b[size:]
		n++
	}
	return n
}
