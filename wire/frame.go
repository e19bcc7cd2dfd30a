package wire

import (
	"errors"
	"fmt"
	"math/bits"
)

// Version is the protocol version that this package speaks.
const Version = 1

// MaxFrame is the largest frame, in bytes: kind and body, without the length
// before them.
const MaxFrame = 64 << 10

const (
	maxLengthSize = 4            // bytes of the longest length
	maxLength     = 1<<(7*4) - 1 // what it can say
)

// The faults of what the other end has sent. Every error of this package's
// parsers wraps one of them.
var (
	ErrFrame    = errors.New("wire: malformed frame")
	ErrTooLarge = errors.New("wire: frame too large")
	ErrMessage  = errors.New("wire: malformed message")
)

// parseError returns err, a fault of what, as one that wraps ErrMessage; nil
// for nil.
func parseError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrMessage, what, err)
}

// AppendFrame appends a frame.
//
//	length uvarint   of kind and body, minimal, at most 4 bytes
//	kind   uint8
//	body   [length-1]byte
func AppendFrame(b []byte, k Kind, body []byte) []byte {
	return append(AppendHeader(b, k, len(body)), body...)
}

// AppendHeader appends length and kind of a frame whose body has bodyLen bytes;
// the caller appends the body. It panics when the length does not fit its four
// bytes. It does not judge [MaxFrame].
func AppendHeader(b []byte, k Kind, bodyLen int) []byte {
	if bodyLen < 0 || bodyLen >= maxLength {
		panic(fmt.Sprintf("wire: no frame can hold %d bytes", bodyLen))
	}
	n := uint(bodyLen) + 1
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n), byte(k))
}

// FrameSize returns the bytes that a frame takes whose body has bodyLen bytes.
func FrameSize(bodyLen int) int {
	n := bodyLen + 1
	return (bits.Len(uint(n))+6)/7 + n
}

// ParseFrame splits the first frame off b. The body is a view of b, and n the
// bytes that the frame takes; n == 0 without an error means that the frame is
// not complete yet.
//
// Its length may be at most limit (kind and body). It is judged as soon as it
// can be read, before any byte of the body is there: [ErrTooLarge] above limit,
// [ErrFrame] when it is 0, not minimal or longer than four bytes. ParseFrame
// does not judge the kind.
func ParseFrame(b []byte, limit int) (k Kind, body []byte, n int, err error) {
	length, size := 0, 0
	for size < len(b) {
		c := b[size]
		length |= int(c&0x7f) << (7 * size)
		size++
		if c < 0x80 {
			break
		}
		if size == maxLengthSize {
			return 0, nil, 0, fmt.Errorf("%w: length of more than %d bytes", ErrFrame, maxLengthSize)
		}
	}
	switch {
	case size == 0 || b[size-1] >= 0x80:
		return 0, nil, 0, nil
	case length == 0:
		return 0, nil, 0, fmt.Errorf("%w: length 0", ErrFrame)
	case b[size-1] == 0:
		return 0, nil, 0, fmt.Errorf("%w: length is not minimal", ErrFrame)
	case length > limit:
		return 0, nil, 0, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, length, limit)
	case length > len(b)-size:
		return 0, nil, 0, nil
	}
	n = size + length
	return Kind(b[size]), b[size+1 : n : n], n, nil
}

// CheckFrames reports whether b is one or more whole frames and nothing else,
// as every WebSocket message must be. The error wraps [ErrFrame] or
// [ErrTooLarge].
func CheckFrames(b []byte, limit int) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: no frame", ErrFrame)
	}
	for len(b) > 0 {
		_, _, n, err := ParseFrame(b, limit)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: it is cut off", ErrFrame)
		}
		b = b[n:]
	}
	return nil
}
