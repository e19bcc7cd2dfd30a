package session

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// Receiver gets what a session reads, on the session's reader goroutine.
type Receiver interface {
	// Frame takes one frame. body is a view of b, which the receiver Retains
	// for as long as it keeps views. An error ends the session; a CloseError
	// says with which code.
	Frame(k wire.Kind, body []byte, b *Buffer) error
	// EndRead comes after the frames of one read: post what was gathered.
	EndRead() error
	// Ended comes once, last.
	Ended(*CloseError)
}

// Session is one connection after its handshake. Its methods may be called from
// any goroutine.
type Session struct {
	// set once
	id     wire.ID
	conn   *Conn
	env    *Env
	server bool
	recv   Receiver
	onEnd  func()

	out outbox
	in  gate

	// the reader's
	now      time.Time // of the read under way
	bucket   Bucket
	refused  *patience // nil until something was refused
	touched  []Route   // routes with something gathered in this read
	due      time.Time // the read deadline for the rest of a frame; zero when none is set
	frameMax int

	routes   atomic.Pointer[map[wire.ID]Route]
	lastRead atomic.Int64 // Unix nanoseconds
	clock    clock
	discard  atomic.Bool // what is read is thrown away: the session is closing
	counts   Counts

	mu    sync.Mutex
	cause *CloseError   // why it ends; the first one counts
	over  bool          // the reader has ended
	ended chan struct{} // closed then; nil until somebody waits for it
	slot  int           // in the sweeper, see there

	routed sync.Mutex // writers of routes
	sealed bool       // no more routes
}

// Counts of one session, for statistics.
type Counts struct {
	FramesIn, BytesIn, Skipped, Refused, Late atomic.Uint64
}

// New makes the session of a finished handshake. Nothing is read before Start.
func New(id wire.ID, c *Conn, env *Env, server bool) *Session {
	c.lift()
	c.hurry(env.FrameTimeout)
	s := &Session{id: id, conn: c, env: env, server: server, frameMax: env.FrameLimit}
	s.out.soft, s.out.hard, s.out.budget = env.QueueSoft, env.QueueHard, env.Budget
	s.lastRead.Store(time.Now().UnixNano())
	env.sweeper.expect(s)
	return s
}

// Start begins to read, on a goroutine that ends with the session. Call it once.
func (s *Session) Start(r Receiver) {
	s.recv = r
	if !s.env.sweeper.add(s) { // too late, see Env.GiveUp
		s.readerEnded()
		r.Ended(s.Err())
		return
	}
	s.env.wg.Go(s.read) // ended by the connection's end
}

// giveUp ends a session that was never started.
func (s *Session) giveUp() {
	s.because(&CloseError{Code: wire.CodeAborted})
	s.out.abandon()
	s.conn.Close()
	if s.onEnd != nil {
		s.onEnd()
	}
}

// OnEnd has f called when the session has ended, before its Receiver is told.
// Call it before Start.
func (s *Session) OnEnd(f func()) { s.onEnd = f }

// ID is the peer's id.
func (s *Session) ID() wire.ID { return s.id }

// RemoteAddr is the other end's address.
func (s *Session) RemoteAddr() netip.AddrPort { return s.conn.RemoteAddr() }

// LocalAddr is this end's address.
func (s *Session) LocalAddr() netip.AddrPort { return s.conn.LocalAddr() }

// FrameLimit is the largest frame that may be sent here, in either direction.
func (s *Session) FrameLimit() int { return s.env.FrameLimit }

// Counts are the session's counters.
func (s *Session) Counts() *Counts { return &s.counts }

// Charge counts n bytes of the reader's buffers as waiting with a receiver,
// until it Credits them, and returns how many wait now. At the limit the reader
// stops.
func (s *Session) Charge(n int) (held int) { return s.in.charge(n) }

// Credit takes a Charge back.
func (s *Session) Credit(n int) { s.in.credit(n) }

// LiftGate lets the reader go on at the limit that Charge counts toward, until
// LowerGate: whoever waits for an answer must not be held up by what he has not
// handled yet, for it may be handled on the goroutine that waits. The Receiver
// then sets the limit.
func (s *Session) LiftGate() { s.in.lift() }

// LowerGate takes a LiftGate back.
func (s *Session) LowerGate() { s.in.lower() }

// Now is the time of the read under way; for Receivers, in their calls.
func (s *Session) Now() time.Time { return s.now }

// Done is closed when the reader has ended; its Receiver has been told by then.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(chan struct{})
		if s.over {
			close(s.ended)
		}
	}
	return s.ended
}

func (s *Session) readerEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.ended != nil {
		close(s.ended)
	}
}

func (s *Session) read() {
	b, err := s.first()
	hint, carried := smallBuffer, 0
	for err == nil {
		s.now = time.Now()
		s.lastRead.Store(s.now.UnixNano())
		if hint = smallBuffer; len(b.room()) == 0 { // more is waiting
			hint = min(b.Size()+1, largeBuffer)
		}
		s.counts.BytesIn.Add(uint64(len(b.unread()) - carried))
		begun := b.r
		if err = s.decode(b); err != nil {
			break
		}
		b = s.rest(b, b.r > begun)
		if carried = 0; b != nil {
			carried = len(b.unread())
		}
		if s.conn.ws != nil && b != nil {
			err = protocolError("a message must be whole frames")
			break
		}
		s.in.wait(s.resume)
		b, err = s.conn.in.read(b, hint)
	}
	b.release()
	s.finishRead(err)
}

// resume is called when the gate has held the reader up: what has not been read
// meanwhile is this end's fault.
func (s *Session) resume() {
	now := time.Now()
	s.lastRead.Store(now.UnixNano())
	if !s.due.IsZero() {
		s.finishBy(now.Add(s.env.FrameTimeout))
	}
}

// first is the first read: what the handshake has read too much comes first.
func (s *Session) first() (*Buffer, error) {
	if len(s.conn.ahead) == 0 {
		return s.conn.in.read(nil, smallBuffer)
	}
	b := newBuffer(len(s.conn.ahead))
	b.w = copy(b.data, s.conn.ahead)
	s.conn.ahead = nil
	return b, nil
}

// decode hands on what was read.
func (s *Session) decode(b *Buffer) error {
	if s.discard.Load() {
		b.r = b.w
		return nil
	}
	n, err := s.frames(b)
	s.counts.FramesIn.Add(n)
	if err == nil && s.conn.ws != nil && n == 0 {
		err = protocolError("a message without a frame")
	}
	if e := s.endRoutes(); err == nil { // what came before an error counts
		err = e
	}
	if err != nil {
		return err
	}
	return s.recv.EndRead()
}

// frames hands on the frames that are whole, and counts them.
func (s *Session) frames(b *Buffer) (n uint64, err error) {
	for {
		k, body, size, err := wire.ParseFrame(b.unread(), s.frameMax)
		if err != nil {
			if errors.Is(err, wire.ErrTooLarge) {
				return n, &CloseError{Code: wire.CodeTooLarge, Text: err.Error()}
			}
			return n, protocolError("%v", err)
		}
		if size == 0 {
			return n, nil
		}
		b.r += size
		n++
		if err := s.frame(k, body, b); err != nil {
			return n, err
		}
	}
}

func (s *Session) frame(k wire.Kind, body []byte, b *Buffer) error {
	switch k {
	case wire.KindPing:
		return s.pinged(body)
	case wire.KindPong:
		return s.ponged(body)
	case wire.KindClose:
		return remoteClose(body)
	case wire.KindOperation, wire.KindResponse:
		return s.recv.Frame(k, body, b)
	case wire.KindEvent, wire.KindGroupEntry, wire.KindGroupMessage:
		if !s.server {
			return s.recv.Frame(k, body, b)
		}
	case wire.KindGroupSend, wire.KindGroupAck, wire.KindGroupSet:
		if s.server {
			return s.route(k, body, b)
		}
	default:
		if k.Skippable() {
			s.counts.Skipped.Add(1)
			if s.server && !s.bucket.Take(s.env.Rate, s.now) {
				return s.refuse()
			}
			return nil
		}
	}
	return protocolError("frame %v is not expected here", k)
}

// rest keeps the beginning of a frame for the next read, in a buffer with room
// for all of it, and sets the deadline of its end. fresh says that it is not
// the frame whose beginning the last read left.
func (s *Session) rest(b *Buffer, fresh bool) *Buffer {
	rest := b.unread()
	if len(rest) == 0 {
		b.Release()
		if !s.due.IsZero() {
			s.finishBy(time.Time{})
		}
		return nil
	}
	if s.conn.ws == nil {
		// Setting one costs as much as decoding: one that has most of its time left stays.
		due := s.now.Add(s.env.FrameTimeout)
		if s.due.IsZero() || fresh && due.Sub(s.due) > s.env.FrameTimeout/8 {
			s.finishBy(due)
		}
	}
	need := max(frameLen(rest), len(rest)+1)
	if b.refs.Load() == 1 && need <= b.Size() { // nobody has views of it
		b.w = copy(b.data, rest)
		b.r = 0
		return b
	}
	nb := newBuffer(need)
	nb.w = copy(nb.data, rest)
	b.Release()
	return nb
}

func (s *Session) finishBy(t time.Time) {
	s.due = t
	s.conn.setReadDeadline(t)
}

// frameLen is the size of the frame that p begins, 0 while its length is not whole.
func frameLen(p []byte) int {
	n, shift := 0, 0
	for i, c := range p {
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return i + 1 + n
		}
		if shift += 7; shift > 21 {
			return 0 // ParseFrame refuses it
		}
	}
	return 0
}

// finishRead ends the session for whatever reason the reader ended.
func (s *Session) finishRead(err error) {
	var ce *CloseError
	switch {
	case errors.As(err, &ce):
	case errors.Is(err, io.EOF):
		ce = &CloseError{Code: wire.CodeLost, Remote: true, Err: err}
	case isTimeout(err):
		ce = &CloseError{Code: wire.CodeTimeout, Text: "a frame was begun and not finished"}
	default:
		ce = &CloseError{Code: wire.CodeLost, Err: err}
	}
	s.env.sweeper.remove(s)
	local := !ce.Remote && ce.Code != wire.CodeLost
	ce = s.because(ce)
	if local {
		s.shut(ce, true)
	} else {
		s.out.abandon()
		s.depart(ce)
	}
	if s.onEnd != nil {
		s.onEnd()
	}
	s.recv.Ended(ce)
	if local {
		s.swallow()
	}
	s.readerEnded()
}

// depart closes the connection of a session that the other end has ended. A
// WebSocket answers the goodbye that may follow.
func (s *Session) depart(ce *CloseError) {
	if s.conn.ws == nil || !ce.Remote || ce.Code == wire.CodeLost {
		s.conn.Close()
		return
	}
	s.env.wg.Go(func() { // ended by Linger
		s.conn.end(4000+int(ce.Code), ce.Text, s.env.Linger)
		s.conn.Close()
	})
}

// swallow reads on until the other end has gone or linger closes: a close with
// unread input would reset the connection under the last frame.
func (s *Session) swallow() {
	s.conn.setReadDeadline(time.Time{}) // of the rest of a frame
	for {
		b, err := s.conn.in.read(nil, smallBuffer)
		b.release()
		if err != nil {
			return
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// because records why the session ends, and returns why it does: the first
// reason given.
func (s *Session) because(ce *CloseError) *CloseError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.cause = ce
	}
	return s.cause
}

// Err is why the session ended or is ending, or nil.
func (s *Session) Err() *CloseError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}
