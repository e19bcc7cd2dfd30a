package main

import "testing"

// However little a lane has done while the load was warming up, its first block
// behind that is a sample: a slow server has hardly more of them.
func TestFirstMeasuredBlockIsASample(t *testing.T) {
	for warm := range 6 {
		l, a := &load{sampled: 4}, new(lane)
		for range warm {
			l.begin(a)
			l.end(a)
		}
		l.phase.Store(measuring)
		for i := range 9 {
			l.begin(a)
			l.end(a)
			if want := 1 + i/4; len(a.took) != want {
				t.Errorf("after %d warm blocks and %d others: %d samples, want %d", warm, i+1, len(a.took), want)
			}
		}
	}
}
