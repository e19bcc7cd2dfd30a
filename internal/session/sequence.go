package session

import (
	"encoding/binary"
	"slices"

	"github.com/troupe-go/troupe/wire"
)

// Where datagrams may carry them, sequenced messages are numbered: a late one
// must not come after a newer one of its lane, whatever each came by. All lanes
// of a direction share one number, so that a lane costs its sender nothing.
//
//	sequence uint32   one more for each sequenced message, of any lane
//	frame    …        an operation, event or group message
const sequenceSize = 4

// maxLanes is how many lanes a receiver remembers.
const maxLanes = 1024

// Ordering knows the newest message of each lane. The zero value is ready to use;
// it is not safe for concurrent use.
type Ordering struct {
	last  map[lane]uint32
	top   uint32 // the newest of all
	floor uint32 // nothing of a forgotten lane was newer
}

// maxBehind is how far behind the newest message of all lanes the number of a
// lane is remembered: numbers wrap, and those of a lane that has long been silent
// would seem to lie ahead.
const maxBehind = 1 << 30

// newer reports whether a is newer than b; numbers wrap (RFC 1982).
func newer(a, b uint32) bool { return int32(a-b) > 0 }

// Newest reports whether a message of a group is the newest of its key to somebody,
// or to all, by its sender's count, and notes it.
func (o *Ordering) Newest(group, to wire.ID, d wire.Delivery, sequence uint32) bool {
	return o.accept(laneOf(d, group, to), sequence)
}

// Overtaken reports whether Newest is known to have seen a newer one.
func (o *Ordering) Overtaken(group, to wire.ID, d wire.Delivery, sequence uint32) bool {
	last, known := o.last[laneOf(d, group, to)]
	return known && newer(last, sequence)
}

// Order is of what the session's client counts itself, see wire.GroupSend; nil
// where it need not, because all that it sends comes by a stream. It is for Routes,
// in their calls.
func (s *Session) Order() *Ordering {
	if d := s.dg.Load(); d != nil {
		return &d.counted
	}
	return nil
}

// accept is Newest of a lane.
func (o *Ordering) accept(l lane, sequence uint32) bool {
	if o.last == nil { // who counts may have begun long ago
		o.last, o.top, o.floor = make(map[lane]uint32), sequence, sequence-maxBehind/2
	}
	last, known := o.last[l]
	if !known {
		last = o.floor
	}
	if !newer(sequence, last) {
		return false
	}
	if newer(sequence, o.top) {
		o.top = sequence
		if o.top-o.floor > maxBehind {
			o.raise(o.top - maxBehind/2) // seldom: it looks at all lanes
		}
	}
	if !known && len(o.last) >= maxLanes {
		o.forget()
	}
	o.last[l] = sequence
	return true
}

// forget drops the half of the lanes that has been silent for longer. A message
// of one of them that is older than all that was forgotten counts as late.
func (o *Ordering) forget() {
	all := make([]uint32, 0, len(o.last))
	for _, s := range o.last {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b uint32) int { return int(int32(a - b)) })
	o.raise(all[len(all)/2])
}

// raise lifts the floor, and forgets the lanes below it.
func (o *Ordering) raise(floor uint32) {
	o.floor = floor
	for l, s := range o.last {
		if !newer(s, floor) {
			delete(o.last, l)
		}
	}
}

// appendSequence begins a frame that wraps one of n bytes.
func appendSequence(b []byte, sequence uint32, n int) []byte {
	b = wire.AppendHeader(b, wire.KindSequenced, sequenceSize+n)
	return binary.BigEndian.AppendUint32(b, sequence)
}

// sequenced hands on a sequenced message unless a newer one has come.
func (s *Session) sequenced(body []byte, b *Buffer) error {
	if len(body) < sequenceSize {
		return protocolError("a sequence number has %d bytes", sequenceSize)
	}
	k, inner, n, err := wire.ParseFrame(body[sequenceSize:], s.frameMax)
	if err != nil || n != len(body)-sequenceSize {
		return protocolError("a sequenced message must be one frame")
	}
	l, err := laneOfFrame(k, inner)
	if err != nil {
		return protocolError("%v", err)
	}
	if s.dg.Load().order.accept(l, binary.BigEndian.Uint32(body)) {
		return s.frame(k, inner, b)
	}
	s.counts.Stale.Add(1)
	if s.server && !s.bucket.Take(s.env.Rate, s.now) {
		return s.refuse()
	}
	return nil
}

// laneOfSend is the lane of a member's message on its way to the server. What is
// for different receivers does not supersede each other; where some of these are
// the same the server looks at each, see GroupSend.Sequence.
func laneOfSend(m *wire.GroupSend) lane {
	var to wire.ID
	for i := range m.To.Len() {
		to = to*0x100000001b3 ^ m.To.At(i) // FNV's prime
	}
	return laneOf(m.Delivery, m.Group, to)
}

// laneOfFrame is the lane of a sequenced message.
func laneOfFrame(k wire.Kind, body []byte) (lane, error) {
	var d wire.Delivery
	var group, sender wire.ID
	var err error
	switch k {
	case wire.KindOperation:
		var m wire.Operation
		err = m.Parse(body)
		d = m.Delivery
	case wire.KindEvent:
		var m wire.Event
		err = m.Parse(body)
		d = m.Delivery
	case wire.KindGroupSend:
		var m wire.GroupSend
		err = m.Parse(body)
		return laneOfSend(&m), err
	case wire.KindGroupMessage:
		var m wire.GroupMessage
		err = m.Parse(body)
		d, group, sender = m.Delivery, m.Group, m.Sender
	default:
		return lane{}, protocolError("frame %v has no sequence", k)
	}
	return laneOf(d, group, sender), err
}
