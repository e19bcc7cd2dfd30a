package wire

import "math"

// GroupAck says that the member's handlers have returned for every membership
// entry of the group's log up to Position.
//
//	1 group    fixed64
//	2 position uint64
type GroupAck struct {
	Group    ID
	Position uint64
}

// Size returns the bytes that Append appends.
func (m *GroupAck) Size() int { return sizeFixed64(uint64(m.Group)) + sizeVarint(m.Position) }

// Append appends the encoded message.
func (m *GroupAck) Append(b []byte) []byte {
	return appendVarint(appendFixed64(b, 1, uint64(m.Group)), 2, m.Position)
}

// AppendFrame appends the message as a frame.
func (m *GroupAck) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindGroupAck, m.Size()))
}

// Parse sets all fields of m from b. After an error, which wraps [ErrMessage],
// m is zero.
func (m *GroupAck) Parse(b []byte) error {
	*m = GroupAck{}
	f := fields{b: b}
	for f.next() {
		switch f.num {
		case 1:
			m.Group = ID(f.fixed64())
		case 2:
			m.Position = f.uint(math.MaxUint64)
		}
	}
	if f.err != nil {
		*m = GroupAck{}
		return parseError(KindGroupAck.String(), f.err)
	}
	return nil
}
