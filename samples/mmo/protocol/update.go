package protocol

import "encoding/binary"

// Update says where things are. Sequenced; of one tick there may be several.
//
//	number  uint16   counts the updates, from 1
//	base    uint8    what is said is the difference from what the client had when it had the update of number − base; 0: all is said in full
//	tick    uint32   the server's, at which the update was made
//	own     fix uint8, x, y uint16, health uint8
//	sections, each:
//	  age     int8     its changes were so at tick − age; another one than in the section before
//	  count   uvarint  at least 1
//	  changes Change, by rising slots
type Update struct {
	Number  uint16
	Base    uint8
	Tick    uint32
	Own     Own
	Changes []Change
}

// Own is where the server has the client's own character. A client that finds
// another Fix has been somewhere where it could not be: it goes on from here.
type Own struct {
	Fix    uint8
	X, Y   uint16
	Health uint8
}

const (
	headerSize  = 2 + 1 + 4 + 1 + 2 + 2 + 1
	sectionSize = 1 + 2 // at most: MaxItems fit into two bytes
)

// Change is what has become different of an item.
//
//	what    uint8   bits 0-1: position; 2: heading; 3: speed; 4: health follows; 5-7: slot minus the one before, 0: as uvarint
//	slot    uvarint that difference; the first slot is counted from −1
//	x, y    nothing; or the difference from the base, int8; or uint16
//	heading, speed, health uint8
type Change struct {
	Slot  int
	Age   int8
	what  uint8
	State // of the position perhaps the difference
}

// The bits of Change.what.
const (
	positionSame  = 0
	positionMoved = 1 // by int8 each way
	positionWhole = 2
	positionBits  = 3
	hasHeading    = 1 << 2
	hasSpeed      = 1 << 3
	hasHealth     = 1 << 4
	hasAll        = positionWhole | hasHeading | hasSpeed | hasHealth // needs no base
	slotShift     = 5
)

// difference is the change from base.
func difference(base, now State) Change {
	c := Change{State: now}
	dx, dy := int16(now.X-base.X), int16(now.Y-base.Y)
	switch {
	case dx == 0 && dy == 0:
	case dx == int16(int8(dx)) && dy == int16(int8(dy)):
		c.what = positionMoved
		c.X, c.Y = uint16(dx), uint16(dy)
	default:
		c.what = positionWhole
	}
	if now.Heading != base.Heading {
		c.what |= hasHeading
	}
	if now.Speed != base.Speed {
		c.what |= hasSpeed
	}
	if now.Health != base.Health {
		c.what |= hasHealth
	}
	return c
}

// of is what the change makes of base.
func (c *Change) of(base State) State {
	switch c.what & positionBits {
	case positionMoved:
		base.X += c.X
		base.Y += c.Y
	case positionWhole:
		base.X, base.Y = c.X, c.Y
	}
	if c.what&hasHeading != 0 {
		base.Heading = c.Heading
	}
	if c.what&hasSpeed != 0 {
		base.Speed = c.Speed
	}
	if c.what&hasHealth != 0 {
		base.Health = c.Health
	}
	return base
}

// size is the most bytes that the change takes.
func (c *Change) size() int {
	n := 1
	if c.Slot >= 7 {
		n++
	}
	if c.Slot >= 127 {
		n++
	}
	switch c.what & positionBits {
	case positionMoved:
		n += 2
	case positionWhole:
		n += 4
	}
	for _, bit := range [...]uint8{hasHeading, hasSpeed, hasHealth} {
		if c.what&bit != 0 {
			n++
		}
	}
	return n
}

// append appends the change behind that of another slot.
func (c *Change) append(b []byte, before int) []byte {
	step := c.Slot - before
	if step < 8 {
		b = append(b, c.what|uint8(step)<<slotShift)
	} else {
		b = binary.AppendUvarint(append(b, c.what), uint64(step))
	}
	switch c.what & positionBits {
	case positionMoved:
		b = append(b, uint8(c.X), uint8(c.Y))
	case positionWhole:
		b = binary.BigEndian.AppendUint16(b, c.X)
		b = binary.BigEndian.AppendUint16(b, c.Y)
	}
	if c.what&hasHeading != 0 {
		b = append(b, c.Heading)
	}
	if c.what&hasSpeed != 0 {
		b = append(b, c.Speed)
	}
	if c.what&hasHealth != 0 {
		b = append(b, c.Health)
	}
	return b
}

func (r *reader) change(before int) (c Change) {
	what := r.byte()
	step := int(what >> slotShift)
	if step == 0 {
		step = int(r.uvarint(MaxItems))
	}
	c.Slot, c.what = before+step, what&(hasAll|positionBits)
	switch c.what & positionBits {
	case positionMoved:
		c.X, c.Y = uint16(int8(r.byte())), uint16(int8(r.byte()))
	case positionWhole:
		c.X, c.Y = r.uint16(), r.uint16()
	}
	if c.what&hasHeading != 0 {
		c.Heading = r.byte()
	}
	if c.what&hasSpeed != 0 {
		c.Speed = r.byte()
	}
	if c.what&hasHealth != 0 {
		c.Health = r.byte()
	}
	if step == 0 || c.Slot >= MaxItems || c.what&positionBits == positionBits {
		r.fail()
	}
	return c
}

// Append appends the encoded message. Changes are in the order of age and slot.
func (m *Update) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, m.Number)
	b = append(b, m.Base)
	b = binary.BigEndian.AppendUint32(b, m.Tick)
	b = append(b, m.Own.Fix)
	b = binary.BigEndian.AppendUint16(b, m.Own.X)
	b = binary.BigEndian.AppendUint16(b, m.Own.Y)
	b = append(b, m.Own.Health)
	for i := 0; i < len(m.Changes); {
		n := i
		for n < len(m.Changes) && m.Changes[n].Age == m.Changes[i].Age {
			n++
		}
		b = binary.AppendUvarint(append(b, uint8(m.Changes[i].Age)), uint64(n-i))
		before := -1
		for ; i < n; i++ {
			b = m.Changes[i].append(b, before)
			before = m.Changes[i].Slot
		}
	}
	return b
}

// Parse sets m from b.
func (m *Update) Parse(b []byte) error {
	r := reader{b: b}
	*m = Update{Number: r.uint16(), Base: r.byte(), Tick: r.uint32(), Changes: m.Changes[:0]}
	m.Own = Own{Fix: r.byte(), X: r.uint16(), Y: r.uint16(), Health: r.byte()}
	for len(r.b) > 0 {
		age, before, n := int8(r.byte()), -1, r.uvarint(MaxItems)
		if k := len(m.Changes); n == 0 || k > 0 && m.Changes[k-1].Age == age {
			r.fail()
		}
		for ; n > 0 && !r.failed; n-- {
			c := r.change(before)
			c.Age, before = age, c.Slot
			m.Changes = append(m.Changes, c)
		}
	}
	return r.done()
}
