package wire

import (
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	fieldResult = 6
	fieldText   = 7
)

// Response answers the [Operation] whose code and request number it repeats.
//
//	1 code     uint32    at most 65535
//	2 request  uint32
//	3 payload  bytes
//	4 params   Params
//	5 delivery uint32    see Delivery
//	6 result   sint32    ResultOK, another Result below 0, the application's above 0
//	7 text     string    for people, not for programs
type Response struct {
	Code     uint16
	Request  uint32
	Delivery Delivery
	Result   int32
	Text     string // what is not UTF-8 is sent as U+FFFD
	Body
}

// Size returns the bytes that Append appends.
func (m *Response) Size() int {
	return sizeVarint(uint64(m.Code)) + sizeVarint(uint64(m.Request)) + m.Body.size() +
		sizeVarint(uint64(m.Delivery)) + sizeVarint(protowire.EncodeZigZag(int64(m.Result))) +
		sizeBytes(len(validText(m.Text)))
}

// Append appends the encoded message.
func (m *Response) Append(b []byte) []byte {
	b = appendVarint(b, fieldCode, uint64(m.Code))
	b = appendVarint(b, fieldRequest, uint64(m.Request))
	b = m.Body.append(b)
	b = appendVarint(b, fieldDelivery, uint64(m.Delivery))
	b = appendVarint(b, fieldResult, protowire.EncodeZigZag(int64(m.Result)))
	return appendBytes(b, fieldText, validText(m.Text))
}

// AppendFrame appends the message as a frame.
func (m *Response) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindResponse, m.Size()))
}

// Parse sets all fields of m from b. Params and Payload are views of b. After
// an error, which wraps [ErrMessage], m is zero.
func (m *Response) Parse(b []byte) error {
	*m = Response{}
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
		case fieldResult:
			m.Result = int32(f.sint(32))
		case fieldText:
			m.Text = string(f.text())
		default:
			body.read(&f, &m.Body)
		}
	}
	if f.err != nil {
		*m = Response{}
		return parseError(KindResponse.String(), f.err)
	}
	return nil
}

// validText makes an error's text, which may hold anything, fit for a string
// field: the receiver closes the session over one that is not UTF-8.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
