package session

import (
	"time"

	"github.com/troupe-go/troupe/wire"
)

const (
	askAfter  = 900 * time.Millisecond  // a path in use is asked for an echo so often: every other visit of the watch
	deadAfter = 3400 * time.Millisecond // a path that has not echoed for so long is dead: it is known in 5 s
	inUse     = 2 * time.Second         // since the last message: the path is in use
	lostAfter = 10 * time.Second        // at least: nothing is acknowledged, and nothing comes: the other end has gone

	// An other end that is heard must acknowledge, and close the gaps in what it
	// has sent: what waits for that is memory of this end's.
	maxUnacked = time.Minute      // at least
	maxGap     = 20 * time.Second // that it has been heard for, since
	silence    = 5 * time.Second  // in which nobody was to be heard
)

// health judges a path by the echoes of this end's own pings: what comes in says
// nothing about what goes out.
type health struct {
	used  time.Time // when something was last sent by it
	last  time.Time // when it was last asked
	since time.Time // when the first ping was sent that has had no echo; zero: there is none
}

// heard notes an echo.
func (h *health) heard() { h.since = time.Time{} }

// asked notes that a ping is sent.
func (h *health) asked(now time.Time) {
	h.last = now
	if h.since.IsZero() {
		h.since = now
	}
}

// step says what is to be done at a time: whether to ask, whether the path is
// dead, and whether to look again.
func (h *health) step(now time.Time) (ask, dead, again bool) {
	used := !h.used.IsZero() && now.Sub(h.used) < inUse
	waiting := !h.since.IsZero()
	if waiting && now.Sub(h.since) >= deadAfter {
		return false, true, false
	}
	// An echo that is late is asked for again at each visit: packets get lost.
	ask = waiting || used && now.Sub(h.last) >= askAfter
	return ask, false, used || waiting
}

// look is the watch's visit: it finds paths that are dead.
func (l *Link) look(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched = false
	switch {
	case l.over:
		if now.Before(l.until) {
			l.watch()
			return
		}
		l.e.remove(l)
	case l.pair != nil: // the clients' groups end it
	case l.only:
		l.lookAtChannels(now)
	default:
		ask, dead, again := l.health.step(now)
		if dead {
			l.e.wg.Go(func() { l.s.linkDown(l, true) }) // it ends the link, which takes mu
			return
		}
		if ask {
			l.ask(now)
		}
		if again {
			l.watch()
		}
	}
}

// lookAtChannels finds an other end that has gone, and one that is there and lets
// what this end keeps for it lie. The caller holds mu.
func (l *Link) lookAtChannels(now time.Time) {
	stalled, gap := l.stalled(), l.gap()
	if stalled < 0 && gap < 0 {
		return
	}
	l.watch()
	ping := l.e.env.PingInterval
	lost := max(lostAfter, ping+lostAfter/2) // until its next ping a client may not know that its NAT has forgotten it
	patience := max(maxUnacked, 4*ping)
	switch {
	case stalled > lost && now.Sub(l.heard) > lost:
		l.failLocked(&CloseError{Code: wire.CodeTimeout, Text: "what was sent is not acknowledged"})
	case stalled > patience:
		l.failLocked(&CloseError{Code: wire.CodeSlow, Text: "what was sent is not acknowledged in time"})
	case gap > patience || min(gap-now.Sub(l.heard), l.heard.Sub(l.voice)) > maxGap:
		l.failLocked(&CloseError{Code: wire.CodeSlow, Text: "a gap in what was received is not closed in time"})
	}
}

// gap is for how long something has been received that waits for what is
// missing before it, on the channel where that is longest; negative where
// nothing does.
func (l *Link) gap() time.Duration {
	longest := time.Duration(-1)
	for _, c := range l.channels {
		if c != nil {
			longest = max(longest, c.rel.Gap())
		}
	}
	return longest
}

// waiting reports whether something is not acknowledged.
func (l *Link) waiting() bool {
	for _, c := range l.channels {
		if c != nil && c.rel.Waiting() > 0 {
			return true
		}
	}
	return false
}

// stalled is for how long nothing has been acknowledged of what waits for that,
// on the channel where that is longest; negative where nothing waits.
func (l *Link) stalled() time.Duration {
	longest := time.Duration(-1)
	for _, c := range l.channels {
		if c != nil && c.rel.Waiting() > 0 {
			longest = max(longest, c.rel.Stalled())
		}
	}
	return longest
}

// ask sends a ping. The caller holds mu, and has the transmitter run.
func (l *Link) ask(now time.Time) {
	m := newPing(now)
	if l.putControlLocked(m.AppendFrame(nil)) != nil {
		return // it is over
	}
	l.health.asked(now)
	l.watch()
	l.e.tx.list(l)
}

// ping measures the round trip, and keeps NATs' mappings.
func (l *Link) ping() {
	l.mu.Lock()
	l.ask(time.Now())
	l.mu.Unlock()
	l.e.tx.run()
}
