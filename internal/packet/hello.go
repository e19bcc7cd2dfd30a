package packet

import "encoding/binary"

// cookieSize is what a cookie takes where it is sent back: epoch and MAC.
const cookieSize = 20

// Hello asks for a [Cookie]. It has exactly [MaxSize] bytes, so that an answer
// is never larger than what asked for it.
//
//	kind    uint8     0x80
//	version uint8
//	suite   uint8
//	nonce   [8]byte
//	length  uint8     of the cookie: 0 or 20
//	epoch   uint32    of the cookie, if there is one
//	mac     [16]byte  of the cookie, if there is one
//	zeros             to the end
//
// Up to the nonce the layout is every version's, so that one which is not
// spoken can be answered; the rest is read in version 1 only.
type Hello struct {
	Version   uint8
	Suite     uint8
	Nonce     [8]byte
	HasCookie bool
	Cookie    Cookie // its nonce is the Hello's: Append does not look at it
}

// Append appends the message.
func (m *Hello) Append(b []byte) []byte {
	size := len(b) + MaxSize
	b = append(b, byte(KindHello), m.Version, m.Suite)
	b = append(b, m.Nonce[:]...)
	if m.HasCookie {
		b = append(b, cookieSize)
		b = appendCookie(b, &m.Cookie)
	}
	return Pad(b, size)
}

// Parse sets all fields of m from b. It refuses any size but [MaxSize].
func (m *Hello) Parse(b []byte) error {
	*m = Hello{}
	if len(b) != MaxSize || KindOf(b) != KindHello {
		return ErrMessage
	}
	h := Hello{Version: b[1], Suite: b[2], Nonce: [8]byte(b[3:])}
	if h.Version == ProtocolVersion {
		switch b[11] {
		case 0:
		case cookieSize:
			h.HasCookie = true
			h.Cookie = parseCookie(b[12:], h.Nonce)
		default:
			return ErrMessage
		}
	}
	*m = h
	return nil
}

// CookieSize is that of a [Cookie] message.
const CookieSize = 1 + 8 + cookieSize

// Cookie answers a [Hello] whose address is not proven. The server keeps
// nothing: see [Bakery].
//
//	kind  uint8     0x81
//	nonce [8]byte   the Hello's
//	epoch uint32    10 s steps since the server's start
//	mac   [16]byte  over address, port, nonce, epoch
type Cookie struct {
	Nonce [8]byte
	Epoch uint32
	MAC   [16]byte
}

// Append appends the message.
func (m *Cookie) Append(b []byte) []byte {
	b = append(b, byte(KindCookie))
	b = append(b, m.Nonce[:]...)
	return appendCookie(b, m)
}

// Parse sets all fields of m from b.
func (m *Cookie) Parse(b []byte) error {
	*m = Cookie{}
	if len(b) < CookieSize || KindOf(b) != KindCookie {
		return ErrMessage
	}
	*m = parseCookie(b[9:], [8]byte(b[1:]))
	return nil
}

// appendCookie and parseCookie are of a cookie that is sent back, its nonce
// apart.
func appendCookie(b []byte, c *Cookie) []byte {
	b = binary.BigEndian.AppendUint32(b, c.Epoch)
	return append(b, c.MAC[:]...)
}

func parseCookie(b []byte, nonce [8]byte) Cookie {
	return Cookie{Nonce: nonce, Epoch: binary.BigEndian.Uint32(b), MAC: [16]byte(b[4:])}
}

// MaxVersions is how many versions a [Version] can list.
const MaxVersions = 64 - 1 - 8 - 1

// Version answers a [Hello] of a version that is not spoken.
//
//	kind     uint8     0x82
//	nonce    [8]byte   the Hello's
//	count    uint8     1 to 54
//	versions [count]uint8
type Version struct {
	Nonce    [8]byte
	Versions []byte // best first; a view of what was parsed
}

// Append appends the message. It panics when there is no version to list, or
// more than [MaxVersions].
func (m *Version) Append(b []byte) []byte {
	if len(m.Versions) == 0 || len(m.Versions) > MaxVersions {
		panic("packet: no version to list, or too many")
	}
	b = append(b, byte(KindVersion))
	b = append(b, m.Nonce[:]...)
	b = append(b, byte(len(m.Versions)))
	return append(b, m.Versions...)
}

// Parse sets all fields of m from b.
func (m *Version) Parse(b []byte) error {
	*m = Version{}
	if len(b) < 10 || KindOf(b) != KindVersion {
		return ErrMessage
	}
	n := int(b[9])
	if n == 0 || n > MaxVersions || n > len(b)-10 {
		return ErrMessage
	}
	m.Nonce = [8]byte(b[1:])
	m.Versions = b[10 : 10+n : 10+n]
	return nil
}
