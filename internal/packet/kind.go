package packet

import "encoding/binary"

// Sizes, in bytes.
const (
	MaxSize     = 1200                 // the largest datagram that is ever sent; HELLO and CONNECT have exactly this
	ReadSize    = 1500                 // room to read into, so that none is cut to a size that looks right
	HeaderSize  = 9                    // of a DATA packet: kind, receiver, counter
	TagSize     = 16                   // what sealing appends
	Overhead    = HeaderSize + TagSize // what sealing costs
	MaxBody     = MaxSize - Overhead   // the largest sealed body
	MTU         = 1136                 // of KCP on every path: what a relayed packet has room for
	MaxDatagram = 1100                 // the largest unreliable or sequenced payload on every path
)

// What HELLO and CONNECT name.
const (
	ProtocolVersion = 1
	SuiteAES256GCM  = 1
)

// Kind is the first byte of a datagram. What is not named here is dropped:
// 0x00 to 0x3f are other protocols on the same socket (STUN, DTLS), 0x80 to
// 0xbf come before a session, 0xc0 to 0xff are sealed.
type Kind uint8

const (
	KindHello      Kind = 0x80
	KindCookie     Kind = 0x81
	KindVersion    Kind = 0x82
	KindStreamUp   Kind = 0x84
	KindStreamDown Kind = 0x85
	KindConnect    Kind = 0x86
	KindReset      Kind = 0x8f // reserved
	KindData       Kind = 0xc0

	phaseBit = 0x20 // of DATA: the parity of the sender's generation of keys
)

// KindOf returns the kind of a datagram; 0 for an empty one.
func KindOf(p []byte) Kind {
	if len(p) == 0 {
		return 0
	}
	return Kind(p[0])
}

// IsData reports whether the datagram is sealed. The bits of the kind that mean
// nothing yet are not judged.
func (k Kind) IsData() bool { return k >= KindData }

// ID tells the receiver of a DATA packet which of its sessions or pairs the
// packet is for. The receiver has chosen it; to everybody else it is opaque.
type ID uint32

// Receiver returns the id that a DATA packet is for. It is false for another
// kind and for a packet too short to be sealed.
func Receiver(p []byte) (ID, bool) {
	if len(p) < Overhead || !KindOf(p).IsData() {
		return 0, false
	}
	return ID(binary.BigEndian.Uint32(p[1:])), true
}
