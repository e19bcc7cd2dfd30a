package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// Turn is work that a reader does before it reads on: to run whoever gets what
// it has read, when nobody else is running it. It saves waking another
// goroutine for each read, which costs as much as handling a few operations.
//
// The work may block. A session must be read all the same, for pings and
// acknowledgements, so a reader that is away for long is relieved: another
// goroutine becomes the reader, and the first one ends with its work.
type Turn interface {
	Run()      // here
	Dispatch() // elsewhere
}

// Lend has the reader do t when it has dealt with the present read. Only for
// Receivers, in EndRead and Frame. The reader does one thing: of two Turns in a
// read the first is dispatched.
func (s *Session) Lend(t Turn) {
	l := s.loan.Load()
	if l == nil {
		l = &loan{s: s}
		s.loan.Store(l)
	}
	s.takeTurn()
	l.turn = t
}

// takeTurn passes on a turn that the reader has no time for: it ends.
func (s *Session) takeTurn() {
	if t := s.grabTurn(); t != nil {
		t.Dispatch()
	}
}

// grabTurn takes the turn of the present read from the loan, or returns nil.
func (s *Session) grabTurn() Turn {
	l := s.loan.Load()
	if l == nil {
		return nil
	}
	t := l.turn
	l.turn = nil
	return t
}

// loan is a reader that does something else.
type loan struct {
	s *Session

	turn Turn // of the read under way; whoever decodes it has it

	// the reader's
	buf  *Buffer // what the next read goes on with
	hint int

	absence
}

// absent is a reader that may be away.
type absent interface {
	takeOver(n uint32)
	away() *absence
}

// absence is what is known of a reader that does something else.
type absence struct {
	last uint32 // the number of the last loan; the reader's

	// number is that of the loan under way, 0 when the reader reads. Whoever
	// takes it back to 0 is the reader, and owns what is the reader's.
	number atomic.Uint32

	// relief.mu's
	at   int    // in relief.away, plus 1; 0 when not there
	of   uint32 // the number there
	tick uint32 // when it began
}

func (a *absence) away() *absence { return a }

// begin numbers the next loan.
func (a *absence) begin() uint32 {
	a.last = max(a.last+1, 1)
	return a.last
}

// lend runs t. It reports whether this goroutine is still the reader; b,
// what the next read goes on with, belongs to whoever is.
func (s *Session) lend(t Turn, b *Buffer, hint int) bool {
	l := s.loan.Load()
	l.buf, l.hint = b, hint
	n := l.begin()
	s.env.relief.add(s.env, l, n)
	defer s.env.relief.remove(l, n) // also where runtime.Goexit ends this goroutine
	returned := false
	defer func() {
		if !returned {
			l.takeOver(n)
		}
	}()
	if s.in.isLifted() { // somebody waits for an answer: LiftGate has come too early to relieve
		t.Dispatch()
	} else {
		t.Run()
	}
	returned = true
	if !l.number.CompareAndSwap(n, 0) {
		return false
	}
	l.buf = nil // an idle session holds none
	return true
}

// relieve lets another goroutine be the reader at once, if the reader is away.
func (s *Session) relieve() {
	if d := s.dg.Load(); d != nil {
		if l := d.link.Load(); l != nil {
			r := &l.e.shift
			r.takeOver(r.number.Load())
		}
	}
	if l := s.loan.Load(); l != nil {
		l.takeOver(l.number.Load())
	}
}

// takeOver makes another goroutine the reader, if loan n is still under way when
// it runs. It takes the loan itself: Env.Wait must not find a session between
// two readers.
func (l *loan) takeOver(n uint32) {
	if n == 0 || l.number.Load() != n {
		return
	}
	l.s.env.wg.Go(func() { // ended by the connection's end
		if !l.number.CompareAndSwap(n, 0) {
			return
		}
		b, carried := l.buf, 0
		l.buf = nil
		if b != nil {
			carried = len(b.unread())
		}
		b, err := l.s.await(b, l.hint)
		l.s.readOn(b, carried, err)
	})
}

const (
	reliefTick  = 10 * time.Millisecond
	reliefAfter = 2   // ticks that a reader may be away
	reliefIdle  = 100 // ticks without a loan after which nobody looks any more
)

// relief relieves readers that are away for long.
type relief struct {
	mu   sync.Mutex
	away []absent
	tick uint32
	idle int
	on   bool // somebody looks
}

// add begins loan n: nobody can end it, and begin the next, before it is here.
func (r *relief) add(e *Env, who absent, n uint32) {
	a := who.away()
	r.mu.Lock()
	a.number.Store(n)
	if a.at != 0 { // of an earlier loan, whose goroutine has not come back
		r.dropLocked(a)
	}
	r.away = append(r.away, who)
	a.at, a.of, a.tick = len(r.away), n, r.tick
	start := !r.on
	r.on = true
	r.idle = 0
	r.mu.Unlock()
	if start {
		e.wg.Go(func() { r.look(e) }) // ended by itself, without loans or sessions
	}
}

func (r *relief) remove(who absent, n uint32) {
	a := who.away()
	r.mu.Lock()
	if a.at != 0 && a.of == n {
		r.dropLocked(a)
	}
	r.mu.Unlock()
}

func (r *relief) dropLocked(a *absence) {
	last := len(r.away) - 1
	moved := r.away[last]
	r.away[a.at-1], moved.away().at = moved, a.at
	r.away[last] = nil
	r.away = r.away[:last]
	a.at = 0
}

func (r *relief) look(e *Env) {
	t := time.NewTicker(reliefTick)
	defer t.Stop()
	for range t.C {
		if !r.lookOnce(e.sweeper.empty()) {
			return
		}
	}
}

// lookOnce relieves who is due, and reports whether to look again.
func (r *relief) lookOnce(over bool) bool {
	type due struct {
		who absent
		n   uint32
	}
	var late []due
	r.mu.Lock()
	r.tick++
	r.idle++
	for i := len(r.away) - 1; i >= 0; i-- {
		if a := r.away[i].away(); r.tick-a.tick >= reliefAfter {
			late = append(late, due{r.away[i], a.of})
			r.dropLocked(a)
		}
	}
	again := len(r.away) > 0 || r.idle < reliefIdle && !over
	r.on = again
	r.mu.Unlock()
	for _, d := range late {
		d.who.takeOver(d.n)
	}
	return again
}
