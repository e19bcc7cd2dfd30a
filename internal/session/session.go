package session

import (
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
	conn   *Conn // nil on udp://
	env    *Env
	server bool
	equals bool // see BetweenServers
	recv   Receiver
	onEnd  func()

	out outbox
	in  gate

	// decoding's: whoever hands on what was read, be it from the stream or from
	// datagrams, holds it
	decoding sync.Mutex
	now      time.Time // of the read under way
	bucket   Bucket
	refused  *patience // nil until something was refused
	touched  []Route   // routes with something gathered in this read
	patient  bool      // this read may be held up
	finished bool      // the Receiver has been told of the end

	// the reader's
	due      time.Time // the read deadline for the rest of a frame; zero when none is set
	frameMax int

	dg atomic.Pointer[datagrams] // nil until there are any

	loan atomic.Pointer[loan] // nil until the reader has had a Turn

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
	swept uint64        // frames that had come at its last turn; who sweeps has it

	routed sync.Mutex // writers of routes
	sealed bool       // no more routes
}

// Counts of one session, for statistics.
type Counts struct {
	FramesIn, BytesIn, Skipped, Refused, Late atomic.Uint64

	Stale  atomic.Uint64 // sequenced messages that came after a newer one
	Unread atomic.Uint64 // datagrams for which the receiver had no room
	Moves  atomic.Uint64 // changes of the other end's address
}

// New makes the session of a finished handshake. Nothing is read before Start.
func New(id wire.ID, c *Conn, env *Env, server bool) *Session {
	c.lift()
	c.hurry(env.FrameTimeout)
	s := makeSession(id, c, env, server)
	if l, ok := c.out.(*layeredSink); ok {
		l.nb.behind = s.kick
		if c.ws != nil {
			l.nb.linger = env.Linger
		}
	}
	env.sweeper.expect(s)
	return s
}

func makeSession(id wire.ID, c *Conn, env *Env, server bool) *Session {
	s := &Session{id: id, conn: c, env: env, server: server, frameMax: env.FrameLimit}
	s.out.soft, s.out.hard, s.out.budget = env.QueueSoft, env.QueueHard, env.Budget
	s.lastRead.Store(time.Now().UnixNano())
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
	if s.conn == nil {
		s.dg.Load().ready.Store(true)
		s.tellLinkEnd() // where it is over already
		s.resumeLink()  // what has come meanwhile
		return
	}
	if d := s.dg.Load(); d != nil {
		d.way.Lock()
		d.ready.Store(true)
		d.tellLocked()
		d.way.Unlock()
	}
	s.env.wg.Go(s.read) // ended by the connection's end
}

// giveUp ends a session that was never started.
func (s *Session) giveUp() {
	s.because(&CloseError{Code: wire.CodeAborted})
	s.out.abandon()
	if s.conn != nil {
		s.conn.Close()
	}
	s.leave()
	if s.onEnd != nil {
		s.onEnd()
	}
}

// BetweenServers makes the ends equals: either tells events, and there are no
// groups. Call it before Start.
func (s *Session) BetweenServers() { s.equals = true }

// OnEnd has f called when the session has ended, before its Receiver is told.
// Call it before Start.
func (s *Session) OnEnd(f func()) { s.onEnd = f }

// ID is the peer's id.
func (s *Session) ID() wire.ID { return s.id }

// RemoteAddr is the other end's address. On udp:// it may change.
func (s *Session) RemoteAddr() netip.AddrPort {
	if s.conn == nil {
		return s.dg.Load().link.Load().Remote()
	}
	return s.conn.RemoteAddr()
}

// LocalAddr is this end's address.
func (s *Session) LocalAddr() netip.AddrPort {
	if s.conn == nil {
		return s.dg.Load().link.Load().e.LocalAddr()
	}
	return s.conn.LocalAddr()
}

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
func (s *Session) LiftGate() {
	s.in.lift()
	s.relieve()
}

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
