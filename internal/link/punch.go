package link

import "time"

// attempt is one time of looking for a path: rounds of probes to all addresses.
type attempt struct {
	running  bool
	changed  bool // started by a change of our network
	beside   bool // of a path that works
	invited  bool // the next one is the peer's wish
	missed   bool // it found nothing
	sprayed  bool // whether to do so has been decided
	begun    time.Time
	round    int       // the next one
	again    time.Time // the next attempt, while none runs; zero is never
	failures int       // in a row: attempts without a path, and paths that did not last

	found      time.Time // the path in use
	challenged time.Time // the peer's last probe
	peerDirect bool      // the peer has a path too
}

// begin starts an attempt whose first round is sent at a time to come.
func (l *Link) begin(now, at time.Time, why Reason) {
	a := &l.attempt
	*a = attempt{
		running: true, changed: why == NetworkChanged, beside: l.active != nil, begun: at,
		failures: a.failures, found: a.found, challenged: a.challenged,
	}
	l.spray.left, l.ask = 0, Output{}
	for _, p := range l.paths {
		p.sent = 0
	}
	l.stats.Attempts++
	if l.state == Relayed && l.active == nil {
		l.event(now, Punching, why)
	}
}

// punch does what is due of an attempt, or begins the next one.
func (l *Link) punch(now time.Time, send Sender) {
	a := &l.attempt
	if again := l.retryAt(); !again.IsZero() && !now.Before(again) {
		why := Retried
		if a.invited {
			why = Invited
		}
		l.begin(now, now, why)
	}
	l.trigger(now, send)
	if !a.running || now.Before(a.begun) {
		return
	}
	elapsed := now.Sub(a.begun)
	if elapsed >= l.cfg.Attempt {
		l.end(now)
		return
	}
	if elapsed >= roundAt(a.round) {
		for elapsed >= roundAt(a.round) { // those missed are not made up for
			a.round++
		}
		l.sendRound(now, send)
	}
	l.birthday(now, send)
}

// sendRound probes what is worth it, in order.
func (l *Link) sendRound(now time.Time, send Sender) {
	idle := true
	for _, p := range l.paths {
		if l.wanted(now, p) {
			idle = false
			l.try(now, p, send)
		}
	}
	if idle && (l.state == Direct || l.standby) {
		l.attempt.running = false
	}
}

// wanted reports whether a round goes to a path: to all of them until one is
// found, then to nearer ones, and to the one in use until the peer has one too.
func (l *Link) wanted(now time.Time, p *path) bool {
	a := &l.attempt
	switch {
	case p.sent >= l.cfg.Rounds:
		return false
	case p == l.active:
		return l.state != Both && l.peerSeeks(now)
	case p.valid:
		return false
	case l.active == nil || l.state == Both || p.class < l.active.class:
		return true
	}
	return a.beside && a.round <= denseRounds && p.told
}

// peerSeeks reports whether the peer may still be without a path.
func (l *Link) peerSeeks(now time.Time) bool {
	a := &l.attempt
	return !a.beside && !a.peerDirect && now.Sub(a.found) < seekMost && now.Sub(later(a.found, a.challenged)) < seekQuiet
}

// trigger sends the probes that the peer's have called for.
func (l *Link) trigger(now time.Time, send Sender) {
	if l.triggers == 0 {
		return
	}
	for _, p := range l.paths {
		if !p.trigger || now.Sub(p.triggered) < recheck {
			continue
		}
		p.trigger = false
		l.triggers--
		if !p.valid && p.sent < l.cfg.Rounds {
			p.triggered = now
			l.try(now, p, send)
		}
	}
}

func (l *Link) triggerDue() (due time.Time) {
	if l.triggers == 0 {
		return due
	}
	for _, p := range l.paths {
		if p.trigger {
			due = earliest(due, later(l.latest, p.triggered.Add(recheck)))
		}
	}
	return due
}

// end gives up an attempt.
func (l *Link) end(now time.Time) {
	a := &l.attempt
	a.running, l.spray.left = false, 0
	if l.state != Punching {
		return
	}
	a.missed = true
	a.failures++
	a.again = now.Add(backoff(a.failures))
	l.event(now, Relayed, GaveUp)
}

// lost gives up the path in use. One that lasted is looked for again at once.
func (l *Link) lost(now time.Time) {
	a := &l.attempt
	if l.state != Relayed {
		l.event(now, Relayed, Silent)
	}
	held := now.Sub(l.since)
	l.drop()
	for _, p := range l.paths {
		p.valid = false
	}
	if a.running {
		a.beside = false
		l.event(now, Punching, Retried)
		return
	}
	wait := backoff(a.failures)
	if held >= steady {
		a.failures, wait = 0, 0
	} else {
		a.failures++
	}
	a.again = now.Add(wait)
}

// retryAt is when the next attempt begins, if none is running. Some routers give
// a port of ours away to whoever has sent to it unasked, for as long as it goes on:
// where two NATs should have let the ends meet and did not, these have to forget
// our probes first. Those to an address that is new to them, after a change of
// network or at the server's word, need no wait.
func (l *Link) retryAt() time.Time {
	a := &l.attempt
	if a.running || a.again.IsZero() || l.active != nil {
		return time.Time{}
	}
	if a.missed && l.self.Mapping == Independent && l.peer.Mapping == Independent {
		return later(a.again, l.probed.Add(remapSilence))
	}
	return a.again
}

func (l *Link) attemptDue() time.Time {
	a := &l.attempt
	if !a.running {
		return l.retryAt()
	}
	due := a.begun.Add(min(roundAt(a.round), l.cfg.Attempt))
	if !a.sprayed && l.mayBirthday() {
		due = earliest(due, a.begun.Add(sprayAfter))
	}
	return due
}
