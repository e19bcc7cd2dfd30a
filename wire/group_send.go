package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers of the group messages.
const (
	fieldGroup    = 8
	fieldTo       = 9
	fieldPosition = 10
	fieldSender   = 11
	fieldEpoch    = 12
	fieldSequence = 13
	fieldExcept   = 14
)

// maxTargets is how many members GroupSend.To, or Except, may name.
const maxTargets = 4096

// GroupSend is a member's message to its group, on its way to the server.
//
//	1  code     uint32            at most 65535
//	3  payload  bytes
//	4  params   Params
//	5  delivery uint32            see Delivery
//	8  group    fixed64
//	9  to       repeated fixed64  at most 256 in what a server takes; none is every member
//	13 sequence uint32            of a sequenced message, as in GroupMessage
//	14 except   repeated fixed64  with no to: members that have it already, at most 64
type GroupSend struct {
	Code     uint16
	Delivery Delivery
	Body
	Group    ID
	To       IDs
	Sequence uint32
	Except   IDs
}

// Size returns the bytes that Append appends.
func (m *GroupSend) Size() int {
	return sizeVarint(uint64(m.Code)) + m.Body.size() + sizeVarint(uint64(m.Delivery)) +
		sizeFixed64(uint64(m.Group)) + sizeBytes(len(m.To.raw)) +
		sizeVarint(uint64(m.Sequence)) + sizeBytes(len(m.Except.raw))
}

// Append appends the encoded message.
func (m *GroupSend) Append(b []byte) []byte {
	b = appendVarint(b, fieldCode, uint64(m.Code))
	b = m.Body.append(b)
	b = appendVarint(b, fieldDelivery, uint64(m.Delivery))
	b = appendFixed64(b, fieldGroup, uint64(m.Group))
	b = appendBytes(b, fieldTo, m.To.raw)
	b = appendVarint(b, fieldSequence, uint64(m.Sequence))
	return appendBytes(b, fieldExcept, m.Except.raw)
}

// AppendFrame appends the message as a frame.
func (m *GroupSend) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindGroupSend, m.Size()))
}

// Parse sets all fields of m from b. Params, Payload, To and Except are views of b.
// After an error, which wraps [ErrMessage], m is zero.
func (m *GroupSend) Parse(b []byte) error {
	*m = GroupSend{}
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
		case fieldTo:
			m.To = f.ids(m.To)
		case fieldSequence:
			m.Sequence = uint32(f.uint(math.MaxUint32))
		case fieldExcept:
			m.Except = f.ids(m.Except)
		default:
			body.read(&f, &m.Body)
		}
	}
	if f.err != nil {
		*m = GroupSend{}
		return parseError(KindGroupSend.String(), f.err)
	}
	return nil
}

// ids returns l and behind it the current field, one fixed64 or a packed run.
// A single run, the only form that Append writes, is a view.
func (f *fields) ids(l IDs) IDs {
	var run []byte
	switch {
	case f.typ == protowire.Fixed64Type:
		run = f.b[f.pos-idSize : f.pos : f.pos]
	case !f.want(protowire.BytesType):
	case len(f.data)%idSize != 0:
		f.fail("cut off")
	default:
		run = f.data
	}
	if (len(l.raw)+len(run))/idSize > maxTargets {
		f.fail("too many ids")
		return IDs{}
	}
	switch {
	case len(run) == 0:
		return l
	case len(l.raw) == 0:
		return IDs{run}
	}
	return IDs{append(l.raw, run...)} // the view's capacity ends with it: append copies
}
