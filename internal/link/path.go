package link

import (
	"net/netip"
	"slices"
	"time"
)

// path is an address the peer may be reached at.
type path struct {
	addr      netip.AddrPort
	class     class
	told      bool // by the server, or predicted; else learned from the peer's probes
	valid     bool // a nonce sent there came back
	rtt       time.Duration
	heard     time.Time // the peer's last probe from there; zero if never
	triggered time.Time // last probe that one of them triggered
	trigger   bool      // one is due
	sent      int       // probes in this attempt, or since it was learned
	opened    bool      // a probe has gone there
}

// sample takes a measured round trip time.
func (p *path) sample(d time.Duration) {
	d = max(d, 0)
	if !p.valid {
		p.valid, p.rtt = true, d
		return
	}
	p.rtt += (d - p.rtt) / 8
}

// better reports whether p is worth leaving q for.
func (p *path) better(q *path) bool {
	if p.class != q.class {
		return p.class < q.class
	}
	return p.rtt+p.rtt/10+5*time.Millisecond < q.rtt
}

func (l *Link) find(a netip.AddrPort) *path {
	for _, p := range l.paths {
		if p.addr == a {
			return p
		}
	}
	return nil
}

// learn returns the path to an address, a new one if it is not known. There may
// be no room: it is nil then.
func (l *Link) learn(now time.Time, a netip.AddrPort) *path {
	if p := l.find(a); p != nil {
		return p
	}
	if len(l.paths) >= maxPaths && !l.forget(now, remapSilence, 1) {
		return nil
	}
	p := &path{addr: a, class: classOf(a.Addr()), heard: now}
	l.paths = append(l.paths, p)
	return p
}

// forget drops up to n addresses that only the peer's probes have told, that
// proved nothing, and that nothing has come from for a while.
func (l *Link) forget(now time.Time, silent time.Duration, n int) bool {
	before := len(l.paths)
	l.paths = slices.DeleteFunc(l.paths, func(p *path) bool {
		drop := n > 0 && !p.told && p != l.active && now.Sub(p.heard) >= silent
		if drop {
			n--
			if p.trigger {
				l.triggers--
			}
		}
		return drop
	})
	return len(l.paths) < before
}

// replace makes the told candidates the ones the server tells now. The path in
// use and what the peer has just been heard from stay.
func (l *Link) replace(now time.Time) {
	for _, p := range l.paths {
		p.told, p.valid = false, p == l.active
	}
	l.forget(now, forgetStranger, maxPaths)
	old := l.paths
	l.paths = make([]*path, 0, maxPaths)
	for _, a := range l.candidates() {
		i := slices.IndexFunc(old, func(p *path) bool { return p.addr == a })
		if i >= 0 {
			l.paths = append(l.paths, old[i])
			old = slices.Delete(old, i, i+1)
		} else {
			l.paths = append(l.paths, &path{addr: a, class: classOf(a.Addr())})
		}
		l.paths[len(l.paths)-1].told = true
	}
	for _, p := range old {
		if len(l.paths) < maxPaths || p == l.active {
			l.paths = append(l.paths, p)
		} else if p.trigger {
			l.triggers--
		}
	}
}
