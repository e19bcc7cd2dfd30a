package session

import (
	"time"

	"github.com/troupe-go/troupe/wire"
	"google.golang.org/protobuf/proto"
)

// Flush writes what is queued, without waiting: what the socket does not take
// is written by a goroutine that lives until the queue is empty. Whoever put
// frames in and has no more of them flushes.
func (s *Session) Flush() {
	if d := s.dg.Load(); d != nil {
		if l := d.link.Load(); l != nil {
			l.flush()
		}
		if s.conn == nil {
			return
		}
	}
	q := &s.out
	q.mu.Lock()
	if q.writing || q.out == nil && q.nCtl == 0 {
		q.mu.Unlock()
		return
	}
	b := q.takeLocked()
	q.writing = b != nil
	q.mu.Unlock()
	s.write(b)
}

// FlushAll is Flush for sessions of one endpoint's that have no streams: their
// packets leave together.
func FlushAll(list []*Session) {
	for _, s := range list {
		if l := s.dg.Load().link.Load(); l.unsent.Load() {
			l.e.tx.list(l)
		}
	}
	if len(list) > 0 {
		list[0].dg.Load().link.Load().e.tx.run()
	}
}

// write writes b and whatever has come since, as long as the socket takes it.
func (s *Session) write(b *Buffer) {
	for ; b != nil; b = s.next(b) {
		done, err := s.conn.out.tryWrite(b.data[:b.w])
		if err != nil {
			s.writeFailed(b, err)
			return
		}
		if !done {
			rest := b                             // capturing b, which changes, would put it on the heap at every write
			s.env.wg.Go(func() { s.drain(rest) }) // ended by an empty queue or a closed connection
			return
		}
	}
}

// next gives back what was written and takes more; nil ends the writing.
func (s *Session) next(b *Buffer) *Buffer {
	q := &s.out
	q.mu.Lock()
	defer q.mu.Unlock()
	if b != nil {
		q.releaseLocked(b)
	}
	if b = q.takeLocked(); b == nil {
		if l, ok := s.conn.out.(*layeredSink); ok && l.nb.pending() { // kick has relied on this
			s.drainKept()
			return nil
		}
		q.writing = false
		q.mark = nil
		q.signalLocked()
	}
	return b
}

// drain waits for the socket, and goes on with it.
func (s *Session) drain(b *Buffer) {
	for b != nil {
		q := &s.out
		q.mu.Lock()
		deadline := q.deadlineLocked(time.Now())
		q.mu.Unlock()
		if err := s.conn.out.drain(deadline); err != nil {
			s.writeFailed(b, err)
			return
		}
		for done := true; done; {
			if b = s.next(b); b == nil {
				return
			}
			var err error
			if done, err = s.conn.out.tryWrite(b.data[:b.w]); err != nil {
				s.writeFailed(b, err)
				return
			}
		}
	}
}

// kick has written what a layer said by itself, a pong or a TLS record, and the
// socket did not take.
func (s *Session) kick() {
	q := &s.out
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.writing { // next looks
		return
	}
	q.writing = true
	s.drainKept()
}

// drainKept begins to write what is kept below a layer. The queue's lock is
// held, and the queue is being written.
func (s *Session) drainKept() {
	deadline := s.out.deadlineLocked(time.Now())
	s.env.wg.Go(func() { // ended by the socket or the deadline
		if err := s.conn.out.drain(deadline); err != nil {
			s.writeFailed(nil, err)
			return
		}
		s.write(s.next(nil))
	})
}

func (s *Session) writeFailed(b *Buffer, err error) {
	s.fail(err)
	q := &s.out
	q.mu.Lock()
	if b != nil {
		q.releaseLocked(b)
	}
	q.writing = false
	q.signalLocked()
	q.mu.Unlock()
}

// drained returns a channel that is closed once nothing is left to write.
func (q *outbox) drained() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	empty := make(chan struct{})
	q.empty = empty
	q.signalLocked() // forgets it where nothing is left already
	return empty
}

func (q *outbox) signalLocked() {
	if q.empty != nil && !q.writing && q.out == nil && q.nCtl == 0 {
		close(q.empty)
		q.empty = nil
	}
}

// queue is what room has locked, and commit unlocks.
type queue interface {
	// commitFrames takes n frames that were appended to what begin returned. It
	// reports whether so much waits that it should be flushed now.
	commitFrames(b []byte, n int) (full bool)
}

// commit is the common end of the Put methods.
func (s *Session) commit(q queue, b []byte) error {
	if q.commitFrames(b, 1) {
		s.Flush()
	}
	return nil
}

func (s *Session) begin(k wire.Kind, size int, d wire.Delivery) ([]byte, queue, error) {
	return s.beginIn(k, size, d, laneOf(d, 0, 0))
}

// beginIn is begin with the lane of what is sequenced, which is that by which
// the other end judges it, see laneOfFrame.
func (s *Session) beginIn(k wire.Kind, size int, d wire.Delivery, l lane) ([]byte, queue, error) {
	if size+1 > s.env.FrameLimit {
		return nil, nil, ErrTooLarge
	}
	b, q, err := s.room(wire.FrameSize(size), d, l)
	if err != nil {
		return nil, nil, err
	}
	return wire.AppendHeader(b, k, size), q, nil
}

// room finds the queue for n bytes of frames and locks it; the caller appends
// them to what it returns and gives that to commit. With an error nothing is
// locked. A reliable message that does not fit ends the session.
func (s *Session) room(n int, d wire.Delivery, l lane) (b []byte, q queue, err error) {
	if dg := s.dg.Load(); dg != nil {
		b, q, err = dg.room(n, d, l)
	} else {
		b, err = s.out.begin(n, d, l)
		q = &s.out
	}
	if err == ErrOverloaded && d.Class() == wire.ClassReliable {
		s.slow()
	}
	return b, q, err
}

// slow ends a session whose reliable queue is full: never a hole.
func (s *Session) slow() {
	s.shut(s.because(&CloseError{Code: wire.CodeSlow, Text: "too much is waiting to be read"}), true)
}

// PutOperation queues an operation; like all Put methods it leaves the flushing
// to the caller, copies what m holds, and returns ErrClosed, ErrTooLarge,
// ErrNoSuchChannel or ErrOverloaded.
func (s *Session) PutOperation(m *wire.Operation) error {
	b, q, err := s.begin(wire.KindOperation, m.Size(), m.Delivery)
	if err != nil {
		return err
	}
	return s.commit(q, m.Append(b))
}

// PutResponse queues a response.
func (s *Session) PutResponse(m *wire.Response) error {
	b, q, err := s.begin(wire.KindResponse, m.Size(), m.Delivery)
	if err != nil {
		return err
	}
	return s.commit(q, m.Append(b))
}

// PutEvent queues an event.
func (s *Session) PutEvent(m *wire.Event) error {
	b, q, err := s.begin(wire.KindEvent, m.Size(), m.Delivery)
	if err != nil {
		return err
	}
	return s.commit(q, m.Append(b))
}

// PutGroupSend queues a group message of a client.
func (s *Session) PutGroupSend(m *wire.GroupSend) error {
	b, q, err := s.beginIn(wire.KindGroupSend, m.Size(), m.Delivery, laneOfSend(m))
	if err != nil {
		return err
	}
	return s.commit(q, m.Append(b))
}

// PutGroupMessage queues a member's own message to another one, in a pair.
func (s *Session) PutGroupMessage(m *wire.GroupMessage) error {
	b, q, err := s.beginIn(wire.KindGroupMessage, m.Size(), m.Delivery, laneOf(m.Delivery, m.Group, m.Sender))
	if err != nil {
		return err
	}
	return s.commit(q, m.Append(b))
}

// PutFrame queues a whole encoded frame: what is sent to many is encoded once.
func (s *Session) PutFrame(frame []byte, d wire.Delivery) error {
	return s.putFrame(frame, d, laneOf(d, 0, 0))
}

// PutMessage queues m as a reliable frame of kind k.
func (s *Session) PutMessage(k wire.Kind, m proto.Message) error {
	frame, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		return err
	}
	return s.PutFrame(frame, wire.Reliable)
}

// PutRelayed is PutFrame for a message of another member of a group: sequenced
// ones of different members don't supersede each other.
func (s *Session) PutRelayed(frame []byte, d wire.Delivery, group, sender wire.ID) error {
	return s.putFrame(frame, d, laneOf(d, group, sender))
}

func (s *Session) putFrame(frame []byte, d wire.Delivery, l lane) error {
	if len(frame) > wire.FrameSize(s.env.FrameLimit-1) {
		return ErrTooLarge
	}
	b, q, err := s.room(len(frame), d, l)
	if err != nil {
		return err
	}
	return s.commit(q, append(b, frame...))
}
