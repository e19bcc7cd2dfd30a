package protocol

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that bytes are not what they should be.
var ErrMalformed = errors.New("protocol: malformed message")

// reader takes values off the front of b. Once something is missing or wrong, all
// that it reads is zero, and failed is set.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) fail() {
	r.b, r.failed = nil, true
}

// bytes returns a view of the next n.
func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint(largest uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > largest {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// slot reads a number that the server gives to an item.
func (r *reader) slot() int { return int(r.uvarint(MaxItems - 1)) }

// done is nil if everything could be read and nothing is left.
func (r *reader) done() error {
	if r.failed || len(r.b) > 0 {
		return ErrMalformed
	}
	return nil
}
