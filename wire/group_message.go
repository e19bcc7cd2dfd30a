package wire

import "math"

// GroupMessage is a group message on its way from the server to a member.
//
//	1  code     uint32    at most 65535
//	3  payload  bytes
//	4  params   Params
//	5  delivery uint32    see Delivery
//	8  group    fixed64
//	10 position uint64    in the group's log; 0 when it has none
//	11 sender   fixed64   stamped by the server
//	12 epoch    uint64    the position at which the sender joined
//	13 sequence uint32    the sender's count of its sequenced messages; 0: it does not count
type GroupMessage struct {
	Code     uint16
	Delivery Delivery
	Body
	Group    ID
	Position uint64
	Sender   ID
	Epoch    uint64
	Sequence uint32
}

// Size returns the bytes that Append appends.
func (m *GroupMessage) Size() int {
	return sizeVarint(uint64(m.Code)) + m.Body.size() + sizeVarint(uint64(m.Delivery)) +
		sizeFixed64(uint64(m.Group)) + sizeVarint(m.Position) +
		sizeFixed64(uint64(m.Sender)) + sizeVarint(m.Epoch) + sizeVarint(uint64(m.Sequence))
}

// Append appends the encoded message.
func (m *GroupMessage) Append(b []byte) []byte {
	b = appendVarint(b, fieldCode, uint64(m.Code))
	b = m.Body.append(b)
	b = appendVarint(b, fieldDelivery, uint64(m.Delivery))
	b = appendFixed64(b, fieldGroup, uint64(m.Group))
	b = appendVarint(b, fieldPosition, m.Position)
	b = appendFixed64(b, fieldSender, uint64(m.Sender))
	b = appendVarint(b, fieldEpoch, m.Epoch)
	return appendVarint(b, fieldSequence, uint64(m.Sequence))
}

// AppendFrame appends the message as a frame.
func (m *GroupMessage) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindGroupMessage, m.Size()))
}

// Parse sets all fields of m from b. Params and Payload are views of b. After
// an error, which wraps [ErrMessage], m is zero.
func (m *GroupMessage) Parse(b []byte) error {
	*m = GroupMessage{}
	body := bodyReader{}
	f := fields{b: b}
	for f.next() {
		switch f.num {
		case fieldCode:
			m.Code = f.code()
		case fieldDelivery:
			m.Delivery = f.delivery()
		case fieldGroup:
			m.Group = ID(f.fixed64())
		case fieldPosition:
			m.Position = f.uint(math.MaxUint64)
		case fieldSender:
			m.Sender = ID(f.fixed64())
		case fieldEpoch:
			m.Epoch = f.uint(math.MaxUint64)
		case fieldSequence:
			m.Sequence = uint32(f.uint(math.MaxUint32))
		default:
			body.read(&f, &m.Body)
		}
	}
	if f.err != nil {
		*m = GroupMessage{}
		return parseError(KindGroupMessage.String(), f.err)
	}
	return nil
}
