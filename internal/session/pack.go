package session

import (
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// packer fills packets of one link into a batch. It works under the link's mu.
type packer struct {
	l     *Link
	tx    *transmitter
	now   time.Time
	p     []byte // the packet under way, header room included; nil while there is none
	twice bool   // it is to be sent again

	class   wire.Class // of the packet under way: what is reliable is in it, or not
	lasting bool       // it has something that the other end needs even when it has moved
}

// frame adds a frame to the packet under way, or begins another one.
func (k *packer) frame(t packet.FrameType, body []byte, twice bool) {
	size := packet.FrameHeaderSize + len(body)
	if k.p != nil && (len(k.p)+size > packet.HeaderSize+k.l.maxBody() || twice != k.twice) {
		k.close()
	}
	if k.p == nil {
		k.p = k.tx.slot()[:packet.HeaderSize]
		k.twice, k.class = twice, wire.ClassUnreliable
	}
	k.p = packet.AppendFrame(k.p, t, body)
	if t == packet.FrameReliable {
		k.class = wire.ClassReliable
	}
	k.lasting = k.lasting || t == packet.FrameReliable && k.l.server
}

// frames adds frames that were put together before.
func (k *packer) frames(b []byte) {
	for len(b) > 0 {
		t, body, rest, err := packet.NextFrame(b)
		if err != nil {
			break // they are our own
		}
		k.frame(t, body, false)
		b = rest
	}
}

// close seals the packet under way for the link's address.
func (k *packer) close() { k.closeTo(k.l.remote, k.l.source) }

func (k *packer) closeTo(to netip.AddrPort, source netip.Addr) {
	if k.p == nil {
		return
	}
	sealed := k.l.crypt.Seal(k.p, k.l.peer)
	k.p = nil
	if sealed == nil { // no more packets under these keys
		k.l.failLocked(protocolError("keys are worn out"))
		return
	}
	k.l.tokens -= float64(len(sealed))
	if k.lasting {
		k.l.flight.keep(sealed, k.now)
		k.lasting = false
	}
	if k.l.pair != nil {
		k.l.carry(k, sealed)
		return
	}
	k.tx.commit(sealed, to, source)
	if k.twice {
		k.tx.again(sealed, to, source, k.now)
	}
}

// emit is a channel's output: some segments.
func (c *channel) emit(segments []byte) {
	if k := c.l.packer; k != nil {
		k.frame(packet.FrameReliable, segments, c.twice)
		return
	}
	// Outside of send, while packets come in: they leave with the next one.
	c.l.extra = packet.AppendFrame(c.l.extra, packet.FrameReliable, segments)
	c.l.urge()
}

// urge has the link send at the end of the endpoint's read.
func (l *Link) urge() {
	l.unsent.Store(true)
	l.e.tx.list(l)
}

// send makes packets of what waits, as far as the pace allows. The transmitter
// calls it.
func (l *Link) send(tx *transmitter, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsent.Store(false)
	if !l.remote.IsValid() && l.pair == nil {
		return
	}
	k := &tx.packer
	*k = packer{l: l, tx: tx, now: now}
	l.packer = k
	defer func() { l.packer = nil }()
	l.pace(now)
	if l.pair != nil {
		l.sendProbes(k)
	} else {
		l.challenge(k, now)
	}
	l.sendControl(k)
	l.sendRelays(k)
	if l.over {
		k.close()
		return
	}
	l.sendLossy(k)
	if err := l.sendReliable(k, now); err != nil {
		l.failLocked(err)
	}
	k.close()
	switch {
	case l.moved != nil:
		l.flight.again(k, l.moved, true)
		l.moved = nil
	case l.roam != nil:
		l.flight.again(k, l.roam, false)
	case l.flight.b != nil && !l.waiting():
		l.flight.land()
	}
	l.signal()
}

// signal wakes who waits for the end of all that was to be sent.
func (l *Link) signal() {
	if l.idle != nil && !l.busy() {
		close(l.idle)
		l.idle = nil
	}
}

// busy reports whether something is still to be sent, or to be acknowledged.
func (l *Link) busy() bool {
	if l.hasty {
		return false
	}
	if l.nControl > 0 {
		return true
	}
	for _, c := range l.channels {
		if c != nil && (c.out != nil || c.rel.Waiting() > 0) {
			return true
		}
	}
	return false
}

// drained returns a channel that is closed when nothing is left to send, and all
// that is reliable has been acknowledged.
func (l *Link) drained() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := make(chan struct{})
	l.idle = idle
	l.signal()
	return idle
}

func (l *Link) sendControl(k *packer) {
	for rest := l.control; len(rest) > 0; {
		n := wholeFrames(rest, l.maxBody()-packet.FrameHeaderSize)
		k.frame(packet.FrameControl, rest[:n], false)
		rest = rest[n:]
	}
	l.stats.written += uint64(l.nControl)
	l.control, l.nControl = l.control[:0], 0
	k.frames(l.extra)
	if l.extra = l.extra[:0]; cap(l.extra) > packet.MaxSize { // a rare burst's
		l.extra = nil
	}
}

// sendLossy sends the frames that need not arrive, as far ahead of the pace as
// they may be: the others wait, and are dropped as on a stream that is behind.
func (l *Link) sendLossy(k *packer) {
	room := int(l.tokens) + maxOverdraft
	if room <= 0 {
		if l.lossy.hold() {
			l.activate(k.now, 0)
		}
		return
	}
	b, frames, more := l.lossy.takeLossy(k.tx.segments[:0], room)
	if more {
		l.activate(k.now, 0)
	}
	if b == nil {
		return
	}
	for _, f := range frames {
		k.frame(packet.FrameDatagram, b.data[f.off:f.off+f.n], f.twice)
	}
	k.tx.segments = frames[:0]
	l.lossy.giveBack(b)
	if !l.only {
		l.health.used = k.now
		l.watch()
	}
}

func (l *Link) sendReliable(k *packer, now time.Time) error {
	if l.queued == 0 && l.unacked == 0 && !l.owing && !l.ticking && !l.acking && l.roam == nil {
		return nil // nothing of any channel is due: don't fetch them into the cache to hear that
	}
	advanced, err := l.advance()
	if err != nil {
		return err
	}
	waiting := false
	for i, c := range l.channels {
		if c == nil {
			continue
		}
		if err := c.age(now); err != nil {
			return err
		}
		switch {
		case advanced[i]: // acknowledgements go along
			c.rel.Flush()
		case l.ticking:
			c.rel.Tick()
		case l.acking && c.rel.Owes():
			c.rel.Flush()
		}
		waiting = waiting || c.rel.Waiting() > 0
	}
	l.ticking, l.acking = false, false
	if l.roam != nil {
		l.activate(now, 0)
	} else if pause, again := l.pause(); again {
		l.activate(now, pause)
	}
	if waiting {
		l.watch()
	}
	return nil
}

// maxOverdraft is how many bytes of what must not wait may be sent ahead of the
// pace.
const maxOverdraft = 64 << 10

// pace counts what may be sent. KCP without a congestion window sends as fast as
// its window lets it; a token bucket keeps one session from flooding the path.
func (l *Link) pace(now time.Time) {
	r := l.e.env.pace()
	if r.PerSecond <= 0 {
		l.tokens = 1 << 30
		return
	}
	if !l.refilled.IsZero() {
		l.tokens = min(r.burst(), l.tokens+now.Sub(l.refilled).Seconds()*r.PerSecond)
	}
	l.refilled = now
	if l.pair != nil {
		if _, _, relay := l.pair.path.Route(); relay { // which has a pace of its own, for all pairs
			l.tokens = min(l.tokens, l.pair.by.dg.Load().relayRoom(now))
		}
	}
}
