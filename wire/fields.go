package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers that mean the same in every message that carries a Body.
const (
	fieldCode     = 1
	fieldRequest  = 2
	fieldPayload  = 3
	fieldParams   = 4
	fieldDelivery = 5
)

// maxDepth is how deep protobuf messages may lie in each other, the frame's
// own message counted.
const maxDepth = 32

// fields reads the fields of one protobuf message, one after the other:
//
//	f := fields{b: b}
//	for f.next() {
//		switch f.num {
//		case 1:
//			x = f.uint(255)
//		}
//	}
//
// A field that is not asked for is skipped. The first fault, be it in the bytes
// or found by one of the methods that judge the current field, ends the loop
// and stays in err.
type fields struct {
	b    []byte
	pos  int // where the next field begins
	at   int // where the current field begins
	num  protowire.Number
	typ  protowire.Type
	x    uint64 // the value of a varint, fixed32 or fixed64
	data []byte // the value of bytes: a view of b
	err  error
}

// next reads the next field. It returns false at the end and at a fault.
func (f *fields) next() bool {
	if f.err != nil || f.pos >= len(f.b) {
		return false
	}
	f.at = f.pos
	key, n := varint(f.b[f.pos:])
	if n < 0 {
		return f.fail("bad varint")
	}
	f.pos += n
	if key>>3 < uint64(protowire.MinValidNumber) || key>>3 > uint64(protowire.MaxValidNumber) {
		return f.fail("field number out of range")
	}
	f.num = protowire.Number(key >> 3)
	return f.read(protowire.Type(key & 7))
}

// read reads the value at pos, whose wire type is t, into x or data.
func (f *fields) read(t protowire.Type) bool {
	f.typ = t
	b := f.b[f.pos:]
	switch t {
	case protowire.VarintType:
		x, n := varint(b)
		if n < 0 {
			return f.fail("bad varint")
		}
		f.x = x
		f.pos += n
	case protowire.Fixed64Type:
		if len(b) < 8 {
			return f.fail("cut off")
		}
		f.x = binary.LittleEndian.Uint64(b)
		f.pos += 8
	case protowire.Fixed32Type:
		if len(b) < 4 {
			return f.fail("cut off")
		}
		f.x = uint64(binary.LittleEndian.Uint32(b))
		f.pos += 4
	case protowire.BytesType:
		size, n := varint(b)
		if n < 0 {
			return f.fail("bad varint")
		}
		if size > uint64(len(b)-n) {
			return f.fail("cut off")
		}
		end := n + int(size)
		f.data = b[n:end:end]
		f.pos += end
	default:
		return f.fail("wire type out of use")
	}
	return true
}

// varint returns the varint at the beginning of b and its size, below 0 if it is
// faulty. Most have one byte.
func varint(b []byte) (x uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

// fail keeps the first fault and returns false.
func (f *fields) fail(what string) bool {
	if f.err == nil {
		f.err = fmt.Errorf("field %d: %s", f.num, what)
	}
	return false
}

// within keeps err, if it is one, as the fault of what the current field holds.
func (f *fields) within(err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("field %d: %w", f.num, err)
	}
}

// want reports whether the current field has wire type t, and fails otherwise.
func (f *fields) want(t protowire.Type) bool {
	return f.typ == t || f.fail("wrong wire type")
}

// uint returns the current field, a varint that is at most limit.
func (f *fields) uint(limit uint64) uint64 {
	if !f.want(protowire.VarintType) {
		return 0
	}
	if f.x > limit {
		f.fail("out of range")
		return 0
	}
	return f.x
}

// sint returns the current field, a zigzag varint of the given size.
func (f *fields) sint(bits int) int64 {
	return protowire.DecodeZigZag(f.uint(math.MaxUint64 >> (64 - bits)))
}

// fixed32 returns the current field, a fixed32.
func (f *fields) fixed32() uint64 {
	if !f.want(protowire.Fixed32Type) {
		return 0
	}
	return f.x
}

// fixed64 returns the current field, a fixed64.
func (f *fields) fixed64() uint64 {
	if !f.want(protowire.Fixed64Type) {
		return 0
	}
	return f.x
}

// bytes returns the current field, bytes or an embedded message; nil when it
// is empty.
func (f *fields) bytes() []byte {
	if !f.want(protowire.BytesType) || len(f.data) == 0 {
		return nil
	}
	return f.data
}

// text returns the current field, bytes that are UTF-8.
func (f *fields) text() []byte {
	b := f.bytes()
	if !utf8.Valid(b) {
		f.within(errText)
		return nil
	}
	return b
}

// code returns the current field, an operation or event code.
func (f *fields) code() uint16 { return uint16(f.uint(math.MaxUint16)) }

// delivery returns the current field, a Delivery without its reserved bits.
func (f *fields) delivery() Delivery {
	d := Delivery(f.uint(math.MaxUint32)) & deliveryMask
	if !d.Valid() {
		f.fail("no such delivery class")
	}
	return d
}

// The writers below leave out what is zero, as proto3 wants it. The field
// numbers are below 16, so that a tag is one byte.

func tag(num protowire.Number, typ protowire.Type) byte {
	return byte(num)<<3 | byte(typ)
}

func sizeVarint(x uint64) int {
	if x == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(x)
}

func appendVarint(b []byte, num protowire.Number, x uint64) []byte {
	if x == 0 {
		return b
	}
	return protowire.AppendVarint(append(b, tag(num, protowire.VarintType)), x)
}

func sizeFixed64(x uint64) int {
	if x == 0 {
		return 0
	}
	return 1 + 8
}

func appendFixed64(b []byte, num protowire.Number, x uint64) []byte {
	if x == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint64(append(b, tag(num, protowire.Fixed64Type)), x)
}

func sizeBytes(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + protowire.SizeBytes(n)
}

func appendBytes[T string | []byte](b []byte, num protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendVarint(append(b, tag(num, protowire.BytesType)), uint64(len(v)))
	return append(b, v...)
}
