package session

import (
	"sync"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// sweepSlots is how many calls of Sweep visit every session once.
const sweepSlots = 15

// sweeper spreads the pings of many sessions over time without a timer each.
type sweeper struct {
	mu       sync.Mutex
	newcomer map[*Session]struct{} // not started yet
	slots    [sweepSlots]map[*Session]struct{}
	next     int // the slot to be swept
	fill     int // the slot that the next session joins
}

// expect keeps a session that is to be started.
func (w *sweeper) expect(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newcomer == nil {
		w.newcomer = make(map[*Session]struct{})
	}
	w.newcomer[s] = struct{}{}
}

// add takes a session up that is started; false means that it was given up.
func (w *sweeper) add(s *Session) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.newcomer[s]; !ok {
		return false
	}
	delete(w.newcomer, s)
	w.fill = (w.fill + 1) % sweepSlots
	s.slot = w.fill
	if w.slots[s.slot] == nil {
		w.slots[s.slot] = make(map[*Session]struct{})
	}
	w.slots[s.slot][s] = struct{}{}
	return true
}

func (w *sweeper) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.slots[s.slot], s)
}

// empty reports whether there is no session.
func (w *sweeper) empty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.newcomer)
	for _, slot := range w.slots {
		n += len(slot)
	}
	return n == 0
}

// Sweep visits the sessions whose turn it is: it pings them and closes those
// that have been silent for too long. Env.SweepInterval says how often it is to
// be called.
func (e *Env) Sweep(now time.Time) {
	w := &e.sweeper
	w.mu.Lock()
	turn := make([]*Session, 0, len(w.slots[w.next]))
	for s := range w.slots[w.next] {
		turn = append(turn, s)
	}
	w.next = (w.next + 1) % sweepSlots
	w.mu.Unlock()
	for _, s := range turn {
		s.restLink(now)
		silent := now.Sub(time.Unix(0, s.lastRead.Load()))
		switch {
		case e.IdleTimeout > 0 && silent > e.IdleTimeout && !s.Stuck(): // a stuck reader is our own doing
			s.shut(s.because(&CloseError{Code: wire.CodeTimeout, Text: "nothing heard for too long"}), true)
		case e.PingInterval > 0 && s.pings():
			s.Ping() // an error says that the session is closing or lags: either shows elsewhere
		}
	}
}

// restLink gives back memory of a session whose link has been idle since its last turn.
func (s *Session) restLink(now time.Time) {
	if d := s.dg.Load(); d != nil {
		if l := d.link.Load(); l != nil {
			l.rest(now)
		}
	}
}

// pings reports whether a session is to be pinged in its turn. A server leaves
// it to the clients of udp://, who must keep their NATs' mappings anyway, unless
// it has something to measure by: an idle session costs one packet each way.
func (s *Session) pings() bool {
	if s.conn != nil || !s.server {
		return true
	}
	rtt, _ := s.RTT()
	n := s.counts.FramesIn.Load()
	busy := n != s.swept
	s.swept = n
	return busy || rtt == 0
}

// GiveUp ends a session that is not going to be started.
func (s *Session) GiveUp() {
	w := &s.env.sweeper
	w.mu.Lock()
	_, mine := w.newcomer[s]
	delete(w.newcomer, s)
	w.mu.Unlock()
	if mine {
		s.giveUp()
	}
}

// GiveUp ends the sessions that were made and never started: when whoever was to
// start them has stopped first, nobody else will.
func (e *Env) GiveUp() {
	w := &e.sweeper
	w.mu.Lock()
	left := w.newcomer
	w.newcomer = nil
	w.mu.Unlock()
	for s := range left {
		s.giveUp()
	}
}

// SweepInterval is how often Sweep is to be called so that every session has
// its turn once in each PingInterval.
func (e *Env) SweepInterval() time.Duration {
	d := e.PingInterval
	if d <= 0 {
		d = e.IdleTimeout / 3
	}
	if d <= 0 {
		d = 15 * time.Second
	}
	return d / sweepSlots
}
