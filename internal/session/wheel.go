package session

import (
	"sync"
	"time"
)

const (
	wheelTick = 10 * time.Millisecond  // of retransmissions and late acknowledgements
	ackTick   = 2 * time.Millisecond   // that an acknowledgement waits for an answer to go with, at most
	watchTick = 500 * time.Millisecond // of paths that may be dead, and of the dead
	wheelIdle = time.Second            // without a link after which a wheel stops
)

// wheel visits links when that is due, several at a time, and nobody else: an
// endpoint whose sessions are idle has no timer.
type wheel struct {
	e        *Endpoint
	interval time.Duration                // between visits
	visit    func(l *Link, now time.Time) // off the wheel; it may add itself again

	mu      sync.Mutex
	spokes  []spoke
	next    time.Time   // when the timer fires; valid while turning
	timer   *time.Timer // nil before the first turn
	turning bool        // somebody waits for it
}

type spoke struct {
	l   *Link
	due time.Time
}

// add has the link visited at a time.
func (w *wheel) add(l *Link, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spokes = append(w.spokes, spoke{l, due})
	switch {
	case !w.turning:
		w.turning, w.next = true, due
		if w.timer == nil {
			w.timer = time.NewTimer(time.Until(due))
		} else {
			w.timer.Reset(time.Until(due))
		}
		w.e.wg.Go(w.turn) // ended by itself, without links or with the endpoint
	case due.Before(w.next):
		w.next = due
		w.timer.Reset(time.Until(due))
	}
}

func (w *wheel) turn() {
	var work []*Link
	for {
		select {
		case <-w.timer.C:
		case <-w.e.done:
			w.timer.Stop()
			return
		}
		now := time.Now()
		var again bool
		if work, again = w.due(now, work[:0]); !again {
			return
		}
		for i, l := range work {
			w.visit(l, now)
			work[i] = nil
		}
		if len(work) > 0 {
			w.e.tx.run()
		}
	}
}

// due takes the links off that are to be visited now, and sets the timer for the
// others; without any, nobody turns the wheel any more after a while.
func (w *wheel) due(now time.Time, work []*Link) (_ []*Link, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	idle := len(w.spokes) == 0
	w.next = now.Add(wheelIdle)
	left := w.spokes[:0]
	for _, s := range w.spokes {
		if !s.due.After(now) {
			work = append(work, s.l)
			continue
		}
		left = append(left, s)
		if s.due.Before(w.next) {
			w.next = s.due
		}
	}
	clear(w.spokes[len(left):])
	w.spokes = left
	if idle {
		w.turning = false
		return work, false
	}
	if soonest := now.Add(w.interval); w.next.Before(soonest) {
		w.next = soonest
	}
	w.timer.Reset(w.next.Sub(now))
	return work, true
}

// activate has the wheel come by after a while, or sooner if that is due already.
// The caller holds mu.
func (l *Link) activate(now time.Time, after time.Duration) {
	due := now.Add(max(after, wheelTick))
	if l.over || l.active && !due.Before(l.due) {
		return
	}
	l.active, l.due = true, due
	l.e.wheel.add(l, due) // where it is on it with a later time, that visit will find little to do
}

// owe has the acknowledgements of what has come leave soon, or with what is sent
// before. The caller holds mu.
func (l *Link) owe(now time.Time) {
	if !l.owing && !l.over {
		l.owing = true
		l.e.acks.add(l, now.Add(ackTick))
	}
}

// acknowledge is the visit of the wheel for that. Late acknowledgements make the
// other end's estimate of the round trip worse, and with it what it does about
// losses.
func (l *Link) acknowledge(time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owing = false
	for _, c := range l.channels {
		if c != nil && c.rel.Owes() {
			l.acking = true
			l.e.tx.list(l)
			return
		}
	}
}

// tick is the wheel's visit. What it was to come for has mostly been acknowledged
// by then.
func (l *Link) tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active && l.due.After(now) { // it comes by again: this visit was overtaken, see stepped
		return
	}
	l.active = false
	if pause, again := l.pause(); again && pause > 0 && l.roam == nil && !l.lossy.held() {
		l.activate(now, pause)
		return
	}
	l.ticking = true
	l.e.tx.list(l)
}

// pause is for how long the channels have nothing to do, if there is something
// that they wait for.
func (l *Link) pause() (pause time.Duration, again bool) {
	pause = time.Hour
	for _, c := range l.channels {
		switch {
		case c == nil:
		case c.out != nil:
			return 0, true
		case c.rel.Active():
			pause, again = min(pause, c.rel.Pause()), true
		}
	}
	return pause, again
}

// watch has the watch come by. The caller holds mu.
func (l *Link) watch() {
	if !l.watched {
		l.watched = true
		l.e.watch.add(l, time.Now().Add(watchTick))
	}
}
