package protocol

import "encoding/binary"

// Roster says what has come into view, what has gone, and what has other
// properties. Reliable.
//
//	number  uint16   counts the rosters, from 1
//	tick    uint32   the server's
//	after   uint16   number of the newest update before it: in those up to this one the slots of what is new mean something else
//	gone    uvarint count, uvarint slots
//	new     uvarint count, each: uvarint slot, int8 age: it was so at tick − age, Item
//	changed uvarint count, each: uvarint slot, Props
type Roster struct {
	Number  uint16
	Tick    uint32
	After   uint16
	Gone    []int
	New     []Arrival
	Changed []Slotted[Props]
}

// Slotted is something of the item in a slot.
type Slotted[T any] struct {
	Slot int
	Of   T
}

// Arrival is an item that has come into view.
type Arrival struct {
	Slot int
	Age  int8
	Item
}

// Append appends the encoded message.
func (m *Roster) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, m.Number)
	b = binary.BigEndian.AppendUint32(b, m.Tick)
	b = binary.BigEndian.AppendUint16(b, m.After)
	b = binary.AppendUvarint(b, uint64(len(m.Gone)))
	for _, slot := range m.Gone {
		b = binary.AppendUvarint(b, uint64(slot))
	}
	b = binary.AppendUvarint(b, uint64(len(m.New)))
	for i := range m.New {
		b = binary.AppendUvarint(b, uint64(m.New[i].Slot))
		b = m.New[i].Item.append(append(b, uint8(m.New[i].Age)))
	}
	b = binary.AppendUvarint(b, uint64(len(m.Changed)))
	for i := range m.Changed {
		b = binary.AppendUvarint(b, uint64(m.Changed[i].Slot))
		b = m.Changed[i].Of.append(b)
	}
	return b
}

// Parse sets m from b.
func (m *Roster) Parse(b []byte) error {
	r := reader{b: b}
	*m = Roster{Number: r.uint16(), Tick: r.uint32(), After: r.uint16(), Gone: m.Gone[:0], New: m.New[:0], Changed: m.Changed[:0]}
	for n := r.uvarint(MaxItems); n > 0 && !r.failed; n-- {
		m.Gone = append(m.Gone, r.slot())
	}
	for n := r.uvarint(MaxItems); n > 0 && !r.failed; n-- {
		m.New = append(m.New, Arrival{r.slot(), int8(r.byte()), r.item()})
	}
	for n := r.uvarint(MaxItems); n > 0 && !r.failed; n-- {
		m.Changed = append(m.Changed, Slotted[Props]{r.slot(), r.props()})
	}
	return r.done()
}
