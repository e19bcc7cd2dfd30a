package packet

import "encoding/binary"

// MaxStreamData is the most that one packet of a handshake's stream carries.
const MaxStreamData = 1100

const (
	streamUpSize   = 1 + 1 + 8 + 1 + cookieSize + 4 + 4
	streamDownSize = 1 + 8 + 4 + 4
)

// StreamUp carries bytes of the handshake from the client to the server. It
// says all that the server must know, so that one without state can begin with
// any of them.
//
//	kind    uint8      0x84
//	version uint8      1
//	nonce   [8]byte    the Hello's
//	length  uint8      of the cookie: 20
//	epoch   uint32     the cookie's
//	mac     [16]byte   the cookie's
//	offset  uint32     of data in the stream up
//	ack     uint32     bytes of the stream down that are in, without a gap
//	data    []byte     to the end, at most 1,100
type StreamUp struct {
	Cookie // what the Hello was answered with, nonce included
	Offset uint32
	Ack    uint32
	Data   []byte // a view of what was parsed
}

// Append appends the message.
func (m *StreamUp) Append(b []byte) []byte {
	b = append(b, byte(KindStreamUp), ProtocolVersion)
	b = append(b, m.Cookie.Nonce[:]...)
	b = append(b, cookieSize)
	b = appendCookie(b, &m.Cookie)
	b = binary.BigEndian.AppendUint32(b, m.Offset)
	b = binary.BigEndian.AppendUint32(b, m.Ack)
	return append(b, m.Data...)
}

// Parse sets all fields of m from b.
func (m *StreamUp) Parse(b []byte) error {
	*m = StreamUp{}
	if len(b) < streamUpSize || len(b) > streamUpSize+MaxStreamData ||
		KindOf(b) != KindStreamUp || b[1] != ProtocolVersion || b[10] != cookieSize {
		return ErrMessage
	}
	m.Cookie = parseCookie(b[11:], [8]byte(b[2:]))
	m.Offset = binary.BigEndian.Uint32(b[31:])
	m.Ack = binary.BigEndian.Uint32(b[35:])
	m.Data = b[streamUpSize:]
	return nil
}

// StreamDown carries bytes of the handshake from the server to the client.
//
//	kind   uint8     0x85
//	nonce  [8]byte   the Hello's
//	offset uint32    of data in the stream down
//	ack    uint32    bytes of the stream up that are in, without a gap
//	data   []byte    to the end, at most 1,100
type StreamDown struct {
	Nonce  [8]byte
	Offset uint32
	Ack    uint32
	Data   []byte // a view of what was parsed
}

// Append appends the message.
func (m *StreamDown) Append(b []byte) []byte {
	b = append(b, byte(KindStreamDown))
	b = append(b, m.Nonce[:]...)
	b = binary.BigEndian.AppendUint32(b, m.Offset)
	b = binary.BigEndian.AppendUint32(b, m.Ack)
	return append(b, m.Data...)
}

// Parse sets all fields of m from b.
func (m *StreamDown) Parse(b []byte) error {
	*m = StreamDown{}
	if len(b) < streamDownSize || len(b) > streamDownSize+MaxStreamData || KindOf(b) != KindStreamDown {
		return ErrMessage
	}
	m.Nonce = [8]byte(b[1:])
	m.Offset = binary.BigEndian.Uint32(b[9:])
	m.Ack = binary.BigEndian.Uint32(b[13:])
	m.Data = b[streamDownSize:]
	return nil
}
