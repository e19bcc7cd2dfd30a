package wire

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// ValueKind is the type of a [Value]. It is the number of the field of message
// Value that is set.
type ValueKind uint8

// The kinds of values, and the Go types that [Value.Any] makes of them.
const (
	ValueNull     ValueKind = 0  // nil
	ValueBool     ValueKind = 1  // bool
	ValueByte     ValueKind = 2  // uint8
	ValueInt16    ValueKind = 3  // int16
	ValueInt32    ValueKind = 4  // int32
	ValueInt64    ValueKind = 5  // int64
	ValueFloat32  ValueKind = 6  // float32
	ValueFloat64  ValueKind = 7  // float64
	ValueText     ValueKind = 8  // string
	ValueBytes    ValueKind = 9  // []byte
	ValueList     ValueKind = 10 // []any
	ValueMap      ValueKind = 11 // map[any]any
	ValueCustom   ValueKind = 12 // Custom, or what a Types registry makes of it
	ValueBools    ValueKind = 13 // []bool
	ValueInt16s   ValueKind = 14 // []int16
	ValueInt32s   ValueKind = 15 // []int32
	ValueInt64s   ValueKind = 16 // []int64
	ValueFloat32s ValueKind = 17 // []float32
	ValueFloat64s ValueKind = 18 // []float64
	ValueTexts    ValueKind = 19 // []string
	ValueBlobs    ValueKind = 20 // [][]byte
)

// String returns the kind's name, that of its field in troupe.proto.
func (k ValueKind) String() string {
	names := [...]string{"null", "bool", "byte", "int16", "int32", "int64", "float32", "float64",
		"text", "bytes", "list", "map", "custom", "bools", "int16s", "int32s", "int64s",
		"float32s", "float64s", "texts", "blobs"}
	if int(k) < len(names) {
		return names[k]
	}
	return "value kind " + strconv.Itoa(int(k))
}

// message reports whether the kind's field is an embedded message.
func (k ValueKind) message() bool { return k >= ValueList }

// elem returns the kind of the items of an array, ValueNull for other kinds.
func (k ValueKind) elem() ValueKind {
	switch k {
	case ValueBools:
		return ValueBool
	case ValueInt16s:
		return ValueInt16
	case ValueInt32s:
		return ValueInt32
	case ValueInt64s:
		return ValueInt64
	case ValueFloat32s:
		return ValueFloat32
	case ValueFloat64s:
		return ValueFloat64
	case ValueTexts:
		return ValueText
	case ValueBlobs:
		return ValueBytes
	}
	return ValueNull
}

// wireType returns the wire type of the kind's field.
func (k ValueKind) wireType() protowire.Type {
	switch k {
	case ValueBool, ValueByte, ValueInt16, ValueInt32, ValueInt64:
		return protowire.VarintType
	case ValueFloat32:
		return protowire.Fixed32Type
	case ValueFloat64:
		return protowire.Fixed64Type
	}
	return protowire.BytesType
}

// key reports whether a map may have keys of this kind.
func (k ValueKind) key() bool {
	switch k {
	case ValueBool, ValueByte, ValueInt16, ValueInt32, ValueInt64, ValueText:
		return true
	}
	return false
}

// Value is one value of [Params], a view of their bytes. The zero value is
// null. An accessor for another kind returns the zero value of its type.
type Value struct {
	kind ValueKind
	num  uint64 // bool: 0 or 1; integers: as an int64; floats: their bits; Custom: the code
	data []byte // text, bytes, Custom: the content; lists, maps, arrays: the encoded message
}

// Kind returns the type of the value.
func (v Value) Kind() ValueKind { return v.kind }

// IsNull reports whether the value is null, which an absent parameter is too.
func (v Value) IsNull() bool { return v.kind == ValueNull }

// Bool returns a bool.
func (v Value) Bool() bool { return v.kind == ValueBool && v.num != 0 }

// Int returns a byte or an integer of any size.
func (v Value) Int() int64 {
	switch v.kind {
	case ValueByte, ValueInt16, ValueInt32, ValueInt64:
		return int64(v.num)
	}
	return 0
}

// ID returns an id, which is kept as an int64.
func (v Value) ID() ID { return ID(v.Int()) }

// Float returns a float of any size, or a byte or an integer converted to one.
func (v Value) Float() float64 {
	switch v.kind {
	case ValueFloat32:
		return float64(math.Float32frombits(uint32(v.num)))
	case ValueFloat64:
		return math.Float64frombits(v.num)
	}
	return float64(v.Int())
}

// Text returns a copy of a text.
func (v Value) Text() string {
	if v.kind == ValueText {
		return string(v.data)
	}
	return ""
}

// Bytes returns a view of bytes.
func (v Value) Bytes() []byte {
	if v.kind == ValueBytes {
		return v.data
	}
	return nil
}

// Custom returns the code and a view of the data of a custom value. See [As]
// for those that a [Types] registry knows.
func (v Value) Custom() (code uint8, data []byte, ok bool) {
	if v.kind != ValueCustom {
		return 0, nil, false
	}
	return uint8(v.num), v.data, true
}

// view returns the encoded Value b, which a checker has let pass.
func view(b []byte) (last Value) {
	f := fields{b: b}
	for f.next() {
		if v, ok := member(&f); ok {
			last = v
		}
	}
	return last
}

// member returns the current field of f, which reads a message Value, as the
// value it stands for; false when it is unknown or a fault.
func member(f *fields) (v Value, ok bool) {
	if f.num < 1 || f.num > protowire.Number(ValueBlobs) {
		return Value{}, false
	}
	v = f.value(ValueKind(f.num))
	return v, f.err == nil
}

// value returns the current field as a value of kind k. It judges ranges and
// what a Custom holds; text and the messages of lists, maps and arrays it takes
// as they are.
func (f *fields) value(k ValueKind) Value {
	v := Value{kind: k}
	switch k {
	case ValueBool:
		if f.uint(math.MaxUint64) != 0 {
			v.num = 1
		}
	case ValueByte:
		v.num = f.uint(math.MaxUint8)
	case ValueInt16:
		v.num = uint64(f.sint(16))
	case ValueInt32:
		v.num = uint64(f.sint(32))
	case ValueInt64:
		v.num = uint64(f.sint(64))
	case ValueFloat32:
		v.num = f.fixed32()
	case ValueFloat64:
		v.num = f.fixed64()
	case ValueCustom:
		c := fields{b: f.bytes()}
		for c.next() {
			switch c.num {
			case 1:
				v.num = c.uint(math.MaxUint8)
			case 2:
				v.data = c.bytes()
			}
		}
		f.within(c.err)
	default:
		v.data = f.bytes()
	}
	return v
}
