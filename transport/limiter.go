package transport

import (
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/session"
)

// maxAddresses bounds the table of addresses; beyond it a new address is not
// let in until an old one is forgotten.
const maxAddresses = 1 << 16

// limiter counts connections, in all and by address.
type limiter struct {
	cfg Config

	mu          sync.Mutex
	all         session.Bucket
	connections int
	handshaking int
	addresses   map[netip.Prefix]*address
	swept       time.Time
}

type address struct {
	bucket                   session.Bucket
	connections, handshaking int
}

func newLimiter(cfg Config) *limiter {
	return &limiter{cfg: cfg, addresses: make(map[netip.Prefix]*address)}
}

// site is what the limits are counted by: an IPv4 address or an IPv6 /64.
func site(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits) // bits fit
	return p
}

// within reports whether n may grow below a limit that a negative one turns off.
func within(n, limit int) bool { return limit < 0 || n < limit }

// accept counts a connection that the socket gave; false closes it at once.
func (l *limiter) accept(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acceptLocked(now)
}

func (l *limiter) acceptLocked(now time.Time) bool {
	if !within(l.connections, l.cfg.MaxConnections) || !within(l.handshaking, l.cfg.MaxHandshakes) ||
		!l.all.Take(l.cfg.AcceptRate, now) {
		return false
	}
	l.connections++
	l.handshaking++
	return true
}

// admit is enter and accept in one, for who can be asked for his address first:
// one address can't use up what is for all. It returns errThrottled or errFull.
func (l *limiter) admit(a netip.Addr, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var e *address
	if l.limits(a) {
		if e = l.roomLocked(a, now); e == nil {
			return errThrottled
		}
	}
	if !l.acceptLocked(now) {
		return errFull
	}
	if e != nil {
		e.connections++
		e.handshaking++
	}
	return nil
}

// limits reports whether connections are counted by this address. One that is
// unknown is that of a Unix socket, with a proxy of our own at its other end.
func (l *limiter) limits(a netip.Addr) bool {
	return a.IsValid() && (l.cfg.LimitLoopback || !a.IsLoopback())
}

// enter counts an accepted connection by its address, once that is known
// (behind a proxy it takes a header).
func (l *limiter) enter(a netip.Addr, now time.Time) bool {
	if !l.limits(a) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.roomLocked(a, now)
	if e == nil {
		return false
	}
	e.connections++
	e.handshaking++
	return true
}

// roomLocked is what is known of an address that has room for one more, or nil.
func (l *limiter) roomLocked(a netip.Addr, now time.Time) *address {
	l.sweepLocked(now)
	e, ok := l.addresses[site(a)]
	if !ok {
		if len(l.addresses) >= maxAddresses {
			return nil
		}
		e = &address{}
		l.addresses[site(a)] = e
	}
	if !e.bucket.Take(l.cfg.AcceptRatePerAddress, now) || !within(e.connections, l.cfg.MaxConnectionsPerAddress) ||
		!within(e.handshaking, l.cfg.MaxHandshakesPerAddress) {
		return nil
	}
	return e
}

// shook says that a handshake is over; a is invalid if it never entered.
func (l *limiter) shook(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handshaking--
	if l.limits(a) {
		l.addresses[site(a)].handshaking--
	}
}

// leave says that a connection is over; a is invalid if it never entered.
func (l *limiter) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connections--
	if l.limits(a) {
		l.addresses[site(a)].connections--
	}
}

// sweepLocked forgets, once in a while, addresses of which nothing is left to know.
func (l *limiter) sweepLocked(now time.Time) {
	if now.Sub(l.swept) < 10*time.Second && len(l.addresses) < maxAddresses || now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for p, e := range l.addresses {
		if e.connections == 0 && e.handshaking == 0 && e.bucket.Full(l.cfg.AcceptRatePerAddress, now) {
			delete(l.addresses, p)
		}
	}
}

func (l *limiter) counts() (connections, handshaking int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connections, l.handshaking
}
