package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	//lint:ignore SA1019 messages of the older protobuf API are what is tested
	protov1 "github.com/golang/protobuf/proto"
	"google.golang.org/protobuf/proto"

	pb "github.com/troupe-go/troupe/wire/wirepb"
)

// oldMessage is a message as protoc-gen-go made them before 2020: it has struct
// tags and no ProtoReflect.
type oldMessage struct {
	Name string `protobuf:"bytes,1,opt,name=name,proto3" json:"name,omitempty"`
	N    int32  `protobuf:"varint,2,opt,name=n,proto3" json:"n,omitempty"`
}

func (m *oldMessage) Reset()         { *m = oldMessage{} }
func (m *oldMessage) String() string { return protov1.CompactTextString(m) }
func (*oldMessage) ProtoMessage()    {}

type jsonBody struct {
	Name string `json:"name"`
	N    []int  `json:"n"`
}

func TestEncode(t *testing.T) {
	body := Body{Params: P(1, "x"), Payload: []byte("p")}
	for _, x := range []struct {
		v    any
		want Body
	}{
		{nil, Body{}},
		{body, body},
		{&body, body},
		{(*Body)(nil), Body{}},
		{body.Params, Body{Params: body.Params}},
		{[]byte("raw"), Text("raw")},
		{&pb.Refuse{Code: 5, Text: "no"}, Text("\x08\x05\x12\x02no")},
		{(*pb.Refuse)(nil), Body{}},
		{&oldMessage{Name: "x", N: 3}, Text("\x0a\x01x\x10\x03")},
		{jsonBody{Name: "x"}, Text(`{"name":"x","n":null}`)},
		{"text", Text(`"text"`)},
		{struct{}{}, Text(`{}`)},
	} {
		got, err := Encode(x.v)
		if err != nil || !bytes.Equal(got.Payload, x.want.Payload) || !bytes.Equal(got.Params.Raw(), x.want.Params.Raw()) {
			t.Errorf("Encode(%T) = %+v, %v, want %+v", x.v, got, err, x.want)
		}
	}
	for _, v := range []any{func() {}, &pb.Refuse{Text: "\xff"}} {
		if got, err := Encode(v); err == nil || !got.Empty() {
			t.Errorf("Encode(%T) = %+v, %v", v, got, err)
		}
	}
}

func TestDecode(t *testing.T) {
	body := Body{Params: P(1, "x"), Payload: []byte(`{"name":"x","n":[1,2],"more":true}`)}
	if got, err := Decode[Body](body); err != nil || !reflect.DeepEqual(got, body) {
		t.Errorf("Body = %+v, %v", got, err)
	}
	if got, err := Decode[Params](body); err != nil || got.Get(1).Text() != "x" {
		t.Errorf("Params = %+v, %v", got, err)
	}
	if got, err := Decode[[]byte](body); err != nil || !bytes.Equal(got, body.Payload) || &got[0] == &body.Payload[0] {
		t.Errorf("[]byte = %s, %v", got, err)
	}
	want := jsonBody{"x", []int{1, 2}}
	if got, err := Decode[jsonBody](body); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("struct = %+v, %v", got, err)
	}
	if got, err := Decode[*jsonBody](body); err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("pointer = %+v, %v", got, err)
	}
	if got, err := Decode[map[string]any](body); err != nil || got["name"] != "x" {
		t.Errorf("map = %+v, %v", got, err)
	}
	if got, err := Decode[any](Body{}); err != nil || got != nil {
		t.Errorf("any of nothing = %v, %v", got, err)
	}
	if _, err := Decode[struct{}](Body{}); err != nil {
		t.Errorf("struct{} of nothing: %v", err)
	}
	if got, err := Decode[*jsonBody](Text("null")); err != nil || got == nil {
		t.Errorf("pointer of null = %v, %v", got, err)
	}
	if got, err := Decode[*pb.Refuse](Text("\x08\x05\x12\x02no")); err != nil || !proto.Equal(got, &pb.Refuse{Code: 5, Text: "no"}) {
		t.Errorf("protobuf = %v, %v", got, err)
	}
	if got, err := Decode[*pb.Refuse](Body{}); err != nil || got == nil {
		t.Errorf("protobuf of nothing = %v, %v", got, err)
	}
	if got, err := Decode[*oldMessage](Text("\x0a\x01x\x10\x03")); err != nil || got.Name != "x" || got.N != 3 {
		t.Errorf("old protobuf = %v, %v", got, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	decode := map[string]func(Body) error{
		"struct":   func(b Body) error { _, err := Decode[jsonBody](b); return err },
		"pointer":  func(b Body) error { v, err := Decode[*jsonBody](b); return nilWith(v == nil, err) },
		"any":      func(b Body) error { _, err := Decode[any](b); return err },
		"protobuf": func(b Body) error { v, err := Decode[*pb.Hello](b); return nilWith(v == nil, err) },
		"old":      func(b Body) error { v, err := Decode[*oldMessage](b); return nilWith(v == nil, err) },
		"message":  func(b Body) error { _, err := Decode[proto.Message](b); return err },
	}
	for name, f := range decode {
		if err := f(Text(`{"name":"x"} {}`)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s with more behind it: %v", name, err)
		}
	}
	for _, name := range []string{"struct", "pointer", "message"} {
		if err := decode[name](Body{}); !errors.Is(err, ErrMessage) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}

// nilWith returns err, or an error of another kind if a pointer that comes with
// one is not nil.
func nilWith(isNil bool, err error) error {
	if err != nil && !isNil {
		return errors.New("not nil with an error")
	}
	return err
}

func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	b, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode[T](b); err != nil || !reflect.DeepEqual(got, v) {
		t.Fatalf("%#v came back as %#v, %v", v, got, err)
	}
}

// Handlers return messages by value as well, which must not make JSON of them.
func TestEncodeMessageByValue(t *testing.T) {
	m := pb.Close{Code: 7, Text: "x"}
	byPointer, err1 := Encode(&m)
	byValue, err2 := Encode(reflect.ValueOf(&m).Elem().Interface())
	if err1 != nil || err2 != nil || !bytes.Equal(byPointer.Payload, byValue.Payload) {
		t.Errorf("by pointer %x, %v; by value %x, %v", byPointer.Payload, err1, byValue.Payload, err2)
	}
}

func TestIDsAreParameters(t *testing.T) {
	id := ID(0xFEDC_BA98_7654_3210)
	if got := P(1, id).Get(1).ID(); got != id {
		t.Errorf("%v came back as %v", id, got)
	}
	if _, err := NewParams(1, uint64(5)); err == nil || !strings.Contains(err.Error(), "int64") {
		t.Errorf("uint64: %v", err)
	}
}
