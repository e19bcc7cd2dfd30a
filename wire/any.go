package wire

import (
	"bytes"
	"fmt"
	"reflect"
)

// Any returns a copy of the value as the Go type that its [ValueKind] names.
// Customs stay [Custom].
func (v Value) Any() any {
	x, _ := (*Types)(nil).Any(v) // without custom types nothing can fail
	return x
}

// Any is [Value.Any], but turns customs with a registered code, in lists and
// maps too, into their Go type. Those with other codes stay [Custom]. An error
// is one of a decoder and wraps [ErrMessage].
func (t *Types) Any(v Value) (any, error) {
	switch v.kind {
	case ValueBool:
		return v.Bool(), nil
	case ValueByte:
		return uint8(v.num), nil
	case ValueInt16:
		return int16(v.num), nil
	case ValueInt32:
		return int32(v.num), nil
	case ValueInt64:
		return int64(v.num), nil
	case ValueFloat32:
		return float32(v.Float()), nil
	case ValueFloat64:
		return v.Float(), nil
	case ValueText:
		return v.Text(), nil
	case ValueBytes:
		return append([]byte{}, v.data...), nil // not nil, which is null
	case ValueList:
		return t.list(v)
	case ValueMap:
		return t.mapping(v)
	case ValueCustom:
		return t.custom(v)
	case ValueBools:
		return collect(v, Value.Bool), nil
	case ValueInt16s:
		return collect(v, func(v Value) int16 { return int16(v.num) }), nil
	case ValueInt32s:
		return collect(v, func(v Value) int32 { return int32(v.num) }), nil
	case ValueInt64s:
		return collect(v, Value.Int), nil
	case ValueFloat32s:
		return collect(v, func(v Value) float32 { return float32(v.Float()) }), nil
	case ValueFloat64s:
		return collect(v, Value.Float), nil
	case ValueTexts:
		return collect(v, Value.Text), nil
	case ValueBlobs:
		return collect(v, func(v Value) []byte { return bytes.Clone(v.data) }), nil
	}
	return nil, nil
}

// collect returns the items of an array.
func collect[T any](v Value, item func(Value) T) []T {
	list := make([]T, 0, v.Len())
	for x := range v.Items() {
		list = append(list, item(x))
	}
	return list
}

func (t *Types) list(v Value) (any, error) {
	list := make([]any, 0, v.Len())
	for item := range v.Items() {
		x, err := t.Any(item)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

func (t *Types) mapping(v Value) (any, error) {
	m := make(map[any]any, v.Len())
	for key, value := range v.Entries() {
		x, err := t.Any(value)
		if err != nil {
			return nil, err
		}
		m[key.Any()] = x
	}
	return m, nil
}

func (t *Types) custom(v Value) (any, error) {
	code := uint8(v.num)
	if t != nil {
		if c, ok := t.byCode[code]; ok {
			x, err := c.dec(v.data)
			if err != nil {
				return nil, fmt.Errorf("%w: custom type %d: %w", ErrMessage, code, err)
			}
			return x, nil
		}
	}
	return Custom{Code: code, Data: bytes.Clone(v.data)}, nil
}

// As returns a value as type T, which is exactly the Go type that [Types.Any]
// makes of it: a registered one, or one of those that [ValueKind] names. The
// error wraps [ErrMessage].
func As[T any](t *Types, v Value) (T, error) {
	x, err := t.Any(v)
	if err != nil {
		return *new(T), err
	}
	y, ok := x.(T)
	if !ok {
		return y, fmt.Errorf("%w: %v is not a %v", ErrMessage, v.kind, reflect.TypeFor[T]())
	}
	return y, nil
}
