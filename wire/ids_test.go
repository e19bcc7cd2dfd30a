package wire

import "testing"

func TestIDs(t *testing.T) {
	var none IDs
	if none.Len() != 0 || none.Has(None) || MakeIDs().Len() != 0 {
		t.Error("the zero IDs are not empty")
	}
	ids := []ID{testPeer, Server, 1<<64 - 1}
	l := MakeIDs(ids...)
	if l.Len() != 3 || !l.Has(Server) || l.Has(testGroup) {
		t.Errorf("MakeIDs(%v) = %v", ids, l)
	}
	i := 0
	for id := range l.All() {
		if id != ids[i] || l.At(i) != id {
			t.Errorf("%d: %v, %v, want %v", i, id, l.At(i), ids[i])
		}
		i++
	}
	for range l.All() {
		break // must not go on
	}
	defer func() {
		if recover() == nil {
			t.Error("At behind the end does not panic")
		}
	}()
	l.At(3)
}
