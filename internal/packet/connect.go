package packet

import "fmt"

// MaxTicket is the longest ticket that a [Connect] carries.
const MaxTicket = 128

const connectSize = 1 + 1 + 16 + cookieSize + 1

// Connect attaches an address to a session that began over a stream. It has
// exactly [MaxSize] bytes: the DATA packet at its end is padded to fill it.
//
//	kind    uint8       0x86
//	version uint8       1
//	nonce   [16]byte    the first 8 are the Hello's
//	epoch   uint32      the cookie's
//	mac     [16]byte    the cookie's
//	length  uint8       of the ticket: at most 128
//	ticket  [length]byte
//	packet  []byte      a DATA packet to the end; its body is an [Attach] frame and padding
type Connect struct {
	Nonce  [16]byte
	Epoch  uint32
	MAC    [16]byte
	Ticket []byte // opaque to the client; a view of what was parsed
	Packet []byte // the DATA packet; a view of what was parsed
}

// PacketSize is what the DATA packet must have, header and tag included, so
// that the whole fills a datagram.
func (m *Connect) PacketSize() int { return MaxSize - connectSize - len(m.Ticket) }

// Cookie returns the cookie as the server has baked it.
func (m *Connect) Cookie() Cookie {
	return Cookie{Nonce: [8]byte(m.Nonce[:8]), Epoch: m.Epoch, MAC: m.MAC}
}

// Append appends the message. It panics when the ticket is longer than
// [MaxTicket] or the packet has not its size.
func (m *Connect) Append(b []byte) []byte {
	if len(m.Ticket) > MaxTicket || len(m.Packet) != m.PacketSize() {
		panic(fmt.Sprintf("packet: a ticket of %d and a packet of %d bytes make no CONNECT", len(m.Ticket), len(m.Packet)))
	}
	c := m.Cookie()
	b = append(b, byte(KindConnect), ProtocolVersion)
	b = append(b, m.Nonce[:]...)
	b = appendCookie(b, &c)
	b = append(b, byte(len(m.Ticket)))
	b = append(b, m.Ticket...)
	return append(b, m.Packet...)
}

// Parse sets all fields of m from b. It refuses any size but [MaxSize].
func (m *Connect) Parse(b []byte) error {
	*m = Connect{}
	if len(b) != MaxSize || KindOf(b) != KindConnect || b[1] != ProtocolVersion {
		return ErrMessage
	}
	n := int(b[connectSize-1])
	if n > MaxTicket || !KindOf(b[connectSize+n:]).IsData() {
		return ErrMessage
	}
	m.Nonce = [16]byte(b[2:])
	c := parseCookie(b[18:], [8]byte{})
	m.Epoch, m.MAC = c.Epoch, c.MAC
	m.Ticket = b[connectSize : connectSize+n : connectSize+n]
	m.Packet = b[connectSize+n:]
	return nil
}
