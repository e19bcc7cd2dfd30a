package wire

import (
	"encoding/json"
	"fmt"
	"reflect"

	//lint:ignore SA1019 it bridges the older protobuf API, whose messages handlers may use too
	protov1 "github.com/golang/protobuf/proto"
	"google.golang.org/protobuf/proto"
)

// Encode returns v as a [Body]:
//
//   - a Body, a *Body or Params as they are; nil and a nil *Body as an empty Body
//   - a []byte as the payload, not copied
//   - a protobuf message, of google.golang.org/protobuf or of the older
//     github.com/golang/protobuf, encoded as the payload
//   - anything else as JSON in the payload
func Encode(v any) (Body, error) {
	switch v := v.(type) {
	case nil:
		return Body{}, nil
	case Body:
		return v, nil
	case *Body:
		if v == nil {
			return Body{}, nil
		}
		return *v, nil
	case Params:
		return Body{Params: v}, nil
	case []byte:
		return Payload(v), nil
	}
	var (
		payload []byte
		err     error
	)
	if m, ok := protoMessage(addressed(v)); ok {
		payload, err = proto.Marshal(m)
	} else {
		payload, err = json.Marshal(v)
	}
	if err != nil {
		return Body{}, fmt.Errorf("wire: encode %T: %w", v, err)
	}
	return Payload(payload), nil
}

// Decode returns what b holds as type T:
//
//   - Body and Params as they are: views
//   - []byte: a copy of the payload
//   - a pointer to a protobuf message of either API: decoded from the payload
//   - anything else: decoded from the payload as JSON. An empty payload is the
//     zero value of struct{} and any, and an error for other types
//
// A T that is a pointer never comes back nil without an error, not even for the
// JSON null. Errors wrap [ErrMessage].
func Decode[T any](b Body) (T, error) {
	var v T
	switch p := any(&v).(type) {
	case *Body:
		*p = b
		return v, nil
	case *Params:
		*p = b.Params
		return v, nil
	case *[]byte:
		*p = append([]byte{}, b.Payload...)
		return v, nil
	case *struct{}, *any:
		if len(b.Payload) == 0 {
			return v, nil
		}
	}
	target := any(&v)
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		p := reflect.New(t.Elem())
		v, target = p.Interface().(T), p.Interface()
	}
	var err error
	if m, ok := protoMessage(target); ok {
		err = unmarshalOptions().Unmarshal(b.Payload, m)
	} else {
		err = json.Unmarshal(b.Payload, target)
	}
	if err != nil {
		return *new(T), fmt.Errorf("%w: decode %v: %w", ErrMessage, reflect.TypeFor[T](), err)
	}
	return v, nil
}

// addressed returns a pointer to a copy of v if v is a struct: a protobuf message
// may come by value, although its methods want a pointer.
func addressed(v any) any {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Struct {
		return v
	}
	p := reflect.New(r.Type())
	p.Elem().Set(r)
	return p.Interface()
}

// protoMessage returns v as a message of the newer API if it is one of either.
func protoMessage(v any) (proto.Message, bool) {
	switch v := v.(type) {
	case proto.Message:
		return v, true
	case protov1.Message:
		return protov1.MessageV2(v), true
	}
	return nil, false
}
