package session

import (
	"time"

	"github.com/troupe-go/troupe/wire"
)

// admitLossyLocked makes room for a frame that may be dropped, or refuses it. A
// sequenced one takes the place of the older one of its lane, for which the soft
// limit does not stand in its way: the newest is what arrives.
func (q *outbox) admitLossyLocked(n int, c wire.Class, l lane) error {
	var old *segment
	if c == wire.ClassSequenced {
		old = q.waitingLocked(l)
	}
	limit, queued := q.soft, q.queuedLocked()
	if q.shared && (queued+n > q.soft/2 || len(q.lossy) >= maxHeld) {
		q.holdLocked()
	}
	if old != nil {
		limit, queued = q.hard, queued-old.n
	}
	if q.writing && queued+n > limit {
		q.stats.accepted++
		q.stats.overflowed++
		return ErrOverloaded
	}
	switch {
	case old != nil:
		q.dropLocked(old)
		q.stats.superseded++
	case q.writing:
		q.makeRoomLocked(c)
	}
	return nil
}

// waitingLocked is the sequenced frame of a lane that waits, or nil.
func (q *outbox) waitingLocked(l lane) *segment {
	for i := len(q.lossy) - 1; i >= 0; i-- {
		if s := &q.lossy[i]; s.class == wire.ClassSequenced && s.lane == l && !s.dropped {
			return s
		}
	}
	return nil
}

// makeRoomLocked drops the oldest of a class when as many wait as may.
func (q *outbox) makeRoomLocked(c wire.Class) {
	limit := maxLossy
	if c == wire.ClassSequenced {
		limit = maxSequenced
	}
	n, oldest := 0, -1
	for i := range q.lossy {
		if s := &q.lossy[i]; s.class == c && !s.dropped {
			n++
			if oldest < 0 {
				oldest = i
			}
		}
	}
	if n >= limit {
		q.dropLocked(&q.lossy[oldest])
		q.stats.overflowed++
	}
	if len(q.lossy) > 2*(maxLossy+maxSequenced) {
		q.compactLocked()
	}
}

func (q *outbox) dropLocked(s *segment) {
	s.dropped = true
	q.holes += s.n
	q.frames--
}

// expireLocked drops unreliable frames that have waited too long. Sequenced
// ones stay: there is nothing newer of their lane.
func (q *outbox) expireLocked() {
	var now time.Time
	for i := range q.lossy {
		s := &q.lossy[i]
		if s.dropped || s.at.IsZero() || s.class == wire.ClassSequenced {
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		if now.Sub(s.at) > lossyTTL {
			q.dropLocked(s)
			q.stats.expired++
		}
	}
}

// hold says that what waits can't be written now, and that dropping begins. It
// reports whether anything waits.
func (q *outbox) hold() (waits bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.holdLocked()
	return q.out != nil
}

func (q *outbox) holdLocked() {
	if q.writing || q.out == nil {
		return
	}
	q.writing = true
	now := time.Now()
	for i := range q.lossy {
		q.lossy[i].at = now
	}
}

// held reports whether hold has been called since something was last taken.
func (q *outbox) held() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writing
}

// takeLossy takes what waits in an outbox of lossy frames alone, up to limit
// bytes but at least a frame, with the frames' places in the buffer, appended to
// frames. more says that there is more, which is held now. The caller gives the
// buffer back.
func (q *outbox) takeLossy(frames []segment, limit int) (b *Buffer, _ []segment, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.out == nil {
		q.writing = false
		return nil, frames, false
	}
	q.expireLocked()
	if q.holes > 0 {
		q.compactLocked()
	}
	if q.out != nil && len(q.out.unread()) > limit {
		q.holdLocked()
		b, frames = q.takeSomeLocked(frames, limit)
		if q.out != nil {
			return b, frames, true
		}
		q.writing = false
		return b, frames, false
	}
	q.writing = false
	if b = q.out; b == nil {
		return nil, frames, false
	}
	q.sent += uint64(len(b.unread()))
	q.stats.written += uint64(q.frames)
	frames = append(frames, q.lossy...)
	q.out, q.frames, q.lossy = nil, 0, q.lossy[:0]
	if cap(q.lossy) > maxLossy {
		q.lossy = nil
	}
	return b, frames, false
}

// takeSomeLocked takes the first frames, up to limit bytes but at least one.
func (q *outbox) takeSomeLocked(frames []segment, limit int) (*Buffer, []segment) {
	n := wholeFrames(q.out.unread(), limit)
	for _, s := range q.lossy {
		if s.off -= q.out.r; s.off < n {
			frames = append(frames, s)
		}
	}
	b := newBuffer(n)
	q.budget.add(b.Size())
	b.w = copy(b.data, q.out.unread()[:n])
	q.sent += uint64(n)
	q.cutLocked(n)
	return b, frames
}

// giveBack gives back what takeLossy returned.
func (q *outbox) giveBack(b *Buffer) {
	q.budget.add(-b.Size())
	b.Release()
}

// compactLocked closes the holes.
func (q *outbox) compactLocked() {
	if q.out == nil {
		return
	}
	b := q.out.data
	w, r, k := q.out.r, q.out.r, 0
	for _, s := range q.lossy {
		w += copy(b[w:], b[r:s.off])
		r = s.off
		if s.dropped {
			r += s.n
			q.sent += uint64(s.n)
			continue
		}
		s.off = w
		w += copy(b[w:], b[r:r+s.n])
		r += s.n
		q.lossy[k] = s
		k++
	}
	w += copy(b[w:], b[r:q.out.w])
	q.out.w, q.holes, q.lossy = w, 0, q.lossy[:k]
	if w == q.out.r {
		q.releaseLocked(q.out)
		q.out = nil
	}
}
