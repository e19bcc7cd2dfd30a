package reliable

import (
	"encoding/binary"
	"errors"
)

// ErrSegment says that segments are not what this end's counterpart would
// send. None of them had any effect.
var ErrSegment = errors.New("reliable: malformed or impossible segment")

const headerSize = 24

// What a segment does.
const (
	push       = 81 + iota // carries a piece of a message
	ack                    // acknowledges the segment seq
	windowAsk              // asks for the window
	windowTell             // tells it
)

// header is a segment's, little-endian as KCP has it.
//
//	conv     uint32  number of the channel
//	command  uint8   push, ack, windowAsk, windowTell
//	fragment uint8   pieces of the message that follow this one
//	window   uint16  segments that the sender has room for
//	time     uint32  of a push: the sender's ms; of an ack: those of the acknowledged push
//	seq      uint32
//	una      uint32  every push before this one has arrived
//	length   uint32  of the piece, which follows
type header struct {
	conv              uint32
	command, fragment uint8
	window            uint16
	time, seq, una    uint32
	length            uint32
}

// parseHeader wants at least headerSize bytes.
func parseHeader(b []byte) header {
	_ = b[headerSize-1]
	return header{
		conv:     binary.LittleEndian.Uint32(b),
		command:  b[4],
		fragment: b[5],
		window:   binary.LittleEndian.Uint16(b[6:]),
		time:     binary.LittleEndian.Uint32(b[8:]),
		seq:      binary.LittleEndian.Uint32(b[12:]),
		una:      binary.LittleEndian.Uint32(b[16:]),
		length:   binary.LittleEndian.Uint32(b[20:]),
	}
}

// append is parseHeader's counterpart.
func (h header) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, h.conv)
	b = append(b, h.command, h.fragment)
	b = binary.LittleEndian.AppendUint16(b, h.window)
	b = binary.LittleEndian.AppendUint32(b, h.time)
	b = binary.LittleEndian.AppendUint32(b, h.seq)
	b = binary.LittleEndian.AppendUint32(b, h.una)
	return binary.LittleEndian.AppendUint32(b, h.length)
}

// NumberOf is the channel that segments are for, by the first of them; Input
// refuses them when another disagrees.
func NumberOf(segments []byte) (uint8, error) {
	if len(segments) < headerSize {
		return 0, ErrSegment
	}
	conv := binary.LittleEndian.Uint32(segments)
	if conv > 0xFF {
		return 0, ErrSegment
	}
	return uint8(conv), nil
}

// after reports whether sequence number a lies behind b. Numbers wrap, and are
// never half of their range apart.
func after(a, b uint32) bool { return int32(a-b) > 0 }

// possible reports whether the other end can have sent this segment, given what
// this end has sent: KCP believes every field of it.
func (c *Channel) possible(h header) bool {
	if h.conv != uint32(c.number) || h.window > Window || after(h.una, c.sent) {
		return false
	}
	switch h.command {
	case push:
		// The other end may not be ahead of what it was told by more than a window.
		return h.length > 0 && h.length <= Segment &&
			(h.fragment == 0 || h.fragment < maxFragments && h.length == Segment) &&
			!after(h.seq, c.told+Window-1)
	case ack:
		return h.length == 0 && h.fragment == 0 && after(c.sent, h.seq)
	case windowAsk, windowTell:
		return h.length == 0 && h.fragment == 0
	}
	return false
}

// check walks segments without effect on the channel.
func (c *Channel) check(segments []byte) error {
	if len(segments) == 0 || len(segments) > MTU || c.bad {
		return ErrSegment
	}
	for len(segments) > 0 {
		if len(segments) < headerSize {
			return ErrSegment
		}
		h := parseHeader(segments)
		segments = segments[headerSize:]
		// possible bounds length, so that int holds it on every machine.
		if !c.possible(h) || len(segments) < int(h.length) {
			return ErrSegment
		}
		segments = segments[h.length:]
	}
	return nil
}
