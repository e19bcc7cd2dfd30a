package session

import (
	"errors"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// receive takes a packet with this link's id, on the endpoint's reader. It
// reports whether pump has something to do.
func (l *Link) receive(p []byte, from netip.AddrPort, local netip.Addr, now time.Time) (gathered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	body, counter, newest, err := l.crypt.Open(p, now)
	if err != nil {
		l.refused(err)
		return false
	}
	heard := l.heard
	l.heard = now
	if now.Sub(heard) > silence {
		l.voice = now
	}
	if l.only { // a stream that there is beside is judged by what comes on it
		l.s.lastRead.Store(now.UnixNano())
	}
	if !l.begun {
		l.begin1st()
	}
	if l.over {
		l.afterwards(body)
		return false
	}
	l.s.counts.BytesIn.Add(uint64(len(p)))
	proposes, answered := false, 0
	for len(body) > 0 && l.fault == nil {
		t, frame, rest, err := packet.NextFrame(body)
		if err != nil {
			l.e.counts.Malformed.Add(1)
			l.fault = protocolError("malformed packet")
			break
		}
		body = rest
		if t == packet.FrameBind { // it is about the packet
			if b := l.bound(frame, from, len(p)-answered, now); b != nil {
				l.e.tx.sendRaw(b, from, local)
				answered += len(b)
			}
			continue
		}
		proposes = proposes || !isProbe(t)
		l.frame(t, frame, from, now)
	}
	if l.pair != nil {
		l.pair.gauge.heard(counter, now)
		if from.IsValid() {
			l.pair.path.Heard(now)
		}
	}
	if l.server && newest && proposes && from != l.remote {
		l.propose(from, local, len(p), heard, now)
		l.roam.spent += answered
	}
	return true
}

// refused counts a packet that did not open. So many forged ones that keys wear
// out end the session.
func (l *Link) refused(err error) {
	switch {
	case errors.Is(err, packet.ErrReplay):
		l.e.counts.Replayed.Add(1)
	case errors.Is(err, packet.ErrForged):
		l.e.counts.Forged.Add(1)
	default:
		l.e.counts.Malformed.Add(1)
	}
	if l.crypt.Exhausted() {
		l.failLocked(protocolError("keys are worn out"))
	}
}

// begin1st is called with the first authentic packet.
func (l *Link) begin1st() {
	l.begun = true
	if l.first != nil {
		l.first()
	}
	if !l.only {
		l.e.wg.Go(func() { l.s.linkUp(l) }) // ended by itself: it sends at most
	}
}

// frame takes one frame of a packet.
func (l *Link) frame(t packet.FrameType, body []byte, from netip.AddrPort, now time.Time) {
	switch t {
	case packet.FrameReliable:
		l.reliable(body, now)
	case packet.FrameDatagram:
		if !l.s.hungry() && !l.early(len(body)) {
			l.s.counts.Unread.Add(1)
			return
		}
		l.gather(body)
	case packet.FrameControl:
		l.controls(body, now)
	case packet.FrameChallenge:
		switch {
		case len(body) != nonceSize || !l.meta.Take(metaRate, now):
		case l.pair != nil:
			l.probed([nonceSize]byte(body), from, now)
		default:
			l.respond([nonceSize]byte(body))
		}
	case packet.FrameResponse:
		switch {
		case len(body) < nonceSize:
		case l.pair != nil:
			l.echoed(body, now)
		default:
			l.proved([nonceSize]byte(body), now)
		}
	case packet.FrameRelay:
		if l.pair != nil {
			l.fault = protocolError("a pair relays nothing")
			return
		}
		f, ok, err := l.s.relayed(body, now)
		if err != nil {
			l.fault = err
		}
		if ok {
			l.e.forwards = append(l.e.forwards, f)
		}
	case packet.FrameBound:
		var m packet.Bound
		if told := l.s.dg.Load().hooks.Bound; told != nil && m.Parse(body) == nil {
			told(m)
		}
	case packet.FramePadding, packet.FrameConnect, packet.FrameAccept:
	default:
		if t < 0x80 {
			l.fault = protocolError("packet frame %d is not expected here", t)
		}
	}
}

// metaRate bounds what of the other end costs an answer at once.
var metaRate = Rate{PerSecond: 50, Burst: 100}

// reliable takes segments.
func (l *Link) reliable(segments []byte, now time.Time) {
	number, err := reliableNumber(segments)
	if err != nil || int(number) >= channels || !l.only {
		l.e.counts.Malformed.Add(1)
		return
	}
	c := l.channelLocked(number)
	if err := c.rel.Input(segments); err != nil {
		l.e.counts.Malformed.Add(1)
		return
	}
	c.account()
	if c.rel.Owes() {
		l.owe(now)
	}
	if c.out != nil && !c.rel.Full() {
		l.urge() // there is room for what waits
	}
	l.signal()
}

// controls takes frames that are the link's own.
func (l *Link) controls(frames []byte, now time.Time) {
	for len(frames) > 0 {
		k, body, n, err := wire.ParseFrame(frames, packet.MaxBody)
		if err != nil || n == 0 {
			l.fault = protocolError("malformed control frame")
			return
		}
		frames = frames[n:]
		switch k {
		case wire.KindPing:
			var m wire.Ping
			if m.Parse(body) == nil && l.meta.Take(metaRate, now) {
				pong := wire.Pong{Time: m.Time, Now: uint64(now.UnixMicro())}
				if l.putControlLocked(pong.AppendFrame(nil)) == nil {
					l.urge()
				}
			}
		case wire.KindPong:
			var m wire.Pong
			if m.Parse(body) == nil {
				l.health.heard()
				l.clock.answered(&m, now)
			}
		case wire.KindClose:
			l.parted(body)
			return
		default:
			if !k.Skippable() {
				l.fault = protocolError("frame %v is no control frame", k)
				return
			}
		}
	}
}
