package wire

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
)

type point struct{ X, Y uint16 }

func pointType(code uint8) CustomType {
	return Type(code,
		func(b []byte, p point) []byte {
			return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, p.X), p.Y)
		},
		func(b []byte) (point, error) {
			if len(b) != 4 {
				return point{}, errors.New("a point has 4 bytes")
			}
			return point{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}, nil
		})
}

type unit struct{}

func unitType(code uint8) CustomType {
	return Type(code, func(b []byte, _ unit) []byte { return b }, func([]byte) (unit, error) { return unit{}, nil })
}

func TestTypes(t *testing.T) {
	types := NewTypes(pointType(1), unitType(0))
	p := types.P(1, point{1, 2}, 2, []any{point{3, 4}, "x"}, 3, map[string]point{"a": {5, 6}}, 4, unit{}, 5, int32(7))
	for key, want := range map[uint8]any{
		1: point{1, 2}, 2: []any{point{3, 4}, "x"}, 3: map[any]any{"a": point{5, 6}}, 4: unit{}, 5: int32(7),
	} {
		if got, err := types.Any(p.Get(key)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d: %v, %v, want %v", key, got, err, want)
		}
	}
	if got := p.Get(1).Any(); !reflect.DeepEqual(got, Custom{1, []byte{0, 1, 0, 2}}) {
		t.Errorf("without the registry: %v", got)
	}
	if got, err := types.Any(one(Custom{77, []byte("x")})); err != nil || !reflect.DeepEqual(got, Custom{77, []byte("x")}) {
		t.Errorf("another code: %v, %v", got, err)
	}
	if _, err := NewParams(1, point{}); err == nil {
		t.Error("P knows a custom type without its registry")
	}
}

func TestAs(t *testing.T) {
	types := NewTypes(pointType(1))
	p := types.P(1, point{1, 2}, 2, int32(5), 3, []string{"a"})
	if got, err := As[point](types, p.Get(1)); err != nil || got != (point{1, 2}) {
		t.Errorf("point = %v, %v", got, err)
	}
	if got, err := As[int32](nil, p.Get(2)); err != nil || got != 5 {
		t.Errorf("int32 = %v, %v", got, err)
	}
	if got, err := As[[]string](types, p.Get(3)); err != nil || !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("[]string = %v, %v", got, err)
	}
	if got, err := As[Custom](nil, p.Get(1)); err != nil || got.Code != 1 {
		t.Errorf("Custom = %v, %v", got, err)
	}
	if _, err := As[int64](types, p.Get(2)); !errors.Is(err, ErrMessage) {
		t.Errorf("int64 of an int32: %v", err)
	}
	if _, err := As[point](types, p.Get(9)); !errors.Is(err, ErrMessage) {
		t.Errorf("point of null: %v", err)
	}
	for _, v := range []any{Custom{1, []byte("x")}, []any{Custom{1, nil}}, map[string]any{"a": Custom{1, nil}}} {
		if got, err := As[any](types, one(v)); !errors.Is(err, ErrMessage) || got != nil {
			t.Errorf("%v: %v, %v", v, got, err)
		}
	}
}

func TestNewTypesPanics(t *testing.T) {
	str := Type(3, func(b []byte, s string) []byte { return append(b, s...) }, func(b []byte) (string, error) { return string(b), nil })
	err := Type(4, func(b []byte, e error) []byte { return b }, func([]byte) (error, error) { return nil, nil })
	for name, list := range map[string][]CustomType{
		"code twice":    {pointType(1), unitType(1)},
		"type twice":    {pointType(1), pointType(2)},
		"known already": {str},
		"interface":     {err},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: NewTypes does not panic", name)
				}
			}()
			NewTypes(list...)
		}()
	}
	type inventory map[string]int32
	enc := func(b []byte, _ inventory) []byte { return append(b, 'i') }
	types := NewTypes(Type(5, enc, func([]byte) (inventory, error) { return inventory{"x": 1}, nil }))
	if got, err := As[inventory](types, types.P(1, inventory{}).Get(1)); err != nil || got["x"] != 1 {
		t.Errorf("a map type of its own: %v, %v", got, err)
	}
}
