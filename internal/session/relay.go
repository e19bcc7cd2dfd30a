package session

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// A relayed packet is a pair's, on its way through the server, which sees no
// more of it than whom it is for and whether it may be lost.
//
//	slot   uint32   of the pair, in the table of the session that carries it
//	flags  uint8    bits 0 and 1: the delivery class
//	packet …        the pair's, untouched
const relayHeader = 4 + 1

// maxRelayed is how many bytes of relayed packets may wait for a link's next
// packets: what is more is lost, as on the way.
const maxRelayed = 64 << 10

// relayLane is the lane of relayed packets in a stream's queue: no group has that id.
const relayLane = ^wire.ID(0)

// Meter counts what the server relays for one end of a pair. Its method must not
// block.
type Meter interface {
	// Relay is told of a packet of n bytes, and may have it dropped by returning
	// false.
	Relay(n int, class wire.Class, now time.Time) bool
}

// relayTarget is where a slot leads: at the server to another session, at a
// client to the pair.
type relayTarget struct {
	s     *Session
	slot  uint32 // in the table of s
	meter Meter  // the server's
	pair  *Link
}

// SetRelay has packets for slot go to the other session, with the slot that its
// client knows the pair by; of the server. A session without datagrams agreed on
// has no slots.
func (s *Session) SetRelay(slot uint32, to *Session, toSlot uint32, m Meter) {
	s.setRelay(slot, relayTarget{s: to, slot: toSlot, meter: m})
}

// RemoveRelay forgets a slot. What is under way for it is lost.
func (s *Session) RemoveRelay(slot uint32) {
	d := s.dg.Load()
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := maps.Clone(d.slots())
	delete(m, slot)
	d.relays.Store(&m)
}

func (s *Session) setRelay(slot uint32, t relayTarget) {
	d := s.dg.Load()
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := make(map[uint32]relayTarget, len(d.slots())+1)
	maps.Copy(m, d.slots())
	m[slot] = t
	d.relays.Store(&m)
}

// slots are the pairs of a session by their slots; never changed, only replaced.
func (d *datagrams) slots() map[uint32]relayTarget {
	if m := d.relays.Load(); m != nil {
		return *m
	}
	return nil
}

// forward is a relayed packet that has come and is to go on once no link is
// locked.
type forward struct {
	relayTarget
	class wire.Class
	p     []byte // a view of what was read
}

// relayed finds out where a relayed packet goes on to. One for a slot that there
// is no more, or above what may be relayed, is counted and dropped.
func (s *Session) relayed(body []byte, now time.Time) (f forward, ok bool, err error) {
	d := s.dg.Load()
	if len(body) < relayHeader+packet.Overhead || len(body) > relayHeader+packet.MaxSize {
		return forward{}, false, protocolError("no packet of a pair is in what is to be relayed")
	}
	f.p = body[relayHeader:]
	f.relayTarget, ok = d.slots()[binary.BigEndian.Uint32(body)]
	f.class = wire.Class(body[4] & 3)
	if !ok {
		s.counts.Late.Add(1)
		return forward{}, false, nil
	}
	if s.server && !(d.mayRelay(len(body), f.class, now) && f.meter.Relay(len(f.p), f.class, now)) {
		s.counts.Refused.Add(1)
		return forward{}, false, nil
	}
	return f, true, nil
}

// forReliable is the share of a budget that what may be lost leaves to what is
// reliable.
const forReliable = 0.25

// mayRelay counts a packet that a client has relayed, or has the server relay. A
// client keeps to a little less than the server lets through: what it drops itself
// costs nothing.
func (d *datagrams) mayRelay(n int, class wire.Class, now time.Time) bool {
	rate, pace := d.relayRates()
	d.mu.Lock()
	defer d.mu.Unlock()
	share := 0.0
	if class != wire.ClassReliable {
		share = forReliable
	}
	if d.relaying.left(rate, now) < share*rate.burst()+1 {
		return false
	}
	if !d.relayedBytes.Overdraw(pace, float64(n), share, now) {
		return false
	}
	d.relaying.Spend(rate, 1, now)
	return true
}

// relayRoom is how many bytes of reliable packets may go by the relay now.
func (d *datagrams) relayRoom(now time.Time) float64 {
	rate, pace := d.relayRates()
	d.mu.Lock()
	defer d.mu.Unlock()
	return min(d.relaying.left(rate, now)*packet.MaxSize, d.relayedBytes.left(pace, now))
}

func (d *datagrams) relayRates() (rate, pace Rate) {
	rate, pace = d.s.env.Relay, d.s.env.RelayPace
	if !d.s.server {
		rate, pace = rate.less(), pace.less()
	}
	return rate, pace
}

// less is a rate to keep to where the other end allows this one.
func (r Rate) less() Rate {
	return Rate{PerSecond: r.PerSecond * 7 / 8, Burst: max(1, int(r.burst())*7/8)}
}

// relayFrame takes a relayed packet that has come by the stream.
func (s *Session) relayFrame(body []byte) error {
	if s.dg.Load() == nil {
		return protocolError("frame %v was not agreed on", wire.KindRelay)
	}
	f, ok, err := s.relayed(body, s.now)
	if !ok {
		return err
	}
	f.on(s.now)
	if f.pair != nil { // no read of an endpoint's is under way that would send
		f.pair.e.tx.run()
	} else if l := f.s.dg.Load().link.Load(); l != nil {
		l.e.tx.run()
	}
	return nil
}

// on passes a relayed packet on: to the pair, or to the session of its other end.
func (f *forward) on(now time.Time) {
	if f.pair != nil {
		if f.pair.receiveRelayed(f.p, now) {
			f.pair.pump(nil)
		}
		return
	}
	f.s.relay(f.slot, f.class, f.p)
}

// relay sends a pair's packet by this session: by UDP where that is up, else by
// the stream, where it does not wait long.
func (s *Session) relay(slot uint32, class wire.Class, p []byte) {
	d := s.dg.Load()
	if !s.server && !d.mayRelay(relayHeader+len(p), class, time.Now()) {
		s.counts.Refused.Add(1)
		return
	}
	if l := d.link.Load(); l != nil && d.up.Load() {
		if len(p)+relayHeader+packet.FrameHeaderSize <= packet.MaxBody {
			l.relay(slot, class, p)
			return
		}
		s.counts.Refused.Add(1)
		return
	}
	if s.conn == nil {
		return // it is over
	}
	as, l := wire.Unreliable, lane{}
	if class == wire.ClassReliable { // it waits among those that are dropped last, and supersedes none
		as, l = wire.Sequenced(0), lane{group: relayLane, sender: wire.ID(d.relayedOut.Add(1))}
	}
	b, err := s.out.begin(wire.FrameSize(relayHeader+len(p)), as, l)
	if err == nil { // else it is lost, as on the way
		b = wire.AppendHeader(b, wire.KindRelay, relayHeader+len(p))
		s.out.commitFrames(appendRelay(b, slot, class, p), 1)
		s.Flush()
	}
}

func appendRelay(b []byte, slot uint32, class wire.Class, p []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, slot)
	return append(append(b, byte(class)), p...)
}

// relay queues a pair's packet for the link's next packets.
func (l *Link) relay(slot uint32, class wire.Class, p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := maxRelayed
	if class != wire.ClassReliable { // which leaves room for what is
		limit /= 2
	}
	if l.over || len(l.relays)+len(p) > limit {
		l.e.counts.Dropped.Add(1)
		return
	}
	l.relays = packet.AppendFrameHeader(l.relays, packet.FrameRelay, relayHeader+len(p))
	l.relays = appendRelay(l.relays, slot, class, p)
	l.urge()
}

// sendRelays sends what is to be relayed, as it came.
func (l *Link) sendRelays(k *packer) {
	if len(l.relays) == 0 {
		return
	}
	if !l.only { // what is relayed is lost on a path that is dead
		l.health.used = k.now
		l.watch()
	}
	k.frames(l.relays)
	if l.relays = l.relays[:0]; cap(l.relays) > largeBuffer {
		l.relays = nil
	}
}

// Pairer is told what concerns a session's pairs. Its methods must not block.
type Pairer interface {
	// PairFrame takes a frame, in the calls of whoever decodes. An error ends the
	// session.
	PairFrame(k wire.Kind, body []byte) error
	// Moved says that the other end has proved to be at another address.
	Moved()
}

// OnPairs has p told of a session that may speak UDP, unless another one is; it
// returns who is. Call it before Start, or from there on where p is the first.
func (s *Session) OnPairs(p Pairer) Pairer {
	d := s.dg.Load()
	if d == nil {
		return nil
	}
	d.pairs.CompareAndSwap(nil, &p)
	return *d.pairs.Load()
}

// Candidates is the body of the frame by which the client has told where it may be
// reached, before there was who is told; nil: it has not.
func (s *Session) Candidates() []byte {
	if d := s.dg.Load(); d != nil {
		if body := d.candidates.Load(); body != nil {
			return *body
		}
	}
	return nil
}

// Pairer is who is told, or nil.
func (s *Session) Pairer() Pairer {
	if d := s.dg.Load(); d != nil {
		if p := d.pairs.Load(); p != nil {
			return *p
		}
	}
	return nil
}

// Pairs reports whether the session may have pairs: both ends speak UDP, be it
// that it does not get through.
func (s *Session) Pairs() bool { return s.dg.Load() != nil }

// maxCandidates bounds what is kept of them, in bytes: eight addresses take 160.
const maxCandidates = 256

// pairFrame takes a frame that deals with pairs.
func (s *Session) pairFrame(k wire.Kind, body []byte) error {
	d := s.dg.Load()
	if d == nil {
		return protocolError("frame %v was not agreed on", k)
	}
	if s.server && !s.bucket.Take(s.env.Rate, s.now) {
		return s.refuse()
	}
	if p := s.Pairer(); p != nil {
		return p.PairFrame(k, body)
	}
	if k == wire.KindCandidates && len(body) <= maxCandidates {
		body = bytes.Clone(body)
		d.candidates.Store(&body)
		if p := s.Pairer(); p != nil { // it came meanwhile, and may not have seen them
			return p.PairFrame(k, body)
		}
		if rtt, _ := s.RTT(); rtt == 0 { // who tells them may have to look for a path soon
			return s.Ping()
		}
	}
	return nil
}

// Observed is where the client is seen by UDP, which it has proven; invalid
// while it is not.
func (s *Session) Observed() netip.AddrPort {
	d := s.dg.Load()
	if d == nil {
		return netip.AddrPort{}
	}
	l := d.link.Load()
	if l == nil {
		return netip.AddrPort{}
	}
	return l.Remote()
}
