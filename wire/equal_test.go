package wire

import (
	"math"
	"testing"
)

func TestEqual(t *testing.T) {
	parse := func(value ...[]byte) Value {
		p, err := ParseParams(param(1, value...))
		if err != nil {
			t.Fatal(err)
		}
		return p.Get(1)
	}
	nan := math.Float64frombits(0x7ff8_0000_0000_1234)
	for _, x := range []struct {
		name string
		a, b Value
		want bool
	}{
		{"null", one(nil), Value{}, true},
		{"null and false", one(nil), one(false), false},
		{"kinds", one(int32(1)), one(int64(1)), false},
		{"texts", one("a"), one("b"), false},
		{"text and bytes", one("a"), one([]byte("a")), false},
		{"NaNs", one(math.NaN()), one(nan), true},
		{"NaN and 0", one(math.NaN()), one(0.0), false},
		{"zeros", one(0.0), one(math.Copysign(0, -1)), true},
		{"float32", one(float32(1.5)), one(float32(1.5)), true},
		{"float32 NaNs", one(float32(math.NaN())), one(float32(nan)), true},
		{"NaN in arrays", one([]float64{1, math.NaN()}), one([]float64{1, nan}), true},
		{"custom", one(Custom{1, []byte("a")}), one(Custom{1, []byte("a")}), true},
		{"custom codes", one(Custom{1, []byte("a")}), one(Custom{2, []byte("a")}), false},
		{"lists", one([]any{1, "a"}), one([]any{1, "a"}), true},
		{"longer list", one([]any{1, "a"}), one([]any{1, "a", nil}), false},
		{"shorter list", one([]any{1, "a", nil}), one([]any{1, "a"}), false},
		{"list and array", one([]any{true}), one([]bool{true}), false},
		{"array in other form", parse(blob(15, vint(1, 2), vint(1, 4))), one([]int32{1, 2}), true},
		{"map order", parse(blob(11, entry(vint(4, 2), nil), entry(vint(4, 4), vint(1, 1)))),
			parse(blob(11, entry(vint(4, 4), vint(1, 1)), entry(vint(4, 2), nil))), true},
		{"map values", one(map[string]int{"a": 1}), one(map[string]int{"a": 2}), false},
		{"map keys", one(map[string]int{"a": 1}), one(map[string]int{"b": 1}), false},
		{"map key kinds", one(map[int32]int{1: 1}), one(map[int64]int{1: 1}), false},
		{"larger map", one(map[string]int{"a": 1}), one(map[string]int{"a": 1, "b": 1}), false},
		{"map with null", one(map[string]any{"a": nil}), one(map[string]any{"b": nil}), false},
		{"map deep inside", one([]any{map[string]any{"x": map[int32]any{2: "b", 1: "a"}}}),
			parse(blob(10, blob(1, blob(11, entry(blob(8, []byte("x")),
				blob(11, entry(vint(4, 4), blob(8, []byte("b"))), entry(vint(4, 2), blob(8, []byte("a"))))))))), true},
	} {
		if x.a.Equal(x.b) != x.want || x.b.Equal(x.a) != x.want {
			t.Errorf("%s: %v and %v: equal is not %v", x.name, x.a, x.b, x.want)
		}
		if !x.a.Equal(x.a) {
			t.Errorf("%s: %v does not equal itself", x.name, x.a)
		}
	}
}
