package wire

import (
	"bytes"
	"reflect"
	"testing"
)

func TestAny(t *testing.T) {
	for _, v := range []any{
		nil, true, uint8(1), int16(-1), int32(-1), int64(-1), float32(1.5), 2.5, "x", []byte("y"), []byte{},
		[]bool{true}, []bool{}, []int16{1}, []int32{1}, []int64{1}, []float32{1}, []float64{1}, []string{"", "a"},
		[][]byte{{1}, {2}}, []any{nil, []any{"x"}, map[any]any{"k": int64(1)}}, []any{},
		map[any]any{}, map[any]any{int16(1): "a", int16(2): []string{"b"}}, Custom{9, []byte("x")},
	} {
		if got := one(v).Any(); !reflect.DeepEqual(got, v) {
			t.Errorf("%T %v came back as %T %v", v, v, got, got)
		}
	}
	p := P(1, []byte("ab"), 2, Custom{1, []byte("ab")}, 3, [][]byte{[]byte("ab")})
	a, c, l := p.Get(1).Any().([]byte), p.Get(2).Any().(Custom), p.Get(3).Any().([][]byte)
	before := bytes.Clone(p.Raw())
	a[0], c.Data[0], l[0][0] = 'x', 'x', 'x'
	if !bytes.Equal(p.Raw(), before) {
		t.Error("Any does not copy")
	}
}
