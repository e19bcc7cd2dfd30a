package session

import (
	"crypto/rand"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
)

const (
	challengeEvery  = 50 * time.Millisecond // while packets come from the new address
	challengeBudget = 3                     // times as many bytes may go there as have come from it
	roamMemory      = 10 * time.Second      // a proposal nothing has come from for so long is forgotten
)

// moveRate bounds address changes: a mapping that flaps is no path.
var moveRate = Rate{PerSecond: 1, Burst: 5}

// roam is an address that packets have come from and that is not proven: they
// may be replayed or sent by somebody on the way. Whoever reads what is sent
// there proves it, by a nonce.
type roam struct {
	addr     netip.AddrPort
	source   netip.Addr
	nonce    [nonceSize]byte
	heard    time.Time
	asked    time.Time // when the nonce was last sent
	received int       // bytes
	spent    int       // bytes
	due      bool      // a challenge is to be sent

	since    time.Time // what was sent from then on may be lost, and is sent here
	repeated bool      // some of it has been
	last     uint32    // the counter of the last of these
}

// propose notes that an authentic packet of n bytes, the newest, and more than a
// probe, has come from another address than the link's; heard is when the one
// before it came.
func (l *Link) propose(from netip.AddrPort, local netip.Addr, n int, heard, now time.Time) {
	r := l.roam
	if r == nil || r.addr != from {
		r = &roam{addr: from, source: local, since: l.lostSince(heard)}
		rand.Read(r.nonce[:]) // never fails
		l.roam = r
	}
	r.heard = now
	r.received += n
	if now.Sub(r.asked) >= challengeEvery {
		r.due = true
	}
	l.urge()
}

// challenge sends the nonce to the proposed address.
func (l *Link) challenge(k *packer, now time.Time) {
	r := l.roam
	if r == nil {
		return
	}
	if now.Sub(r.heard) > roamMemory {
		l.roam = nil
		return
	}
	const size = packet.Overhead + packet.FrameHeaderSize + nonceSize
	if !r.due || r.spent+size > challengeBudget*r.received {
		return
	}
	r.due, r.asked = false, now
	r.spent += size
	k.frame(packet.FrameChallenge, r.nonce[:], false)
	k.closeTo(r.addr, r.source)
}

// proved moves the link to the address that the nonce was sent to.
func (l *Link) proved(nonce [nonceSize]byte, now time.Time) {
	r := l.roam
	if r == nil || r.nonce != nonce || r.asked.IsZero() || !l.moves.Take(moveRate, now) {
		return
	}
	l.remote, l.source, l.roam, l.moved = r.addr, r.source, nil, r
	l.s.counts.Moves.Add(1)
	l.clock.best.Store(0) // it was of the way to the old address
	l.urge()
	l.activate(now, 0)
	if p := l.s.Pairer(); p != nil {
		l.e.wg.Go(p.Moved) // ended by itself; it wants to know the address, which takes mu
	}
}

// respond answers a challenge, from where this end is now.
func (l *Link) respond(nonce [nonceSize]byte) {
	body := packet.AppendObserved(nonce[:], l.remote)
	l.extra = packet.AppendFrame(l.extra, packet.FrameResponse, body)
	l.urge()
}

// isProbe reports whether frames of that type look for addresses. They come from
// wherever a client tries, and propose none.
func isProbe(t packet.FrameType) bool {
	switch t {
	case packet.FramePadding, packet.FrameChallenge, packet.FrameResponse, packet.FrameBind:
		return true
	}
	return false
}

// bound is the answer to a Bind, which goes to where that came from: the address,
// with a receipt for it. An address that is not proven gets room bytes at most. It
// is nil where there is no answer. The caller holds mu.
func (l *Link) bound(bind []byte, from netip.AddrPort, room int, now time.Time) []byte {
	if !l.server || l.over || l.e.receipt == nil || len(bind) != nonceSize || !l.meta.Take(metaRate, now) {
		return nil
	}
	body := l.e.boundTo([nonceSize]byte(bind), from, uint64(l.s.id), now)
	size := packet.Overhead + packet.FrameHeaderSize + len(body)
	if from != l.remote && size > room {
		return nil
	}
	p := make([]byte, packet.HeaderSize, size)
	return l.crypt.Seal(packet.AppendFrame(p, packet.FrameBound, body), l.peer)
}

// boundTo is the body of a Bound frame.
func (e *Endpoint) boundTo(nonce [nonceSize]byte, seen netip.AddrPort, session uint64, now time.Time) []byte {
	body := packet.AppendObserved(nonce[:], seen)
	return append(body, e.receipt(seen, session, now)...)
}
