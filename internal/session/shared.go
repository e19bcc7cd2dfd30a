package session

import "github.com/troupe-go/troupe/wire"

// sharer is a sink that can write bytes of which it keeps nothing: what is left
// over is the caller's to copy, and to give back by keep for drain.
type sharer interface {
	writeSome(p []byte) (n int, err error)
	keep(rest []byte)
}

// SendShared queues n whole reliable frames and flushes. It is for what goes to
// many sessions: where nothing waits, the frames are written from where they
// stand, and one copy in the processor's cache serves all. They must not change
// until it returns.
func (s *Session) SendShared(frames []byte, n int) error {
	var raw sharer
	if s.conn != nil {
		raw, _ = s.conn.out.(sharer)
	}
	if raw == nil || !s.out.claim(len(frames), n) {
		err := s.putShared(frames, n)
		s.Flush()
		return err
	}
	k, err := raw.writeSome(frames)
	switch {
	case err != nil:
		s.writeFailed(nil, err)
	case k < len(frames):
		rest := s.out.copyOf(frames[k:])
		raw.keep(rest.data[:rest.w])
		s.env.wg.Go(func() { s.drain(rest) }) // ended by an empty queue or a closed connection
	default:
		s.write(s.next(nil))
	}
	return nil
}

func (s *Session) putShared(frames []byte, n int) error {
	b, q, err := s.room(len(frames), wire.Reliable, lane{})
	if err != nil {
		return err
	}
	q.commitFrames(append(b, frames...), n)
	return nil
}

// claim begins to write n frames of size bytes past the queue, if that is empty
// and nobody is writing.
func (q *outbox) claim(size, n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.writing || q.out != nil || q.nCtl > 0 {
		return false
	}
	q.writing = true
	q.put += uint64(size)
	q.sent += uint64(size)
	q.stats.accepted += uint64(n)
	q.stats.written += uint64(n)
	return true
}

// copyOf is what the socket did not take of bytes that are not the queue's.
func (q *outbox) copyOf(rest []byte) *Buffer {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := newBuffer(len(rest))
	q.budget.add(b.Size())
	b.w = copy(b.data, rest)
	return b
}
