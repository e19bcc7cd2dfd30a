package actor

import (
	"sync/atomic"
	"time"
)

// stopper is a timer as its actor's shell knows it.
type stopper interface{ end() }

// firing is the message that a timer posts.
type firing struct {
	arrive  func(*shell) bool // false: stopped meanwhile
	message func() any
}

// Timer is one message to come, see [Context.After].
type Timer struct {
	s     *shell
	msg   any
	timer *time.Timer
}

// After sends msg to this actor once d has passed, unless the actor stops or
// the Timer is stopped before. A deadline is a message. If the actor stops
// first, msg is released; a lent message is copied.
func (c *Context) After(d time.Duration, msg any) *Timer {
	if l, ok := msg.(Lent); ok {
		msg = l.Owned()
	}
	t := &Timer{s: c.s, msg: msg}
	f := &firing{arrive: t.arrive, message: func() any { return t.msg }}
	c.s.own(t)
	m := c.s.m
	t.timer = time.AfterFunc(d, func() { m.force(f) })
	return t
}

func (t *Timer) arrive(s *shell) bool {
	_, live := s.timers[t]
	delete(s.timers, t)
	return live
}

// Stop takes the message back: once it has returned, the message does not
// arrive any more. It is the caller's again. Only in the actor's turn.
func (t *Timer) Stop() {
	if t == nil {
		return
	}
	delete(t.s.timers, t)
	t.timer.Stop()
}

func (t *Timer) end() {
	t.timer.Stop()
	t.s.sys.discard(t.msg)
}

// StopTimers ends all timers and tickers of the actor: for a behaviour that puts
// another one in its own place.
func (c *Context) StopTimers() { c.s.endTimers() }

func (s *shell) own(t stopper) {
	if s.timers == nil {
		s.timers = make(map[stopper]struct{})
	}
	s.timers[t] = struct{}{}
}

// Tick is what a [Ticker] sends.
type Tick struct {
	Key    any    // that of Context.Every
	N      uint64 // periods since the start: 1, 2, 3, … with gaps where ticks were missed
	Missed int    // periods since the last Tick that came to nothing, the actor being late
}

// Ticker sends a Tick in each period, see [Context.Every].
type Ticker struct {
	s       *shell
	m       *mailbox
	key     any
	period  time.Duration
	start   time.Time
	last    uint64 // N of the Tick that was delivered last; the actor's turn
	firing  *firing
	pending atomic.Bool // a firing is in the mailbox
	stopped atomic.Bool
	timer   *time.Timer // fires once in each period; touched by its own firing and by end
}

// Every sends a Tick to this actor in each period of d, at fixed times: the
// n-th is due n × d after the call, however long earlier ones took. An actor
// that is late gets one Tick that says how many it missed, never a burst.
// d must be positive.
func (c *Context) Every(d time.Duration, key any) *Ticker {
	if d <= 0 {
		panic("actor: Every needs a positive period")
	}
	t := &Ticker{s: c.s, m: c.s.m, key: key, period: d, start: time.Now()}
	t.firing = &firing{arrive: t.arrive, message: t.message}
	c.s.own(t)
	armed := make(chan struct{})
	t.timer = time.AfterFunc(d, func() {
		<-armed
		t.fire()
	})
	close(armed)
	return t
}

func (t *Ticker) fire() {
	if t.stopped.Load() {
		return
	}
	if t.pending.CompareAndSwap(false, true) && t.m.force(t.firing) != Accepted {
		return
	}
	next := t.start.Add(time.Duration(t.now()+1) * t.period)
	t.timer.Reset(time.Until(next))
	if t.stopped.Load() { // stopped while it was armed again
		t.timer.Stop()
	}
}

// now is the number of periods that have passed.
func (t *Ticker) now() uint64 { return uint64(time.Since(t.start) / t.period) }

func (t *Ticker) arrive(*shell) bool {
	t.pending.Store(false)
	return !t.stopped.Load() && t.now() > t.last
}

func (t *Ticker) message() any {
	n := t.now()
	tick := Tick{Key: t.key, N: n, Missed: int(n - t.last - 1)}
	t.last = n
	return tick
}

// Stop ends the ticks: once it has returned, none arrives any more. Only in the
// actor's turn.
func (t *Ticker) Stop() {
	if t == nil {
		return
	}
	delete(t.s.timers, t)
	t.end()
}

func (t *Ticker) end() {
	t.stopped.Store(true)
	t.timer.Stop()
}
