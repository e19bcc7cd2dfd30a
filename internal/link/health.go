package link

import "time"

// health watches the path in use. Only echoes of own nonces say that it works;
// that nothing comes back for what we send only makes us ask sooner.
type health struct {
	pinged     time.Time
	unanswered int       // pings since the last echo
	doubt      time.Time // the first of them
	data       time.Time // last sent
	unheard    time.Time // first sent since something came directly; zero is none

	echoes int       // in a row, in Both
	need   int       // so many end it: more for a path that keeps falling in doubt
	calm   time.Time // Both was left
}

// needMost bounds how long a bad path is kept in Both.
const needMost = 8

// Sent tells that data goes out to the peer, by whatever way: a path in use is
// checked more often. It reports whether [Link.Due] may have come nearer.
func (l *Link) Sent(now time.Time) bool {
	h := &l.health
	idle := now.Sub(h.data) >= busy
	h.data = now
	if l.active == nil {
		return false
	}
	if !h.unheard.IsZero() {
		return idle
	}
	h.unheard = now
	return true
}

// Heard tells that an authentic packet of the peer came directly. It proves
// nothing, but silence while we send has us ask sooner whether the path lives.
func (l *Link) Heard(time.Time) { l.health.unheard = time.Time{} }

// overdue is how long an echo may take.
func (l *Link) overdue() time.Duration {
	rtt := l.active.rtt
	return max(2*rtt, rtt+50*time.Millisecond)
}

// patience is how long what we send may go without anything coming back.
func (l *Link) patience() time.Duration {
	rtt := l.active.rtt
	return rtt + max(rtt/2, 25*time.Millisecond)
}

// giveUp is when a silent path is given up; longer than configured if it was slow
// when it worked.
func (l *Link) giveUp() time.Time {
	return l.health.doubt.Add(max(l.cfg.GiveUp, 3*l.overdue()))
}

// doubted reports whether the path in use may have died.
func (l *Link) doubted() bool {
	return l.health.unanswered > 0 && (l.state == Both || l.standby)
}

// hint takes a probe of the peer's from an address we do not use: it may have
// moved, so an idle path is asked now.
func (h *health) hint(now time.Time) {
	if h.unanswered == 0 && now.Sub(h.pinged) >= busy {
		h.pinged = time.Time{}
	}
}

// check asks whether the path in use works, and draws conclusions.
func (l *Link) check(now time.Time, send Sender) {
	h := &l.health
	if l.active == nil {
		return
	}
	if l.doubted() && !now.Before(l.giveUp()) {
		l.lost(now)
		return
	}
	if now.Before(l.pingDue()) {
		return
	}
	if h.unanswered >= 2 && l.state == Direct {
		l.suspect(now)
	}
	if h.unanswered == 0 {
		h.doubt = now
	}
	h.unanswered++
	h.pinged = now
	l.probe(now, l.active.addr, send)
	if h.unanswered == 1 {
		return
	}
	spare := spareProbes
	for _, p := range l.paths {
		if p.valid && p != l.active && spare > 0 {
			spare--
			l.probe(now, p.addr, send)
		}
	}
}

// suspect has packets go both ways until the path answers.
func (l *Link) suspect(now time.Time) {
	h := &l.health
	if h.need > 0 && now.Sub(h.calm) < steady {
		h.need = min(2*h.need, needMost)
	} else {
		h.need = 1
	}
	h.echoes = 0
	l.event(now, Both, Overdue)
	for _, p := range l.paths {
		if now.Sub(p.heard) < forgetStranger {
			l.call(p)
		}
	}
}

// pingDue is when the next ping is sent, or the last one is overdue.
func (l *Link) pingDue() time.Time {
	h := &l.health
	wait := l.overdue()
	switch {
	case l.state == Both || l.standby && h.unanswered > 1:
		return h.pinged.Add(max(wait, l.cfg.Ping))
	case h.unanswered > 1 || l.standby && h.unanswered > 0:
		return h.pinged.Add(wait)
	case h.unanswered == 1:
		due := h.pinged.Add(wait)
		if !h.unheard.IsZero() {
			due = earliest(due, later(h.pinged.Add(wait/2), h.unheard.Add(l.patience())))
		}
		return due
	}
	due := h.pinged.Add(l.cfg.Idle)
	if h.pinged.IsZero() || h.pinged.Sub(h.data) < busy {
		due = h.pinged.Add(l.cfg.Ping)
	}
	if !h.unheard.IsZero() && !l.standby {
		due = earliest(due, h.unheard.Add(l.patience()))
	}
	return due
}

func (l *Link) healthDue() time.Time {
	if l.active == nil {
		return time.Time{}
	}
	if l.doubted() {
		return earliest(l.pingDue(), l.giveUp())
	}
	return l.pingDue()
}

// proved starts to watch a path that has just been proven.
func (h *health) proved(now time.Time) {
	h.pinged, h.unanswered, h.unheard, h.echoes = now, 0, time.Time{}, 0
	h.calm = now
}

// restart forgets what has been asked: the next ping is due at once.
func (h *health) restart(now time.Time) {
	h.pinged, h.unanswered, h.doubt, h.unheard, h.echoes = time.Time{}, 0, now, time.Time{}, 0
	h.need = max(h.need, 1)
}

// echoed takes an echo on the path in use.
func (l *Link) echoed(now time.Time) {
	h := &l.health
	h.unanswered = 0
	if l.state == Both {
		if h.echoes++; h.echoes >= h.need {
			h.calm = now
			l.event(now, Direct, Echoed)
		}
		return
	}
	l.compare(now)
}

// compare changes between the path and the relay when several echoes in a row
// agree on which is faster, and not soon again.
func (l *Link) compare(now time.Time) {
	direct, relay := float64(l.active.rtt), float64(l.relay)*l.cfg.RelayRatio
	change := relay > 0 && relay <= direct
	if l.standby {
		change = relay <= 0 || relay*3/4 > direct
	}
	if !change {
		l.agreed = 0
		return
	}
	if l.agreed++; l.agreed < confirmEchoes || now.Sub(l.since) < steady {
		return
	}
	l.agreed, l.since = 0, now
	l.standby = !l.standby
	if l.standby {
		l.event(now, Relayed, RelayFaster)
	} else {
		l.event(now, Direct, DirectFaster)
	}
}
