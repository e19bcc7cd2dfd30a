package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	pb "github.com/troupe-go/troupe/wire/wirepb"
)

// equalParams reports whether two Params hold equal values under the same keys
// in the same order.
func equalParams(p, q Params) bool {
	var keys []uint8
	for key := range p.All() {
		keys = append(keys, key)
	}
	i := 0
	for key, v := range q.All() {
		if i == len(keys) || keys[i] != key || !p.Get(key).Equal(v) {
			return false
		}
		i++
	}
	return i == len(keys)
}

func TestParams(t *testing.T) {
	p := P(1, "hi", 200, int32(5), 0, nil)
	if p.Len() != 3 || p.Get(1).Text() != "hi" || p.Get(200).Int() != 5 {
		t.Errorf("P = %v", p)
	}
	if !p.Has(0) || !p.Get(0).IsNull() || p.Has(2) || !p.Get(2).IsNull() {
		t.Errorf("null and absent: %v", p)
	}
	var keys []uint8
	for key := range p.All() {
		keys = append(keys, key)
	}
	if !reflect.DeepEqual(keys, []uint8{1, 200, 0}) {
		t.Errorf("keys in the order %v", keys)
	}
	for range p.All() {
		break // must not go on
	}
	c := p.Clone()
	if &c.raw[0] == &p.raw[0] || !bytes.Equal(c.raw, p.raw) {
		t.Error("Clone is no copy")
	}
	var none Params
	if none.Len() != 0 || none.Has(0) || none.Raw() != nil || none.PB() != nil || none.Clone().Raw() != nil || P().Raw() != nil {
		t.Error("zero Params are not empty")
	}
	if got, err := ParamsPB(nil); err != nil || got.Len() != 0 {
		t.Errorf("ParamsPB(nil) = %v, %v", got, err)
	}
	if _, err := ParamsPB(pbParams(1, pbText("\xff"))); !errors.Is(err, ErrMessage) {
		t.Errorf("ParamsPB of faulty text: %v", err)
	}
	if _, err := ParamsPB(&pb.Params{Params: []*pb.Param{{Key: 256}}}); !errors.Is(err, ErrMessage) {
		t.Errorf("ParamsPB of a faulty key: %v", err)
	}
}

func TestParamsKeys(t *testing.T) {
	type key uint16
	for _, k := range []any{7, int8(7), uint8(7), int64(7), key(7), uint(7)} {
		if p, err := NewParams(k, "x"); err != nil || p.Get(7).Text() != "x" {
			t.Errorf("key %v (%T): %v, %v", k, k, p, err)
		}
	}
}

func TestParamsWith(t *testing.T) {
	p := P(1, "a", 2, "b", 3, "c")
	for _, x := range []struct {
		key  uint8
		v    any
		want Params
	}{
		{2, int32(9), P(1, "a", 2, int32(9), 3, "c")},
		{1, nil, P(1, nil, 2, "b", 3, "c")},
		{0, "z", P(1, "a", 2, "b", 3, "c", 0, "z")},
	} {
		got, err := p.With(x.key, x.v)
		if err != nil || !bytes.Equal(got.Raw(), x.want.Raw()) {
			t.Errorf("With(%d, %v) = %v, %v, want %v", x.key, x.v, got, err, x.want)
		}
	}
	if !bytes.Equal(p.Raw(), P(1, "a", 2, "b", 3, "c").Raw()) {
		t.Error("With changed its receiver")
	}
	if _, err := p.With(1, uint16(1)); err == nil {
		t.Error("With takes a type that P does not")
	}
	full := P(1, make([]bool, maxElements))
	if _, err := full.With(2, []bool{true}); !errors.Is(err, ErrMessage) {
		t.Errorf("With beyond the limit: %v", err)
	}
	if _, err := full.With(1, []bool{true}); err != nil {
		t.Errorf("With in place of the large one: %v", err)
	}
	if got, err := (Params{}).With(1, "x"); err != nil || got.Get(1).Text() != "x" {
		t.Errorf("With on none: %v, %v", got, err)
	}
}

func TestNewParamsErrors(t *testing.T) {
	var cycle []any
	cycle = append(cycle, nil)
	cycle[0] = cycle
	type named string
	for _, x := range []struct {
		name string
		kv   []any
		want string
	}{
		{"key alone", []any{1}, "wire: a key without a value"},
		{"key -1", []any{-1, 0}, "wire: key -1 (int) is not an integer from 0 to 255"},
		{"key 256", []any{256, 0}, "wire: key 256 (int) is not"},
		{"key text", []any{"1", 0}, "wire: key 1 (string) is not"},
		{"key nil", []any{nil, 0}, "wire: key <nil> (<nil>) is not"},
		{"key twice", []any{1, 0, 2, 0, uint8(1), 0}, "wire: key 1 stands twice"},
		{"uint16", []any{1, uint16(1)}, "wire: key 1: type uint16 is not supported"},
		{"named", []any{1, named("x")}, "wire: key 1: type wire.named is not supported"},
		{"pointer", []any{1, new(int)}, "wire: key 1: type *int is not supported"},
		{"text", []any{1, "\xff"}, "wire: key 1: text is not UTF-8"},
		{"texts", []any{1, []string{"\xff"}}, "wire: key 1: text is not UTF-8"},
		{"in a list", []any{1, []any{uint16(1)}}, "wire: key 1: type uint16 is not supported"},
		{"in a map", []any{1, map[string]any{"a": "\xff"}}, "wire: key 1: text is not UTF-8"},
		{"map key text", []any{1, map[string]int{"\xff": 1}}, "wire: key 1: text is not UTF-8"},
		{"map key float", []any{1, map[float64]int{1: 1}}, "wire: key 1: type float64 of a map key is not supported"},
		{"map key nil", []any{1, map[any]any{nil: 1}}, "wire: key 1: type <nil> of a map key is not supported"},
		{"map keys mixed", []any{1, map[any]any{int32(1): 1, "a": 1}}, "wire: key 1: map keys are int32 and text"},
		{"map key twice", []any{1, map[any]any{1: 1, int64(1): 1}}, "wire: key 1: map key 1 stands twice"},
		{"cycle", []any{1, cycle}, "wire: key 1: nested too deeply"},
		{"elements", []any{1, make([]bool, 4000), 2, make([]any, 97)}, "wire: key 2: more than 4096 elements"},
		{"elements of texts", []any{1, make([]string, 4097)}, "wire: key 1: more than 4096 elements"},
		{"elements of a value", []any{1, make([]bool, 4000), 2, P(1, make([]int16, 97)).Get(1)}, "wire: key 2: more than 4096 elements"},
	} {
		p, err := NewParams(x.kv...)
		if err == nil || !strings.HasPrefix(err.Error(), x.want) || p.Raw() != nil {
			t.Errorf("%s: NewParams = %v, %v, want %q", x.name, p, err, x.want)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: P does not panic", x.name)
				}
			}()
			P(x.kv...)
		}()
	}
}

// TestNewParamsForms holds types that P takes against those that they are sent
// as.
func TestNewParamsForms(t *testing.T) {
	for _, x := range []struct{ v, as any }{
		{5, int64(5)},
		{[]int{1, -2}, []int64{1, -2}},
		{[]byte(nil), []byte{}},
		{[]int32(nil), []int32{}},
		{[]any(nil), []any{}},
		{map[string]any(nil), map[any]any{}},
		{map[int]string{3: "x"}, map[any]any{int64(3): "x"}},
		{map[bool][]int32{true: {1}}, map[any]any{true: []int32{1}}},
		{map[uint8]any{1: map[string]any{}}, map[any]any{uint8(1): map[any]any{}}},
		{P(1, "x").Get(1), "x"},
		{P(1, []any{"x", nil}).Get(1), []any{"x", nil}},
		{Value{}, nil},
		{Custom{Code: 1}, Custom{Code: 1, Data: nil}},
	} {
		if got := P(1, x.v).Get(1).Any(); !reflect.DeepEqual(got, x.as) {
			t.Errorf("%T %v is sent as %T %v, want %T %v", x.v, x.v, got, got, x.as, x.as)
		}
	}
}

func TestMapsAreSorted(t *testing.T) {
	m := map[int32]string{}
	for i := range int32(100) {
		m[i*7919%100-50] = fmt.Sprint(i)
	}
	want := P(1, m)
	for range 20 {
		if got := P(1, m); !bytes.Equal(got.Raw(), want.Raw()) {
			t.Fatal("the same map makes other bytes")
		}
	}
	last := int64(math.MinInt64)
	for key := range want.Get(1).Entries() {
		if key.Int() <= last {
			t.Fatalf("%d stands behind %d", key.Int(), last)
		}
		last = key.Int()
	}
}

func TestParamsString(t *testing.T) {
	for _, x := range []struct {
		p    Params
		want string
	}{
		{Params{}, "{}"},
		{P(1, "hi", 2, int32(-5), 3, nil), `{1:"hi" 2:-5 3:null}`},
		{P(1, []any{true, uint8(7), 1.5, float32(0.1)}), `{1:[true 7 1.5 0.1]}`},
		{P(1, map[string]any{"b": []int32{1, 2}, "a": []byte{0xab}}), `{1:map["a":0xab "b":[1 2]]}`},
		{P(1, Custom{9, []byte("x")}), `{1:custom(9 0x78)}`},
		{P(1, "a\nb"), `{1:"a\nb"}`},
		{P(1, strings.Repeat("x", 65)), `{1:"` + strings.Repeat("x", 64) + `"…}`},
		{P(1, strings.Repeat("é", 40)), `{1:"` + strings.Repeat("é", 32) + `"…}`},
	} {
		if got := x.p.String(); got != x.want {
			t.Errorf("String = %s, want %s", got, x.want)
		}
	}
	long := []any{}
	for range 300 {
		long = append(long, "some text", []int32{1, 2, 3})
	}
	for _, p := range []Params{P(1, long), P(1, make([]float64, 4000)), P(1, map[string]any{"a": long, "b": long})} {
		if got := p.String(); len(got) > maxString+len("…") || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes: %s", len(got), got)
		}
	}
}

// TestRandomValues sends what another implementation may make of all kinds of
// values through both codecs.
func TestRandomValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		event := &pb.Event{Code: r.Uint32N(1 << 16), Delivery: r.Uint32N(3)}
		for _, key := range r.Perm(256)[:r.IntN(6)] {
			event.Params = append(event.Params, &pb.Param{Key: uint32(key), Value: randomValue(r, 4)})
		}
		frame, err := MarshalFrame(nil, KindEvent, event)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _, _ := ParseFrame(frame, MaxFrame)
		var m Event
		if err := m.Parse(body); err != nil {
			t.Fatalf("%v: %v", event, err)
		}
		if got := m.Append(nil); !bytes.Equal(got, body) {
			t.Fatalf("%v came back as %x from %x", event, got, body)
		}
		differential(t, &m, body)
		for key, v := range m.Params.All() {
			// Maps apart, which P sorts, what was read and is sent again is the same to the byte.
			if p := P(key, v); !bytes.Contains(body, p.Raw()) {
				t.Fatalf("%v, sent again, is %x", v, p.Raw())
			}
		}
	}
}

func randomValue(r *rand.Rand, depth int) *pb.Value {
	text := func() string { return strings.ToValidUTF8(string([]rune{rune(r.IntN(0x3000)), 'x'})[r.IntN(2):], "") }
	n := r.IntN(4)
	kinds := 20
	if depth == 0 {
		kinds = 9
	}
	switch r.IntN(kinds + 1) {
	case 1:
		return &pb.Value{Kind: &pb.Value_Bool{Bool: r.IntN(2) == 1}}
	case 2:
		return &pb.Value{Kind: &pb.Value_Byte{Byte: r.Uint32N(256)}}
	case 3:
		return &pb.Value{Kind: &pb.Value_Int16{Int16: int32(int16(r.Uint32()))}}
	case 4:
		return pbInt32(int32(r.Uint32()) >> r.IntN(32))
	case 5:
		return pbInt64(int64(r.Uint64()) >> r.IntN(64))
	case 6:
		return &pb.Value{Kind: &pb.Value_Float32{Float32: math.Float32frombits(r.Uint32())}}
	case 7:
		return &pb.Value{Kind: &pb.Value_Float64{Float64: math.Float64frombits(r.Uint64())}}
	case 8:
		return pbText(text())
	case 9:
		return &pb.Value{Kind: &pb.Value_Bytes{Bytes: make([]byte, 50*n)}}
	case 10:
		var list []*pb.Value
		for range n {
			list = append(list, randomValue(r, depth-1))
		}
		return pbList(list...)
	case 11:
		var kv []*pb.Value
		for i := range n {
			kv = append(kv, pbInt64(int64(1000*i)-5), randomValue(r, depth-1))
		}
		return pbMap(kv...)
	case 12:
		return &pb.Value{Kind: &pb.Value_Custom{Custom: &pb.Custom{Code: r.Uint32N(256), Data: make([]byte, n)}}}
	case 13:
		return &pb.Value{Kind: &pb.Value_Bools{Bools: &pb.Bools{Items: make([]bool, 50*n)}}}
	case 14:
		return &pb.Value{Kind: &pb.Value_Int16S{Int16S: &pb.Int32S{Items: []int32{-32768, 32767}[:n/2]}}}
	case 15:
		return &pb.Value{Kind: &pb.Value_Int32S{Int32S: &pb.Int32S{Items: make([]int32, n)}}}
	case 16:
		return &pb.Value{Kind: &pb.Value_Int64S{Int64S: &pb.Int64S{Items: []int64{math.MinInt64, 5, -5}[:min(n, 3)]}}}
	case 17:
		return &pb.Value{Kind: &pb.Value_Float32S{Float32S: &pb.Float32S{Items: make([]float32, 20*n)}}}
	case 18:
		return &pb.Value{Kind: &pb.Value_Float64S{Float64S: &pb.Float64S{Items: make([]float64, 20*n)}}}
	case 19:
		return &pb.Value{Kind: &pb.Value_Texts{Texts: &pb.Texts{Items: []string{text(), "", text()}[:min(n, 3)]}}}
	case 20:
		return &pb.Value{Kind: &pb.Value_Blobs{Blobs: &pb.Blobs{Items: [][]byte{{1}, {}, {2, 3}}[:min(n, 3)]}}}
	}
	return pbNull()
}
