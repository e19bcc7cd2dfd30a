package wire

import (
	"reflect"
	"testing"
)

func TestItems(t *testing.T) {
	for _, v := range []any{
		[]any{nil, int64(1), "x", []int32{2}}, []bool{true, false}, []int16{-1, 2}, []int32{3}, []int64{-4},
		[]float32{1.5}, []float64{2.5, -1}, []string{"a", ""}, [][]byte{{1}, {}}, []byte{1, 2},
	} {
		var want []any
		for i := range reflect.ValueOf(v).Len() {
			want = append(want, reflect.ValueOf(v).Index(i).Interface())
		}
		var got []any
		for item := range one(v).Items() {
			if x := item.Any(); item.Kind() == ValueBytes {
				got = append(got, append([]byte{}, item.Bytes()...))
			} else {
				got = append(got, x)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%T: items %v, want %v", v, got, want)
		}
		for range one(v).Items() {
			break // must not go on
		}
	}
	for _, v := range []any{nil, true, 1, "text", map[string]int{"a": 1}, Custom{}} {
		for item := range one(v).Items() {
			t.Errorf("%T has the item %v", v, item)
		}
	}
	for _, v := range []any{nil, []any{1}, "text"} {
		for key, value := range one(v).Entries() {
			t.Errorf("%T has the entry %v: %v", v, key, value)
		}
	}
	for range one(map[int32]string{1: "a", 2: "b"}).Entries() {
		break // must not go on
	}
}
