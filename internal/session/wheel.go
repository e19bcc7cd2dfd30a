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

// wheel visits the links that need it, and nobody else: an endpoint whose
// sessions are idle has no timer. A link is on it once.
type wheel struct {
	e        *Endpoint
	interval time.Duration
	visit    func(l *Link, now time.Time) // off the wheel; it may add itself again

	mu      sync.Mutex
	links   []*Link
	turning bool // somebody turns it
}

func (w *wheel) add(l *Link) {
	w.mu.Lock()
	w.links = append(w.links, l)
	start := !w.turning
	w.turning = true
	w.mu.Unlock()
	if start {
		w.e.wg.Go(w.turn) // ended by itself, without links or with the endpoint
	}
}

func (w *wheel) turn() {
	t := time.NewTicker(w.interval)
	defer t.Stop()
	var work []*Link
	for idle := 0; ; {
		select {
		case <-t.C:
		case <-w.e.done:
			return
		}
		w.mu.Lock()
		work, w.links = w.links, work[:0]
		if len(work) > 0 {
			idle = 0
		} else if idle++; time.Duration(idle)*w.interval >= wheelIdle {
			w.turning = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		now := time.Now()
		for i, l := range work {
			w.visit(l, now)
			work[i] = nil
		}
		w.e.tx.run()
	}
}

// activate has the wheel come by. The caller holds mu.
func (l *Link) activate() {
	if !l.active && !l.over {
		l.active = true
		l.e.wheel.add(l)
	}
}

// owe has the acknowledgements of what has come leave soon, or with what is sent
// before. The caller holds mu.
func (l *Link) owe() {
	if !l.owing && !l.over {
		l.owing = true
		l.e.acks.add(l)
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

// tick is the wheel's visit.
func (l *Link) tick(time.Time) {
	l.mu.Lock()
	l.active, l.ticking = false, true
	l.mu.Unlock()
	l.e.tx.list(l)
}

// watch has the watch come by. The caller holds mu.
func (l *Link) watch() {
	if !l.watched {
		l.watched = true
		l.e.watch.add(l)
	}
}
