package protocol

import "encoding/binary"

// Input is what a client says 20 times a second: where it walks, and what it has
// received.
//
//	fix     uint8    the Own's of the newest update: of which correction the client knows
//	x, y    uint16
//	heading uint8
//	speed   uint8
//	newest  uint16   number of the newest update that came
//	mask    uint32   bit i: the one of number newest − i came; 0: none has
//	roster  uint16   number of the newest roster that came
//	direct  []byte   bit i of byte j: what is in slot 8j+i tells this client itself where it is
type Input struct {
	Fix            uint8
	X, Y           uint16
	Heading, Speed uint8
	Ack
	Direct []byte
}

// Ack says what a client has received.
type Ack struct {
	Newest uint16
	Mask   uint32
	Roster uint16
}

// Append appends the encoded message.
func (m *Input) Append(b []byte) []byte {
	b = append(b, m.Fix)
	b = binary.BigEndian.AppendUint16(b, m.X)
	b = binary.BigEndian.AppendUint16(b, m.Y)
	b = append(b, m.Heading, m.Speed)
	b = binary.BigEndian.AppendUint16(b, m.Newest)
	b = binary.BigEndian.AppendUint32(b, m.Mask)
	b = binary.BigEndian.AppendUint16(b, m.Roster)
	return append(b, m.Direct...)
}

// Parse sets m from b. Direct is a view of b.
func (m *Input) Parse(b []byte) error {
	r := reader{b: b}
	*m = Input{Fix: r.byte(), X: r.uint16(), Y: r.uint16(), Heading: r.byte(), Speed: r.byte()}
	m.Ack = Ack{Newest: r.uint16(), Mask: r.uint32(), Roster: r.uint16()}
	m.Direct = r.bytes(min(len(r.b), MaxItems/8))
	return r.done()
}

// HasDirect reports whether a bit of Direct is set.
func (m *Input) HasDirect(slot int) bool {
	return slot/8 < len(m.Direct) && m.Direct[slot/8]&(1<<(slot%8)) != 0
}

// SetDirect sets a bit of Direct.
func (m *Input) SetDirect(slot int) {
	for len(m.Direct) <= slot/8 {
		m.Direct = append(m.Direct, 0)
	}
	m.Direct[slot/8] |= 1 << (slot % 8)
}

// near is the number whose last 16 bits are low that is nearest to n, which is
// how both ends number on beyond what the wire has.
func near(n uint64, low uint16) uint64 {
	return n + uint64(int64(int16(low-uint16(n))))
}
