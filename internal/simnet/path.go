package simnet

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"time"
)

// direction names one way between two nodes of a segment. The zero address
// stands for all.
type direction struct{ from, to netip.Addr }

// path is the state of one direction. It has luck of its own: what other traffic
// there is does not change what becomes of its datagrams.
type path struct {
	rng  *rand.Rand
	bad  bool      // Gilbert's state
	free time.Time // when the line has sent all that waits
}

func newPath(seed, segment uint64, d direction) *path {
	h := fnv.New64a()
	for _, a := range [...]netip.Addr{d.from, d.to} {
		b := a.As16()
		h.Write(b[:])
	}
	return &path{rng: rand.New(rand.NewPCG(seed+segment<<32, h.Sum64()))}
}

func (p *path) chance(share float64) bool { return share > 0 && p.rng.Float64() < share }

// passage is what becomes of a datagram on a link.
type passage struct {
	lost      Reason
	data      []byte
	corrupted bool
	arrivals  [2]time.Time // the second is zero unless it was duplicated
}

// pass sends a datagram over a link that is set to l.
func (p *path) pass(l Link, at time.Time, data []byte) passage {
	switch {
	case l.MTU > 0 && len(data) > l.MTU:
		return passage{lost: LostTooLarge}
	case p.burst(l.Burst):
		return passage{lost: LostBurst}
	case p.chance(l.Loss):
		return passage{lost: LostRandom}
	}
	sent, ok := p.transmit(l, at, len(data))
	if !ok {
		return passage{lost: LostQueue}
	}
	out := passage{data: data}
	if len(data) > 0 && p.chance(l.Corrupt) {
		out.corrupted = true
		out.data = bytes.Clone(data)
		out.data[p.rng.IntN(len(data))] ^= byte(1 + p.rng.IntN(255))
	}
	out.arrivals[0] = sent.Add(p.delay(l))
	if p.chance(l.Duplicate) {
		out.arrivals[1] = sent.Add(p.delay(l))
	}
	return out
}

// burst turns the link's state and reports whether that loses the datagram.
func (p *path) burst(b Burst) bool {
	if p.bad {
		p.bad = b.Enter > 0 && !p.chance(b.Leave)
	} else {
		p.bad = p.chance(b.Enter)
	}
	return p.bad && p.chance(b.Loss)
}

// transmit queues size bytes and returns when the last has left, false if the
// queue is full. A datagram that does not have to wait needs no queue.
func (p *path) transmit(l Link, at time.Time, size int) (time.Time, bool) {
	if l.Bandwidth == 0 {
		return at, true
	}
	start := at
	if p.free.After(at) {
		start = p.free
		waiting := int(start.Sub(at).Seconds() * float64(l.Bandwidth))
		if waiting+size > l.Queue {
			return time.Time{}, false
		}
	}
	p.free = start.Add(time.Duration(float64(size) / float64(l.Bandwidth) * float64(time.Second)))
	return p.free, true
}

func (p *path) delay(l Link) time.Duration {
	d := l.Delay
	if l.Jitter > 0 {
		d += time.Duration(p.rng.Int64N(int64(l.Jitter)))
	}
	if p.chance(l.Reorder) {
		d += l.ReorderBy
	}
	return d
}
