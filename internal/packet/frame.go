package packet

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FrameType says what a frame of a sealed body is. An unknown one below 0x80
// closes the session, the others are skipped: see [FrameType.Ignorable].
type FrameType uint8

const (
	FramePadding  FrameType = 0 // no length: the rest of the body is zeros
	FrameReliable FrameType = 1 // KCP segments
	FrameDatagram FrameType = 2 // whole stream frames
	// 3 is free
	FrameControl   FrameType = 4  // whole stream frames: ping, pong, close
	FrameRelay     FrameType = 5  // reserved
	FrameChallenge FrameType = 6  // [Challenge]
	FrameResponse  FrameType = 7  // [Response]
	FrameBind      FrameType = 8  // [Challenge]
	FrameBound     FrameType = 9  // [Bound]
	FrameConnect   FrameType = 10 // [Attach]
	FrameAccept    FrameType = 11 // [Accept]
)

// FrameHeaderSize is what a frame costs besides its body.
const FrameHeaderSize = 3

// Ignorable reports whether a receiver that does not know the type skips it.
func (t FrameType) Ignorable() bool { return t >= 0x80 }

// AppendFrame appends a frame. It panics when the body does not fit a length of
// two bytes; what fits the packet is the caller's to know. Padding has no
// length: see [Pad].
//
//	type   uint8
//	length uint16
//	body   [length]byte
func AppendFrame(b []byte, t FrameType, body []byte) []byte {
	return append(AppendFrameHeader(b, t, len(body)), body...)
}

// AppendFrameHeader appends type and length of a frame whose body the caller
// appends.
func AppendFrameHeader(b []byte, t FrameType, bodyLen int) []byte {
	if t == FramePadding || bodyLen < 0 || bodyLen > math.MaxUint16 {
		panic(fmt.Sprintf("packet: no frame of type %d has %d bytes", t, bodyLen))
	}
	b = append(b, byte(t))
	return binary.BigEndian.AppendUint16(b, uint16(bodyLen))
}

// Pad fills b with padding up to size; it returns a b of that size or more as
// it is.
func Pad(b []byte, size int) []byte {
	if len(b) >= size {
		return b
	}
	return append(b, make([]byte, size-len(b))...)
}

// NextFrame splits the first frame off a body, whose view frame is; the caller
// goes on with rest until it is empty. Padding is the last frame and has no
// bytes. The error is [ErrFrame]: the body is empty, cut off, or padded with
// something else than zeros.
func NextFrame(body []byte) (t FrameType, frame, rest []byte, err error) {
	if len(body) == 0 {
		return 0, nil, nil, ErrFrame
	}
	t = FrameType(body[0])
	if t == FramePadding {
		for _, x := range body {
			if x != 0 {
				return 0, nil, nil, ErrFrame
			}
		}
		return t, nil, nil, nil
	}
	if len(body) < FrameHeaderSize {
		return 0, nil, nil, ErrFrame
	}
	n := int(binary.BigEndian.Uint16(body[1:]))
	body = body[FrameHeaderSize:]
	if n > len(body) {
		return 0, nil, nil, ErrFrame
	}
	return t, body[:n:n], body[n:], nil
}
