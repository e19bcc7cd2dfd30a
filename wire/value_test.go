package wire

import (
	"math"
	"reflect"
	"testing"
)

// one returns v as a Value.
func one(v any) Value { return P(1, v).Get(1) }

func TestValueAccessors(t *testing.T) {
	type row struct {
		v     any
		kind  ValueKind
		bool  bool
		int   int64
		float float64
		text  string
		bytes []byte
		len   int
	}
	for _, x := range []row{
		{v: nil, kind: ValueNull},
		{v: true, kind: ValueBool, bool: true},
		{v: uint8(200), kind: ValueByte, int: 200, float: 200},
		{v: int16(-3), kind: ValueInt16, int: -3, float: -3},
		{v: int32(-3), kind: ValueInt32, int: -3, float: -3},
		{v: int64(math.MinInt64), kind: ValueInt64, int: math.MinInt64, float: math.MinInt64},
		{v: float32(1.5), kind: ValueFloat32, float: 1.5},
		{v: -2.5, kind: ValueFloat64, float: -2.5},
		{v: "é", kind: ValueText, text: "é", len: 2},
		{v: []byte("ab"), kind: ValueBytes, bytes: []byte("ab"), len: 2},
		{v: []any{1, nil}, kind: ValueList, len: 2},
		{v: map[string]int{"a": 1}, kind: ValueMap, len: 1},
		{v: Custom{9, []byte("x")}, kind: ValueCustom},
		{v: []bool{true}, kind: ValueBools, len: 1},
		{v: []int16{-1, 2}, kind: ValueInt16s, len: 2},
		{v: []int32{-1, 2}, kind: ValueInt32s, len: 2},
		{v: []int64{-1, 2}, kind: ValueInt64s, len: 2},
		{v: []float32{-1, 2}, kind: ValueFloat32s, len: 2},
		{v: []float64{-1, 2, 3}, kind: ValueFloat64s, len: 3},
		{v: []string{"a", ""}, kind: ValueTexts, len: 2},
		{v: [][]byte{nil, {1}}, kind: ValueBlobs, len: 2},
	} {
		v := one(x.v)
		got := row{x.v, v.Kind(), v.Bool(), v.Int(), v.Float(), v.Text(), v.Bytes(), v.Len()}
		if !reflect.DeepEqual(got, x) || v.IsNull() != (x.v == nil) {
			t.Errorf("%T: %+v, want %+v", x.v, got, x)
		}
		if code, data, ok := v.Custom(); ok != (x.kind == ValueCustom) || ok && (code != 9 || string(data) != "x") || !ok && data != nil {
			t.Errorf("%T: Custom = %d, %q, %v", x.v, code, data, ok)
		}
	}
	if !(Value{}).IsNull() || (Value{}).Any() != nil {
		t.Error("the zero Value is not null")
	}
}

// TestValueKinds holds the kinds to the numbers and names in troupe.proto.
func TestValueKinds(t *testing.T) {
	fields := P(1, nil).PB().GetParams()[0].GetValue().ProtoReflect().Descriptor().Fields()
	if fields.Len() != int(ValueBlobs) {
		t.Fatalf("message Value has %d fields", fields.Len())
	}
	for i := range fields.Len() {
		f := fields.Get(i)
		if k := ValueKind(f.Number()); k.String() != string(f.Name()) {
			t.Errorf("field %d is %s, the kind is %v", f.Number(), f.Name(), k)
		}
	}
	if s := ValueKind(21).String(); s != "value kind 21" {
		t.Error(s)
	}
}
