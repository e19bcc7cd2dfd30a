package wire

import "testing"

func TestBody(t *testing.T) {
	for _, b := range []Body{{}, Text(""), Text("p"), {Params: P(1, "x")}, {Params: P(1, "x"), Payload: []byte("p")}} {
		c := b.Clone()
		if string(c.Payload) != string(b.Payload) || string(c.Params.Raw()) != string(b.Params.Raw()) {
			t.Errorf("%v was cloned as %v", b, c)
		}
		if empty := len(b.Payload) == 0 && b.Params.Len() == 0; b.Empty() != empty || c.Empty() != empty {
			t.Errorf("%v: Empty = %v", b, b.Empty())
		}
		_ = append(c.Params.raw, 'x')
		if len(c.Payload) > 0 && c.Payload[0] != 'p' {
			t.Error("appending to the params of a clone writes into its payload")
		}
		if len(b.Payload) > 0 {
			if c.Payload[0] = 'q'; b.Payload[0] != 'p' {
				t.Error("Clone does not copy the payload")
			}
		}
	}
	p := []byte("x")
	if b := Payload(p); &b.Payload[0] != &p[0] {
		t.Error("Payload copies")
	}
}
