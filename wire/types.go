package wire

import (
	"fmt"
	"reflect"
)

// Custom is a value of a type that both ends know by its code, in the encoding
// that they agreed on. A [Types] registry turns it into a Go value.
//
//	1 code uint32   at most 255
//	2 data bytes
type Custom struct {
	Code uint8
	Data []byte
}

// CustomType ties a code to a Go type. [Type] makes one.
type CustomType struct {
	code uint8
	typ  reflect.Type
	enc  func(b []byte, v any) []byte
	dec  func([]byte) (any, error)
}

// Type returns a custom type: enc appends the encoded v to b, dec decodes what
// enc has appended and keeps no part of its argument. Both may be called from
// many goroutines at once. The codes are the application's own; clients and
// servers must agree on them.
func Type[T any](code uint8, enc func(b []byte, v T) []byte, dec func([]byte) (T, error)) CustomType {
	return CustomType{
		code: code,
		typ:  reflect.TypeFor[T](),
		enc:  func(b []byte, v any) []byte { return enc(b, v.(T)) },
		dec:  func(b []byte) (any, error) { return dec(b) },
	}
}

// Types is a registry of custom types. It does not change, so any number of
// goroutines may use it. A nil *Types knows no custom type.
type Types struct {
	byCode map[uint8]CustomType
	byType map[reflect.Type]CustomType
}

// NewTypes returns a registry of the types in list. It panics when a code or a
// Go type is there twice and when [P] takes the Go type without a registry.
func NewTypes(list ...CustomType) *Types {
	t := &Types{byCode: make(map[uint8]CustomType), byType: make(map[reflect.Type]CustomType)}
	for _, c := range list {
		if other, ok := t.byCode[c.code]; ok {
			panic(fmt.Sprintf("wire: custom type code %d stands for %v and %v", c.code, other.typ, c.typ))
		}
		if other, ok := t.byType[c.typ]; ok {
			panic(fmt.Sprintf("wire: %v has the custom type codes %d and %d", c.typ, other.code, c.code))
		}
		if c.typ.Kind() == reflect.Interface || native(c.typ) {
			panic(fmt.Sprintf("wire: %v cannot be a custom type", c.typ))
		}
		t.byCode[c.code], t.byType[c.typ] = c, c
	}
	return t
}

// native reports whether P takes values of type t without a registry. Maps it
// takes only where the registry does not know them.
func native(t reflect.Type) bool {
	if t.Kind() == reflect.Map {
		return false
	}
	_, err := new(encoder).value(nil, reflect.Zero(t).Interface(), 0)
	return err == nil
}

// of returns the custom type for the Go type typ.
func (t *Types) of(typ reflect.Type) (CustomType, bool) {
	if t == nil {
		return CustomType{}, false
	}
	c, ok := t.byType[typ]
	return c, ok
}

// P is the function [P], which takes values of the registered types too.
func (t *Types) P(kv ...any) Params {
	p, err := t.NewParams(kv...)
	if err != nil {
		panic(err)
	}
	return p
}

// NewParams is [Types.P] with an error instead of a panic.
func (t *Types) NewParams(kv ...any) (Params, error) {
	if len(kv) == 0 {
		return Params{}, nil
	}
	e := encoder{types: t}
	raw, err := e.params(make([]byte, 0, 16*len(kv)), kv)
	return Params{raw}, err
}
