package packet

import (
	"encoding/binary"
	"net/netip"
)

// Challenge is sent to an address and comes back in a [Response], which proves
// the address that the nonce was sent to. A Bind has the same body.
//
//	nonce [8]byte   random, never the same for two addresses
type Challenge struct {
	Nonce [8]byte
}

// Append appends the body.
func (m *Challenge) Append(b []byte) []byte { return append(b, m.Nonce[:]...) }

// Parse sets all fields of m from b.
func (m *Challenge) Parse(b []byte) error {
	*m = Challenge{}
	if len(b) < 8 {
		return ErrMessage
	}
	m.Nonce = [8]byte(b)
	return nil
}

// Response answers a [Challenge] of another client's.
//
//	nonce    [8]byte    the Challenge's
//	observed [18]byte   where the Challenge came from
//	server   uint32     the answerer's round trip to the server, microseconds; 0 while unknown
type Response struct {
	Nonce    [8]byte
	Observed netip.AddrPort
	Server   uint32
}

// Append appends the body.
func (m *Response) Append(b []byte) []byte {
	b = AppendObserved(append(b, m.Nonce[:]...), m.Observed)
	return binary.BigEndian.AppendUint32(b, m.Server)
}

// Parse sets all fields of m from b.
func (m *Response) Parse(b []byte) (err error) {
	*m = Response{}
	if len(b) < 8+ObservedSize+4 {
		return ErrMessage
	}
	m.Nonce = [8]byte(b)
	m.Server = binary.BigEndian.Uint32(b[8+ObservedSize:])
	m.Observed, err = ParseObserved(b[8:])
	return err
}

// Bound answers a Bind. The address is a candidate once the receipt has come
// back.
//
//	nonce    [8]byte    the Bind's
//	observed [18]byte   where the Bind came from
//	receipt  [24]byte
type Bound struct {
	Nonce    [8]byte
	Observed netip.AddrPort
	Receipt  Receipt
}

// Append appends the body.
func (m *Bound) Append(b []byte) []byte {
	b = AppendObserved(append(b, m.Nonce[:]...), m.Observed)
	return m.Receipt.Append(b)
}

// Parse sets all fields of m from b.
func (m *Bound) Parse(b []byte) (err error) {
	*m = Bound{}
	if len(b) < 8+ObservedSize+ReceiptSize {
		return ErrMessage
	}
	m.Nonce = [8]byte(b)
	if m.Observed, err = ParseObserved(b[8:]); err != nil {
		return err
	}
	return m.Receipt.Parse(b[8+ObservedSize:])
}

// Attach is what a [Connect] holds sealed. Nonce, epoch and MAC are those
// outside of the seal: whoever receives a Connect compares them, so that nobody
// else's ticket, cookie or nonce can be put around a sealed body.
//
//	nonce [16]byte
//	epoch uint32
//	mac   [16]byte
//	mtu   uint16     the largest datagram that the sender takes
//	time  uint64     the sender's, Unix milliseconds
type Attach struct {
	Nonce [16]byte
	Epoch uint32
	MAC   [16]byte
	MTU   uint16
	Time  uint64
}

const attachSize = 16 + 4 + 16 + 2 + 8

// Append appends the body.
func (m *Attach) Append(b []byte) []byte {
	b = append(b, m.Nonce[:]...)
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = append(b, m.MAC[:]...)
	b = binary.BigEndian.AppendUint16(b, m.MTU)
	return binary.BigEndian.AppendUint64(b, m.Time)
}

// Parse sets all fields of m from b.
func (m *Attach) Parse(b []byte) error {
	*m = Attach{}
	if len(b) < attachSize {
		return ErrMessage
	}
	m.Nonce = [16]byte(b)
	m.Epoch = binary.BigEndian.Uint32(b[16:])
	m.MAC = [16]byte(b[20:])
	m.MTU = binary.BigEndian.Uint16(b[36:])
	m.Time = binary.BigEndian.Uint64(b[38:])
	return nil
}

// Of reports whether the sealed Attach belongs to the Connect around it.
func (m *Attach) Of(c *Connect) bool {
	return m.Nonce == c.Nonce && m.Epoch == c.Epoch && m.MAC == c.MAC
}

// Accept answers a [Connect].
//
//	nonce    [16]byte   the Connect's
//	observed [18]byte   where the Connect came from
type Accept struct {
	Nonce    [16]byte
	Observed netip.AddrPort
}

// Append appends the body.
func (m *Accept) Append(b []byte) []byte {
	return AppendObserved(append(b, m.Nonce[:]...), m.Observed)
}

// Parse sets all fields of m from b.
func (m *Accept) Parse(b []byte) (err error) {
	*m = Accept{}
	if len(b) < 16+ObservedSize {
		return ErrMessage
	}
	m.Nonce = [16]byte(b)
	m.Observed, err = ParseObserved(b[16:])
	return err
}
