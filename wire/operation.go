package wire

import "math"

// Operation asks the other end to do something. With a Request number a
// [Response] with the same number is owed; with 0 the sender wants no answer.
//
//	1 code     uint32    at most 65535
//	2 request  uint32
//	3 payload  bytes
//	4 params   Params
//	5 delivery uint32    see Delivery
type Operation struct {
	Code     uint16
	Request  uint32
	Delivery Delivery
	Body
}

// Size returns the bytes that Append appends.
func (m *Operation) Size() int {
	return sizeVarint(uint64(m.Code)) + sizeVarint(uint64(m.Request)) + m.Body.size() +
		sizeVarint(uint64(m.Delivery))
}

// Append appends the encoded message.
func (m *Operation) Append(b []byte) []byte {
	b = appendVarint(b, fieldCode, uint64(m.Code))
	b = appendVarint(b, fieldRequest, uint64(m.Request))
	b = m.Body.append(b)
	return appendVarint(b, fieldDelivery, uint64(m.Delivery))
}

// AppendFrame appends the message as a frame.
func (m *Operation) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindOperation, m.Size()))
}

// Parse sets all fields of m from b. Params and Payload are views of b. After
// an error, which wraps [ErrMessage], m is zero.
func (m *Operation) Parse(b []byte) error {
	*m = Operation{}
	body := bodyReader{}
	f := fields{b: b}
	for f.next() {
		switch f.num {
		case fieldCode:
			m.Code = f.code()
		case fieldRequest:
			m.Request = uint32(f.uint(math.MaxUint32))
		case fieldDelivery:
			m.Delivery = f.delivery()
		default:
			body.read(&f, &m.Body)
		}
	}
	if f.err != nil {
		*m = Operation{}
		return parseError(KindOperation.String(), f.err)
	}
	return nil
}
