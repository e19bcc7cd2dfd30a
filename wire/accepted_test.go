package wire

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/troupe-go/troupe/wire/wirepb"
)

// accepted are messages that no encoder of ours writes and every receiver must
// nevertheless read as protobuf says.
func accepted() []struct {
	name string
	body []byte
	want any // the value of param 1, or a whole message
} {
	type row = struct {
		name string
		body []byte
		want any
	}
	utf, i32 := blob(8, []byte("x")), vint(4, 2)
	return []row{
		{"fields backwards", fieldsOf(vint(fieldDelivery, 1), blob(fieldPayload, []byte("p")), vint(fieldCode, 7)),
			&Event{Code: 7, Delivery: Unreliable, Body: Text("p")}},
		{"the last scalar wins", fieldsOf(vint(fieldCode, 1), blob(fieldPayload, []byte("old")), vint(fieldCode, 2), blob(fieldPayload, []byte("new"))),
			&Event{Code: 2, Body: Text("new")}},
		{"an empty payload after another", fieldsOf(blob(fieldPayload, []byte("old")), blob(fieldPayload)), &Event{}},
		{"unknown fields", fieldsOf(vint(13, 1), fix32(14, 2), fix64(15, 3), blob(1000, []byte("tail")), vint(fieldCode, 7), vint(1<<29-1, 0)),
			&Event{Code: 7}},
		{"a code of five bytes", []byte{0x08, 0x87, 0x80, 0x80, 0x80, 0x00}, &Event{Code: 7}},
		{"a tag of two bytes", []byte{0x88, 0x00, 0x07}, &Event{Code: 7}},
		{"reserved bits of delivery", vint(fieldDelivery, 0x0001_ff81), &Event{Delivery: 0x0001_0001}},

		{"params apart", fieldsOf(param(2, i32), vint(fieldCode, 7), param(1, utf), blob(fieldPayload, []byte("p")), param(3, i32)),
			&Event{Code: 7, Body: Body{Params: P(2, int32(1), 1, "x", 3, int32(1)), Payload: []byte("p")}}},
		{"params apart, then together", fieldsOf(param(2, i32), vint(fieldCode, 7), param(1, utf), param(3, i32)),
			&Event{Code: 7, Body: Body{Params: P(2, int32(1), 1, "x", 3, int32(1))}}},
		{"unknown fields in a param", blob(fieldParams, vint(9, 9), vint(1, 1), blob(2, vint(99, 0), utf, blob(98))), "x"},
		{"the last key wins", blob(fieldParams, vint(1, 5), blob(2, utf), vint(1, 1)), "x"},
		{"value before key", blob(fieldParams, blob(2, utf), vint(1, 1)), "x"},
		{"value absent", blob(fieldParams, vint(1, 1)), nil},

		{"the last of a oneof wins", param(1, blob(10, blob(1, utf)), vint(1, 1), utf), "x"},
		{"a oneof returns", param(1, blob(10, blob(1, utf)), vint(1, 1), blob(10)), []any{}},
		{"a bool of 2", param(1, vint(1, 2)), true},
		{"a byte of two bytes", param(1, []byte{0x10, 0x85, 0x00}), uint8(5)},
		{"custom backwards", param(1, blob(12, blob(2, []byte("xy")), vint(3, 0), vint(1, 9))), Custom{9, []byte("xy")}},

		{"bools one by one", param(1, blob(13, vint(1, 1), vint(1, 0))), []bool{true, false}},
		{"int32s in two runs and one by one", param(1, blob(15, blob(1, []byte{2, 4}), vint(1, 6), vint(2, 0), blob(1), blob(1, []byte{8}))),
			[]int32{1, 2, 3, 4}},
		{"float32s one by one", param(1, blob(17, fix32(1, math.Float32bits(1)), fix32(1, math.Float32bits(2)))), []float32{1, 2}},
		{"float64s one by one", param(1, blob(18, fix64(1, math.Float64bits(1)), blob(1, make([]byte, 8)))), []float64{1, 0}},
		{"unknown fields in a list", param(1, blob(10, vint(2, 0), blob(1, utf), blob(3))), []any{"x"}},
		{"unknown fields in an entry", param(1, blob(11, vint(2, 0), blob(1, vint(3, 0), blob(1, i32), blob(4), blob(2, utf)))),
			map[any]any{int32(1): "x"}},
		{"value before key in an entry", param(1, blob(11, blob(1, blob(2, utf), blob(1, i32)))), map[any]any{int32(1): "x"}},
		{"value absent in an entry", param(1, blob(11, blob(1, blob(1, i32)))), map[any]any{int32(1): nil}},
		{"a map with bool keys", param(1, blob(11, entry(vint(1, 0), utf), entry(vint(1, 7), nil))), map[any]any{false: "x", true: nil}},

		{"lists as deep as may be", param(1, nested(maxLists)), listsAround(maxLists)},
		{"4096 items", param(1, blob(13, blob(1, make([]byte, 4096)))), make([]bool, 4096)},
	}
}

// listsAround returns null in n lists.
func listsAround(n int) any {
	if n == 0 {
		return nil
	}
	return []any{listsAround(n - 1)}
}

func TestAccepted(t *testing.T) {
	for _, x := range accepted() {
		t.Run(x.name, func(t *testing.T) {
			var m Event
			if err := m.Parse(x.body); err != nil {
				t.Fatal(err)
			}
			differential(t, &m, x.body)
			if want, ok := x.want.(*Event); ok {
				if got := pbMessage(&m); !proto.Equal(got, pbMessage(want)) {
					t.Fatalf("Parse = %v, want %v", got, pbMessage(want))
				}
				return
			}
			if got, want := m.Params.Get(1), P(1, x.want).Get(1); !m.Params.Has(1) || !got.Equal(want) {
				t.Fatalf("param 1 = %v, want %v", got, want)
			}
		})
	}
}

func TestAcceptedLimits(t *testing.T) {
	all := make([][]byte, 0, 256)
	for key := range uint64(256) {
		all = append(all, param(key))
	}
	for name, body := range map[string][]byte{
		"maps":       param(1, nestedMaps(maxMaps)),
		"255 keys":   fieldsOf(all...),
		"4096 items": param(1, blob(10, bytes.Repeat(blob(1), 4096))),
		"an entry":   param(1, blob(11, entries32(4096))),
		"300":        param(1, blob(11, entries32(300))),
		"300 texts":  param(1, blob(11, entriesText(300))),
		"20":         param(1, blob(11, entries32(20))),
		"8":          param(1, blob(11, entries32(8))),
	} {
		var m Event
		if err := m.Parse(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		differential(t, &m, body)
		if _, err := ParseParams(body); err != nil {
			t.Errorf("%s: ParseParams: %v", name, err)
		}
	}
}

// TestDepthEverywhere takes the deepest values that params may hold to the
// deepest place where params may stand.
func TestDepthEverywhere(t *testing.T) {
	for name, v := range map[string][]byte{"lists": nested(maxLists), "maps": nestedMaps(maxMaps)} {
		p, err := ParseParams(param(1, v))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := NewParams(1, p.Get(1).Any()); err != nil {
			t.Errorf("%s: NewParams of the same: %v", name, err)
		}
		frame, err := MarshalFrame(nil, KindGroupEntry, &pb.GroupEntry{
			Entry: &pb.GroupEntry_Joined{Joined: &pb.Joined{Properties: p.PB()}}})
		if err != nil {
			t.Fatal(err)
		}
		_, body, _, _ := ParseFrame(frame, MaxFrame)
		if err := Unmarshal(body, new(pb.GroupEntry)); err != nil {
			t.Errorf("%s: in a joined entry: %v", name, err)
		}
	}
	if _, err := NewParams(1, listsAround(maxLists+1)); err == nil {
		t.Error("NewParams takes lists that no receiver takes")
	}
}

func TestTo(t *testing.T) {
	one, two := fix64(fieldTo, uint64(testPeer)), MakeIDs(testOther, Server)
	for name, body := range map[string][]byte{
		"one by one":     fieldsOf(one, fix64(fieldTo, uint64(testOther)), fix64(fieldTo, 1)),
		"one, then two":  fieldsOf(one, blob(fieldTo, two.raw)),
		"apart":          fieldsOf(one, vint(fieldCode, 3), blob(fieldTo), blob(fieldTo, two.raw)),
		"packed":         blob(fieldTo, MakeIDs(testPeer).raw, two.raw),
		"unknown behind": fieldsOf(blob(fieldTo, MakeIDs(testPeer).raw, two.raw), vint(99, 1)),
	} {
		var m GroupSend
		if err := m.Parse(body); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		differential(t, &m, body)
		if !bytes.Equal(m.To.raw, MakeIDs(testPeer, testOther, Server).raw) {
			t.Errorf("%s: To = %v", name, m.To)
		}
	}
	if err := new(GroupSend).Parse(blob(fieldTo, make([]byte, 8*maxTargets))); err != nil {
		t.Errorf("%d ids: %v", maxTargets, err)
	}
}

// TestViewsEnd holds that appending to a view writes over nothing behind it.
func TestViewsEnd(t *testing.T) {
	body := fieldsOf(blob(fieldPayload, []byte("p")), param(1, blob(9, []byte("b"))), blob(fieldTo, make([]byte, 8)), vint(fieldDelivery, 1))
	before := bytes.Clone(body)
	var m GroupSend
	if err := m.Parse(body); err != nil {
		t.Fatal(err)
	}
	_ = append(m.Payload, "xxxx"...)
	_ = append(m.Params.Raw(), "xxxx"...)
	_ = append(m.Params.Get(1).Bytes(), "xxxx"...)
	_ = append(m.To.raw, "xxxx"...)
	frame := AppendFrame(nil, KindEvent, []byte("ab"))
	_, view, _, _ := ParseFrame(append(frame, 1, 2, 3), MaxFrame)
	if cap(view) != len(view) {
		t.Error("a frame's body has room behind it")
	}
	if !bytes.Equal(body, before) {
		t.Errorf("the message became %x", body)
	}
}

// differential holds m, parsed from body, against what the generated code makes
// of body, and the views of its params against the generated values.
func differential(t testing.TB, m message, body []byte) {
	t.Helper()
	want := newGenerated(kindOf(m))
	if err := (proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 32}).Unmarshal(body, want); err != nil {
		t.Fatalf("generated code refuses what %T.Parse accepts: %v", m, err)
	}
	maskDelivery(want)
	if got := pbMessage(m); !proto.Equal(got, want) {
		t.Fatalf("%T.Parse = %v, generated code has %v", m, got, want)
	}
	params, generated := paramsOf(m), pbBody(want)
	if params.Len() != len(generated) {
		t.Fatalf("%d params, generated code has %d", params.Len(), len(generated))
	}
	i := 0
	for key, v := range params.All() {
		g := generated[i]
		i++
		back, err := NewParams(key, v.Any())
		if err != nil {
			t.Fatalf("%v, read as %v, cannot be sent: %v", v, v.Any(), err)
		}
		if got := back.Get(key); !got.Equal(v) || !v.Equal(got) {
			t.Fatalf("%v came back as %v", v, got)
		}
		other, err := NewParams(g.GetKey(), pbAny(t, g.GetValue()))
		if err != nil {
			t.Fatal(err)
		}
		if w := other.Get(uint8(g.GetKey())); key != uint8(g.GetKey()) || !w.Equal(v) || !params.Get(key).Equal(v) {
			t.Fatalf("param %d = %v, generated code has %d = %v", key, v, g.GetKey(), w)
		}
	}
	// What any encoder writes of the same message, Parse accepts.
	enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	again := newMessage(kindOf(m))
	if err := again.Parse(enc); err != nil {
		t.Fatalf("%T.Parse refuses what generated code writes: %v", m, err)
	}
	if !proto.Equal(pbMessage(again), want) {
		t.Fatalf("%v came back as %v", want, pbMessage(again))
	}
}

func kindOf(m message) Kind {
	k, _, _, err := ParseFrame(m.AppendFrame(nil), math.MaxInt32)
	if err != nil {
		panic(err)
	}
	return k
}

func paramsOf(m message) Params {
	switch m := m.(type) {
	case *Operation:
		return m.Params
	case *Response:
		return m.Params
	case *Event:
		return m.Params
	case *GroupSend:
		return m.Params
	case *GroupMessage:
		return m.Params
	}
	return Params{}
}
