package link

import (
	"net/netip"
	"time"
)

// Sender sends a probe and reports whether it did. One it refuses, for want of
// budget, counts as lost; it is not sent again sooner for that.
type Sender func(to netip.AddrPort, nonce [8]byte) bool

// Link is one end of the path between two clients. Make one with [New].
type Link struct {
	cfg   Config
	self  Info
	peer  Info
	nonce func() [8]byte

	state   State
	started bool
	standby bool // Relayed though the active path works: the relay is faster
	active  *path
	since   time.Time // of the active path's being used
	relay   time.Duration
	agreed  int // echoes in a row that speak for a change between relay and path
	seen    netip.AddrPort

	paths    []*path
	triggers int // how many have a probe due
	probes   probes
	probed   time.Time // last probe of all

	attempt attempt
	spray   spray
	health  health

	latest time.Time // of all inputs: what is to be told is due then
	events []Event
	told   []Event // the ones a Step has handed out
	ask    Output  // sockets to open
	stats  Stats
}

// New returns a Link that relays until Start. The nonces have to be
// unpredictable: who can guess one can pretend a path.
func New(cfg Config, self Info, nonce func() [8]byte) *Link {
	return &Link{cfg: cfg.withDefaults(), self: self, nonce: nonce}
}

// Start has the Link look for a direct path, after wait: the server tells both
// ends so that their first probes cross. A later Start replaces what is known of
// the peer and tries again, and leaves a path in use alone until a better one is
// found or it falls silent.
func (l *Link) Start(now time.Time, peer Info, wait time.Duration) {
	l.latest = now
	l.peer, l.started = peer, true
	l.attempt.failures = 0
	l.replace(now)
	if !l.possible() {
		l.withdraw(now, GaveUp)
		return
	}
	l.begin(now, now.Add(max(wait, 0)), Started)
}

// Know replaces what is known of this end, where its network is the same: the next
// Start goes by it.
func (l *Link) Know(self Info) { l.self = self }

// NetworkChanged tells that this end's addresses or its network are others now.
// A path in use is in doubt at once, and nothing sent before proves it.
func (l *Link) NetworkChanged(now time.Time, self Info) {
	l.latest, l.self = now, self
	if !l.started {
		return
	}
	l.probes.clear()
	l.attempt.failures = 0
	l.replace(now)
	if !l.possible() {
		l.withdraw(now, NetworkChanged)
		return
	}
	if l.standby {
		l.drop()
	}
	if l.state == Direct {
		l.event(now, Both, NetworkChanged)
	}
	if l.active != nil {
		l.health.restart(now)
	}
	if a := &l.attempt; a.running && a.changed && now.Sub(a.begun) < calmDown && l.state != Relayed {
		return // a network that comes and goes starts an attempt a second
	}
	l.begin(now, now, NetworkChanged)
}

// Stop ends all probing. Packets go by the relay until a Start.
func (l *Link) Stop(now time.Time) {
	l.latest = now
	l.withdraw(now, Stopped)
	l.started = false
	l.paths, l.triggers = nil, 0
	l.probes.clear()
}

// withdraw leaves the pair to the relay without looking for anything else.
func (l *Link) withdraw(now time.Time, why Reason) {
	l.attempt = attempt{failures: l.attempt.failures}
	l.spray.left, l.ask = 0, Output{}
	if l.state != Relayed {
		l.event(now, Relayed, why)
	}
	l.drop()
}

// drop forgets the path in use: it proves nothing any more.
func (l *Link) drop() {
	if l.active != nil {
		l.active.valid = false
	}
	l.active, l.standby = nil, false
}

// Challenged notes a probe of the peer's that came directly. The caller answers
// it, to where it came from, in every state. The address may be new to us: it is
// probed too, within bounds, because two NATs that show each other a new address
// with every packet would have the ends probe each other for ever.
func (l *Link) Challenged(now time.Time, from netip.AddrPort) {
	l.latest = now
	l.Heard(now)
	from = unmap(from)
	l.attempt.challenged = now
	if !l.started || !l.possible() || !l.usable(from) {
		return
	}
	p := l.learn(now, from)
	if p == nil {
		return
	}
	p.heard = now
	switch {
	case p.valid:
	case l.content(p):
		l.health.hint(now)
	default:
		l.call(p)
	}
}

// content reports whether an address need not be tried: the path in use works as
// far as we know, and is as near.
func (l *Link) content(p *path) bool {
	return l.active != nil && l.state != Both && p.class >= l.active.class
}

// call has a probe sent to an address that the peer's come from.
func (l *Link) call(p *path) {
	if !p.valid && !p.trigger && p.sent < l.cfg.Rounds {
		p.trigger = true
		l.triggers++
	}
}

// Answered notes a Response. A nonce of ours proves the address it was sent to,
// once, whatever address the answer came from. Observed is where the peer saw
// the probe come from.
func (l *Link) Answered(now time.Time, nonce [8]byte, observed netip.AddrPort) {
	l.latest = now
	l.Heard(now)
	if !l.started || !l.possible() {
		return
	}
	sent, ok := l.probes.take(now, nonce)
	if !ok {
		l.stats.Strange++
		return
	}
	l.stats.Echoes++
	l.seen = unmap(observed)
	p := l.learn(now, sent.to)
	if p == nil { // a sprayed port, and no room for it: what is proven goes before what is not
		l.forget(now, 0, 1)
		if p = l.learn(now, sent.to); p == nil {
			return
		}
	}
	if p.trigger {
		p.trigger = false
		l.triggers--
	}
	p.sample(now.Sub(sent.sent))
	l.proven(now, p, sent.sent)
}

// proven decides what to do with a path that a nonce, sent at the given time, has
// just come back for.
func (l *Link) proven(now time.Time, p *path, sent time.Time) {
	switch {
	case l.active == nil:
		l.use(now, p)
		l.event(now, Direct, Echoed)
	case p == l.active:
		l.echoed(now)
	case l.state == Both && l.health.unanswered > 0 && !sent.Before(l.health.doubt), // it lives, the other may not
		p.better(l.active):
		l.use(now, p)
		if !l.standby {
			l.event(now, Direct, BetterPath)
		}
	}
}

// use makes a path the active one.
func (l *Link) use(now time.Time, p *path) {
	l.active, l.since, l.agreed = p, now, 0
	l.attempt.found, l.attempt.missed = now, false
	l.spray.left, l.ask = 0, Output{}
	l.health.proved(now)
}

// Invited tells that the peer has begun an attempt: its caller says so by the
// relay at each Event to Punching. NATs that let in only whom they have sent to
// want both ends to try at the same time, and back-offs run apart.
func (l *Link) Invited(now time.Time) {
	l.latest = now
	a := &l.attempt
	if l.started && l.possible() && !a.running && l.active == nil && now.Sub(a.begun) >= l.cfg.Attempt {
		a.again, a.invited = now, true
	}
}

// PeerDirect tells that the peer has a path to us: the server says so, or data of
// its came directly. Probes that only help the peer end.
func (l *Link) PeerDirect() { l.attempt.peerDirect = true }

// RelayRTT tells the round trip time by the relay.
func (l *Link) RelayRTT(d time.Duration) { l.relay = d }

// Step does what is due: it sends probes and returns what has changed since the
// last one.
func (l *Link) Step(now time.Time, send Sender) Output {
	l.latest = now
	if l.started && l.possible() {
		l.check(now, send)
		l.punch(now, send)
	}
	out := l.ask
	l.ask = Output{}
	l.told, l.events = l.events, l.told[:0]
	out.Events = l.told
	return out
}

// Due is when Step has something to do if nothing happens before; zero means
// never.
func (l *Link) Due() time.Time {
	if len(l.events) > 0 || l.ask.Sockets > 0 {
		return l.latest
	}
	if !l.started || !l.possible() {
		return time.Time{}
	}
	return earliest(earliest(l.triggerDue(), l.attemptDue()), earliest(l.sprayDue(), l.healthDue()))
}

// earliest of two times, of which the zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Route is where packets go: to an address, by the relay, or both.
func (l *Link) Route() (to netip.AddrPort, direct, relay bool) {
	if l.state == Direct || l.state == Both {
		return l.active.addr, true, l.state == Both
	}
	return netip.AddrPort{}, false, true
}

// State is the current one.
func (l *Link) State() State { return l.state }

// RTT is the smoothed round trip time of the direct path, 0 without one.
func (l *Link) RTT() time.Duration {
	if l.active == nil {
		return 0
	}
	return l.active.rtt
}

// Observed is where the peer last saw us, zero if it never told.
func (l *Link) Observed() netip.AddrPort { return l.seen }

// Stats tells what the Link has cost so far.
func (l *Link) Stats() Stats { return l.stats }
