package session

import (
	"testing"

	"github.com/troupe-go/troupe/wire"
)

func TestOrdering(t *testing.T) {
	a, b := laneOf(wire.Sequenced(1), 0, 0), laneOf(wire.Sequenced(2), 0, 0)
	const half = 1 << 31
	tests := []struct {
		name string
		l    lane
		seq  uint32
		want bool
	}{
		{"the first", a, 5, true},
		{"again", a, 5, false},
		{"older", a, 4, false},
		{"another lane has its own", b, 4, true},
		{"newer", a, 6, true},
		{"far ahead", a, half - 10, true},
		{"a lane that was silent for long", b, half - 9, true},
		{"older than that", b, half - 10, false},
		{"past the middle", a, half + 10, true},
		{"silent past the middle", b, half + 11, true},
		{"a lane never seen past the middle", laneOf(wire.Sequenced(3), 0, 0), half + 12, true},
		{"near the wrap", a, 1<<32 - 1, true},
		{"past it", a, 3, true},
		{"before it", a, 1<<32 - 2, false},
		{"a lane silent past it", b, 4, true},
		{"a lane never seen past it", laneOf(wire.Sequenced(4), 0, 0), 5, true},
	}
	var o Ordering
	for _, test := range tests {
		if got := o.accept(test.l, test.seq); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// However many lanes there are, few are remembered, and none goes back.
func TestOrderingForgets(t *testing.T) {
	var o Ordering
	seq := uint32(0)
	for round := range 3 {
		for sender := range 5000 {
			seq++
			if !o.accept(laneOf(wire.Sequenced(1), 7, wire.ID(sender)), seq) {
				t.Fatalf("round %d: the newest of sender %d was refused", round, sender)
			}
			if o.accept(laneOf(wire.Sequenced(1), 7, wire.ID(sender)), seq-4000) {
				t.Fatal("an older one passed")
			}
			if len(o.last) > maxLanes {
				t.Fatalf("%d lanes", len(o.last))
			}
		}
	}
}

// Through a whole turn of the numbers, with lanes that speak seldom.
func TestOrderingWraps(t *testing.T) {
	var o Ordering
	lanes := make([]lane, 20)
	for i := range lanes {
		lanes[i] = laneOf(wire.Sequenced(uint16(i)), 0, 0)
	}
	seq := uint32(0)
	for i := range 4000 {
		seq += 3<<20 + uint32(i)
		l := lanes[0]
		if i%300 == 299 {
			l = lanes[1+i/300]
		}
		if !o.accept(l, seq) {
			t.Fatalf("step %d, at %d: refused", i, seq)
		}
	}
}
