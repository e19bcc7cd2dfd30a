package simnet

import (
	"bytes"
	"net/netip"
	"sync"
	"time"
)

// Net is an internet. Its own segment is the public one; hosts and routers
// attached to it have public addresses. All methods, and those of everything
// attached, are safe for concurrent use.
type Net struct {
	*segment

	// Set once.
	seed  uint64
	wake  chan struct{} // the earliest event has changed
	quit  chan struct{} // closed by Close
	ended chan struct{}

	mu       sync.Mutex
	events   queue
	counts   counters
	taps     []func(time.Time, netip.AddrPort, netip.AddrPort, []byte)
	sockets  map[socket]struct{} // what Close has to close
	parked   []*lane             // streams that a cut has stopped, oldest first
	nodes    uint64              // hosts and routers so far
	accepted uint64              // streams accepted so far
	closed   bool
}

// socket is a thing a host has open.
type socket interface{ shutLocked() }

// New starts an internet without hosts. Two of the same seed behave the same.
// Close it when done.
func New(seed uint64) *Net {
	n := &Net{
		seed:    seed,
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		ended:   make(chan struct{}),
		sockets: map[socket]struct{}{},
	}
	n.segment = newSegment(n, nil)
	go n.run() // until Close
	return n
}

// Close closes every socket and stops everything under way.
func (n *Net) Close() {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		for s := range n.sockets {
			s.shutLocked()
		}
		close(n.quit)
	}
	n.mu.Unlock()
	<-n.ended
}

// Tap has f called with every datagram that is sent from now on: the sender's
// own address before any translation, and the address it was sent to. Injected
// ones are seen too. f must not call methods of this package, and p is its own
// only until it returns.
func (n *Net) Tap(f func(at time.Time, from, to netip.AddrPort, p []byte)) {
	n.change(func() { n.taps = append(n.taps, f) })
}

// Inject puts a datagram on the public segment as if it came from there: no
// router on the way out, any source.
func (n *Net) Inject(from, to netip.AddrPort, p []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	from, to = unmap(from), unmap(to)
	n.departLocked(rank(kindInjected, 0, 0, 0), packet{src: from, dst: to, data: bytes.Clone(p)}, n.segment, from.Addr())
}

// Stats tells what has become of all datagrams so far.
func (n *Net) Stats() (s Stats) {
	n.change(func() { s = n.counts.stats(n.events.datagrams()) })
	return s
}

// change does f between two events, after all that has been sent so far. What
// others send in the same instant comes before or after, as they are scheduled.
func (n *Net) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advanceLocked(now, true)
	f()
	n.retryLocked(now)
}

// run is the net's one goroutine: it makes events happen when they are due.
func (n *Net) run() {
	defer close(n.ended)
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		n.mu.Lock()
		n.advanceLocked(time.Now(), false)
		if e := n.events.first(); e != nil {
			timer.Reset(e.wait(time.Now()))
		} else {
			timer.Stop()
		}
		n.mu.Unlock()
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.quit:
			return
		}
	}
}

// advanceLocked makes all events happen that are ready; with departing set those
// too that leave in this very instant.
func (n *Net) advanceLocked(now time.Time, departing bool) {
	for !n.closed {
		e := n.events.first()
		if e == nil || !e.ready(now) && !(departing && !e.at.After(now)) {
			return
		}
		n.events.pop().do(e.at)
	}
}

func (n *Net) pushLocked(e *event) {
	n.events.push(e)
	if n.events.first() == e {
		select {
		case n.wake <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// departLocked sends a datagram into a segment from one of its nodes.
func (n *Net) departLocked(rank uint64, p packet, s *segment, from netip.Addr) {
	if n.closed {
		return
	}
	n.pushLocked(&event{at: time.Now(), rank: rank, datagram: true, do: func(at time.Time) {
		n.counts.sent++
		for _, tap := range n.taps {
			tap(at, p.src, p.dst, p.data)
		}
		s.forwardLocked(at, p, from)
	}})
}

// Ranks order what departs in one instant. Each sender has its own.
const (
	kindInjected = 1 + iota
	kindPacket
	kindDialled
	kindAccepted
)

func rank(kind, node, address uint64, port uint16) uint64 {
	return kind<<60 | node<<24 | address<<16 | uint64(port)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
