package link

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// firstPort of those a NAT gives out; the rest are 65,536 less these.
const (
	firstPort = 1024
	ports     = 1<<16 - firstPort
)

// spray is what the end with one outer port does for a peer whose ports cannot
// be known: the peer opens many, we try many, and by the birthday paradox some
// two meet.
type spray struct {
	left int
	at   time.Time // of the next probe
	to   netip.Addr
	port uint64 // the next is this modulo ports
	step uint64 // prime to ports, so that none is tried twice

	last time.Time // either end's part in it; it alarms others, so not often
}

// mayBirthday reports whether it is allowed and of use.
func (l *Link) mayBirthday() bool {
	if !l.cfg.Birthday || !l.peer.Birthday || l.state != Punching {
		return false
	}
	mine, theirs := l.self.Mapping, l.peer.Mapping
	return mine == Independent && theirs == Random || mine == Random && theirs == Independent
}

// birthday plays this end's part when the cheap ways have not helped.
func (l *Link) birthday(now time.Time, send Sender) {
	a, s := &l.attempt, &l.spray
	if start := a.begun.Add(sprayAfter); !a.sprayed && !now.Before(start) && l.mayBirthday() {
		a.sprayed = true
		target, ok := l.public()
		if !ok || !s.last.IsZero() && now.Sub(s.last) < sprayCool {
			return
		}
		s.last = now
		if l.self.Mapping == Random {
			l.ask = Output{Sockets: l.cfg.Sockets, Target: target}
			return
		}
		random := func() uint64 { n := l.nonce(); return binary.BigEndian.Uint64(n[:]) }
		s.left, s.at, s.to = l.cfg.Spray, start.Add(sprayLead), target.Addr()
		s.port, s.step = random()%ports, random()%ports
		for s.step%2 == 0 || s.step%3 == 0 || s.step%7 == 0 { // the primes in ports
			s.step++
		}
	}
	for late := now.Add(-sprayBurst * sprayEvery); s.left > 0 && !now.Before(s.at); s.left-- {
		if s.at.Before(late) {
			s.at = late.Add(sprayEvery)
		}
		s.at = s.at.Add(sprayEvery)
		to := netip.AddrPortFrom(s.to, uint16(firstPort+s.port%ports))
		s.port += s.step
		if l.usable(to) {
			l.probe(now, to, send)
		}
	}
}

func (l *Link) sprayDue() time.Time {
	if l.spray.left <= 0 || l.state != Punching {
		return time.Time{}
	}
	return l.spray.at
}
