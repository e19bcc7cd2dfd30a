package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

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
	if m.parseUsual(b) {
		return nil
	}
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

// The keys of an operation's usual fields: number and wire type.
const (
	keyCode    = fieldCode<<3 | byte(protowire.VarintType)
	keyRequest = fieldRequest<<3 | byte(protowire.VarintType)
	keyPayload = fieldPayload<<3 | byte(protowire.BytesType)
)

// parseUsual parses the form that most operations have, code, request and
// payload in this order and nothing else, in half the time. It reports false,
// and leaves m as it was, for any other, right or wrong.
func (m *Operation) parseUsual(b []byte) bool {
	if len(b) == 0 || b[0] != keyCode {
		return false
	}
	code, n := varint(b[1:])
	if n < 0 || code > math.MaxUint16 {
		return false
	}
	b = b[1+n:]
	var request uint64
	if len(b) > 0 && b[0] == keyRequest {
		if request, n = varint(b[1:]); n < 0 || request > math.MaxUint32 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) == 0 || b[0] != keyPayload {
		return false
	}
	size, n := varint(b[1:])
	if n < 0 || size != uint64(len(b)-1-n) {
		return false
	}
	*m = Operation{Code: uint16(code), Request: uint32(request)}
	if size > 0 {
		m.Payload = b[1+n : len(b) : len(b)]
	}
	return true
}
