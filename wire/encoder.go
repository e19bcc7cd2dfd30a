package wire

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// encoder turns Go values into encoded Values.
type encoder struct {
	types *Types  // nil knows no custom types
	check checker // counts the elements
}

// params appends a Param for each key and value.
func (e *encoder) params(b []byte, kv []any) ([]byte, error) {
	if len(kv)%2 != 0 {
		return nil, errors.New("wire: a key without a value")
	}
	var keys keySet
	for i := 0; i < len(kv); i += 2 {
		key, err := paramKey(kv[i])
		if err != nil {
			return nil, err
		}
		if !keys.add(key) {
			return nil, fmt.Errorf("wire: key %d stands twice", key)
		}
		var at int
		b, at = open(b, fieldParams)
		b = appendVarint(b, 1, uint64(key))
		if b, err = e.field(b, 2, kv[i+1], paramDepth+1); err != nil {
			return nil, fmt.Errorf("wire: key %d: %w", key, err)
		}
		b = shut(b, at)
	}
	return b, nil
}

// paramKey returns the key that k, any Go integer from 0 to 255, stands for.
func paramKey(k any) (uint8, error) {
	switch v := reflect.ValueOf(k); {
	case v.CanInt() && v.Int() >= 0 && v.Int() <= math.MaxUint8:
		return uint8(v.Int()), nil
	case v.CanUint() && v.Uint() <= math.MaxUint8:
		return uint8(v.Uint()), nil
	}
	return 0, fmt.Errorf("wire: key %v (%T) is not an integer from 0 to 255", k, k)
}

// field appends the Value that v makes, which lies at depth, as field num.
func (e *encoder) field(b []byte, num protowire.Number, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	b, at := open(b, num)
	b, err := e.value(b, v, depth)
	if err != nil {
		return nil, err
	}
	return shut(b, at), nil
}

// value appends the content of the Value that v makes, which lies at depth.
func (e *encoder) value(b []byte, v any, depth int) ([]byte, error) {
	if s, ok := scalar(v); ok {
		return appendValue(b, s), nil
	}
	if s, ok := v.(string); ok {
		return appendText(b, protowire.Number(ValueText), s)
	}
	if s, ok := v.(Value); ok {
		return appendValue(b, s), e.check.content(s, depth+1)
	}
	if depth+1 > maxDepth {
		return nil, errDepth // all that follows is an embedded message
	}
	if t, ok := e.types.of(reflect.TypeOf(v)); ok {
		return appendCustom(b, t.code, func(b []byte) []byte { return t.enc(b, v) }), nil
	}
	r := reflect.ValueOf(v)
	if k := r.Kind(); k == reflect.Slice || k == reflect.Map {
		if err := e.check.count(r.Len()); err != nil {
			return nil, err
		}
	}
	switch v := v.(type) {
	case Custom:
		return appendCustom(b, v.Code, func(b []byte) []byte { return append(b, v.Data...) }), nil
	case []bool:
		return appendPacked(b, ValueBools, v, appendBool), nil
	case []int16:
		return appendPacked(b, ValueInt16s, v, appendZigZag), nil
	case []int32:
		return appendPacked(b, ValueInt32s, v, appendZigZag), nil
	case []int64:
		return appendPacked(b, ValueInt64s, v, appendZigZag), nil
	case []int:
		return appendPacked(b, ValueInt64s, v, appendZigZag), nil
	case []float32:
		return appendPacked(b, ValueFloat32s, v, appendFloat32), nil
	case []float64:
		return appendPacked(b, ValueFloat64s, v, appendFloat64), nil
	case []string:
		return appendEach(b, ValueTexts, v, func(b []byte, x string) ([]byte, error) {
			return appendText(b, 1, x)
		})
	case [][]byte:
		return appendEach(b, ValueBlobs, v, func(b []byte, x []byte) ([]byte, error) {
			return protowire.AppendBytes(append(b, tag(1, protowire.BytesType)), x), nil
		})
	case []any:
		return appendEach(b, ValueList, v, func(b []byte, x any) ([]byte, error) {
			return e.field(b, 1, x, depth+2)
		})
	}
	if r.Kind() == reflect.Map {
		return e.mapping(b, r, depth+1)
	}
	if r.CanUint() {
		return nil, fmt.Errorf("type %T is not supported: use int64, or wire.ID for an id", v)
	}
	return nil, fmt.Errorf("type %T is not supported", v)
}

// scalar returns v as a Value if it is of a type that needs no checking.
func scalar(v any) (Value, bool) {
	switch v := v.(type) {
	case nil:
		return Value{}, true
	case bool:
		return Value{kind: ValueBool, num: protowire.EncodeBool(v)}, true
	case uint8:
		return Value{kind: ValueByte, num: uint64(v)}, true
	case int16:
		return Value{kind: ValueInt16, num: uint64(v)}, true
	case int32:
		return Value{kind: ValueInt32, num: uint64(v)}, true
	case int64:
		return Value{kind: ValueInt64, num: uint64(v)}, true
	case int:
		return Value{kind: ValueInt64, num: uint64(v)}, true
	case ID:
		return Value{kind: ValueInt64, num: uint64(v)}, true
	case float32:
		return Value{kind: ValueFloat32, num: uint64(math.Float32bits(v))}, true
	case float64:
		return Value{kind: ValueFloat64, num: math.Float64bits(v)}, true
	case []byte:
		return Value{kind: ValueBytes, data: v}, true
	}
	return Value{}, false
}

// mapping appends m, a map whose entries are counted, as a message Map that lies
// at depth.
func (e *encoder) mapping(b []byte, m reflect.Value, depth int) ([]byte, error) {
	type entry struct {
		key   Value
		value reflect.Value
	}
	entries := make([]entry, 0, m.Len())
	for it := m.MapRange(); it.Next(); {
		key, ok := mapKey(it.Key().Interface())
		if !ok {
			return nil, fmt.Errorf("type %T of a map key is not supported", it.Key().Interface())
		}
		entries = append(entries, entry{key, it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return compareKeys(a.key, b.key) })
	b, at := open(b, protowire.Number(ValueMap))
	for i, x := range entries {
		if i > 0 && x.key.kind != entries[0].key.kind {
			return nil, fmt.Errorf("map keys are %v and %v", entries[0].key.kind, x.key.kind)
		}
		if i > 0 && sameKey(x.key, entries[i-1].key) {
			return nil, fmt.Errorf("map key %v stands twice", x.key)
		}
		var (
			start int
			err   error
		)
		b, start = open(b, 1)
		if b, err = e.field(b, 1, x.key, depth+2); err != nil {
			return nil, err
		}
		if b, err = e.field(b, 2, x.value.Interface(), depth+2); err != nil {
			return nil, err
		}
		b = shut(b, start)
	}
	return shut(b, at), nil
}

// mapKey returns k as a Value if it is of a type that map keys may have. Text
// is yet to be checked.
func mapKey(k any) (Value, bool) {
	if s, ok := k.(string); ok {
		return Value{kind: ValueText, data: []byte(s)}, true
	}
	v, ok := scalar(k)
	return v, ok && v.kind.key()
}

func compareKeys(a, b Value) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(int64(a.num), int64(b.num)), bytes.Compare(a.data, b.data))
}
