package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// open begins an embedded message as field num; its content may be appended
// next and starts at the index returned. shut ends it.
func open(b []byte, num protowire.Number) ([]byte, int) {
	b = append(protowire.AppendTag(b, num, protowire.BytesType), 0)
	return b, len(b)
}

// shut writes the length of the content that starts at the index, for which
// open has left one byte: longer ones move the content.
func shut(b []byte, at int) []byte {
	n := uint64(len(b) - at)
	if more := protowire.SizeVarint(n) - 1; more > 0 {
		b = slices.Insert(b, at, make([]byte, more)...)
	}
	binary.PutUvarint(b[at-1:], n)
	return b
}

// appendValue appends the content of an encoded Value.
func appendValue(b []byte, v Value) []byte {
	switch v.kind {
	case ValueNull:
		return b
	case ValueCustom:
		return appendCustom(b, uint8(v.num), func(b []byte) []byte { return append(b, v.data...) })
	}
	b = protowire.AppendTag(b, protowire.Number(v.kind), v.kind.wireType())
	switch v.kind {
	case ValueBool, ValueByte:
		return protowire.AppendVarint(b, v.num)
	case ValueInt16, ValueInt32, ValueInt64:
		return appendZigZag(b, int64(v.num))
	case ValueFloat32:
		return protowire.AppendFixed32(b, uint32(v.num))
	case ValueFloat64:
		return protowire.AppendFixed64(b, v.num)
	}
	return protowire.AppendBytes(b, v.data)
}

// appendText appends s, if it is UTF-8, as field num.
func appendText(b []byte, num protowire.Number, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errText
	}
	return protowire.AppendString(append(b, tag(num, protowire.BytesType)), s), nil
}

// appendCustom appends the member of a Value that holds a custom value whose
// data is what enc appends.
func appendCustom(b []byte, code uint8, enc func([]byte) []byte) []byte {
	b, at := open(b, protowire.Number(ValueCustom))
	b = appendVarint(b, 1, uint64(code))
	tagged := len(b)
	b, data := open(b, 2)
	if b = enc(b); len(b) == data {
		b = b[:tagged] // proto3 leaves empty bytes out
	} else {
		b = shut(b, data)
	}
	return shut(b, at)
}

// appendPacked appends the member of a Value that is an array of numbers.
func appendPacked[T any](b []byte, kind ValueKind, list []T, item func([]byte, T) []byte) []byte {
	b, at := open(b, protowire.Number(kind))
	if len(list) > 0 {
		var run int
		b, run = open(b, 1)
		for _, x := range list {
			b = item(b, x)
		}
		b = shut(b, run)
	}
	return shut(b, at)
}

// appendEach appends the member of a Value that is a list or an array of
// anything else.
func appendEach[T any](b []byte, kind ValueKind, list []T, item func([]byte, T) ([]byte, error)) ([]byte, error) {
	b, at := open(b, protowire.Number(kind))
	for _, x := range list {
		var err error
		if b, err = item(b, x); err != nil {
			return nil, err
		}
	}
	return shut(b, at), nil
}

func appendBool(b []byte, x bool) []byte { return protowire.AppendVarint(b, protowire.EncodeBool(x)) }

func appendZigZag[T int | int16 | int32 | int64](b []byte, x T) []byte {
	return protowire.AppendVarint(b, protowire.EncodeZigZag(int64(x)))
}

func appendFloat32(b []byte, x float32) []byte {
	return protowire.AppendFixed32(b, math.Float32bits(x))
}

func appendFloat64(b []byte, x float64) []byte {
	return protowire.AppendFixed64(b, math.Float64bits(x))
}
