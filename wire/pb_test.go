package wire

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/troupe-go/troupe/wire/wirepb"
)

// The functions here make generated messages, as another implementation would,
// and read them: what they do owes nothing to the code under test.

func pbNull() *pb.Value         { return &pb.Value{} }
func pbText(s string) *pb.Value { return &pb.Value{Kind: &pb.Value_Text{Text: s}} }
func pbInt32(x int32) *pb.Value { return &pb.Value{Kind: &pb.Value_Int32{Int32: x}} }
func pbInt64(x int64) *pb.Value { return &pb.Value{Kind: &pb.Value_Int64{Int64: x}} }
func pbList(items ...*pb.Value) *pb.Value {
	return &pb.Value{Kind: &pb.Value_List{List: &pb.Values{Items: items}}}
}

// pbMap returns a map of keys and values in turn.
func pbMap(kv ...*pb.Value) *pb.Value {
	m := new(pb.Map)
	for i := 0; i < len(kv); i += 2 {
		m.Entries = append(m.Entries, &pb.Entry{Key: kv[i], Value: kv[i+1]})
	}
	return &pb.Value{Kind: &pb.Value_Map{Map: m}}
}

// pbParams returns params of keys (int) and values (*pb.Value) in turn.
func pbParams(kv ...any) *pb.Params {
	p := new(pb.Params)
	for i := 0; i < len(kv); i += 2 {
		p.Params = append(p.Params, &pb.Param{Key: uint32(kv[i].(int)), Value: kv[i+1].(*pb.Value)})
	}
	return p
}

// pbMessage returns a hand-written message as the generated one.
func pbMessage(m message) proto.Message {
	switch m := m.(type) {
	case *Ping:
		return &pb.Ping{Time: m.Time}
	case *Pong:
		return &pb.Pong{Time: m.Time, Now: m.Now}
	case *Operation:
		return &pb.Operation{Code: uint32(m.Code), Request: m.Request, Payload: m.Payload,
			Params: m.Params.PB().GetParams(), Delivery: uint32(m.Delivery)}
	case *Response:
		return &pb.Response{Code: uint32(m.Code), Request: m.Request, Payload: m.Payload,
			Params: m.Params.PB().GetParams(), Delivery: uint32(m.Delivery), Result: m.Result, Text: m.Text}
	case *Event:
		return &pb.Event{Code: uint32(m.Code), Payload: m.Payload,
			Params: m.Params.PB().GetParams(), Delivery: uint32(m.Delivery)}
	case *GroupSend:
		var to, except []uint64
		for id := range m.To.All() {
			to = append(to, uint64(id))
		}
		for id := range m.Except.All() {
			except = append(except, uint64(id))
		}
		return &pb.GroupSend{Code: uint32(m.Code), Payload: m.Payload, Params: m.Params.PB().GetParams(),
			Delivery: uint32(m.Delivery), Group: uint64(m.Group), To: to, Sequence: m.Sequence, Except: except}
	case *GroupMessage:
		return &pb.GroupMessage{Code: uint32(m.Code), Payload: m.Payload, Params: m.Params.PB().GetParams(),
			Delivery: uint32(m.Delivery), Group: uint64(m.Group), Position: m.Position,
			Sender: uint64(m.Sender), Epoch: m.Epoch, Sequence: m.Sequence}
	case *GroupAck:
		return &pb.GroupAck{Group: uint64(m.Group), Position: m.Position}
	}
	panic(fmt.Sprintf("no generated message for %T", m))
}

// maskDelivery clears the reserved bits of delivery, as Parse does.
func maskDelivery(m proto.Message) {
	r := m.ProtoReflect()
	if fd := r.Descriptor().Fields().ByName("delivery"); fd != nil {
		r.Set(fd, protoreflect.ValueOfUint32(uint32(r.Get(fd).Uint())&0xffff_007f))
	}
}

// pbBody returns the params of a generated message that has them.
func pbBody(m proto.Message) []*pb.Param {
	if m, ok := m.(interface{ GetParams() []*pb.Param }); ok {
		return m.GetParams()
	}
	return nil
}

// pbAny returns a value as the Go type that Value.Any makes of it.
func pbAny(t testing.TB, v *pb.Value) any {
	switch k := v.GetKind().(type) {
	case nil:
		return nil
	case *pb.Value_Bool:
		return k.Bool
	case *pb.Value_Byte:
		return uint8(k.Byte)
	case *pb.Value_Int16:
		return int16(k.Int16)
	case *pb.Value_Int32:
		return k.Int32
	case *pb.Value_Int64:
		return k.Int64
	case *pb.Value_Float32:
		return k.Float32
	case *pb.Value_Float64:
		return k.Float64
	case *pb.Value_Text:
		return k.Text
	case *pb.Value_Bytes:
		return k.Bytes
	case *pb.Value_List:
		list := []any{}
		for _, item := range k.List.GetItems() {
			list = append(list, pbAny(t, item))
		}
		return list
	case *pb.Value_Map:
		m := map[any]any{}
		for _, e := range k.Map.GetEntries() {
			m[pbAny(t, e.GetKey())] = pbAny(t, e.GetValue())
		}
		return m
	case *pb.Value_Custom:
		return Custom{Code: uint8(k.Custom.GetCode()), Data: k.Custom.GetData()}
	case *pb.Value_Bools:
		return k.Bools.GetItems()
	case *pb.Value_Int16S:
		list := []int16{}
		for _, x := range k.Int16S.GetItems() {
			list = append(list, int16(x))
		}
		return list
	case *pb.Value_Int32S:
		return k.Int32S.GetItems()
	case *pb.Value_Int64S:
		return k.Int64S.GetItems()
	case *pb.Value_Float32S:
		return k.Float32S.GetItems()
	case *pb.Value_Float64S:
		return k.Float64S.GetItems()
	case *pb.Value_Texts:
		return k.Texts.GetItems()
	case *pb.Value_Blobs:
		return k.Blobs.GetItems()
	}
	t.Fatalf("no kind of value: %T", v.GetKind())
	return nil
}
