package inbox

import (
	"testing"
	"time"
)

// While handlers are quick the clock is looked at ever more seldom, after a slow
// one after each.
func TestPaceLooksSeldom(t *testing.T) {
	var p Pace
	now := time.Second
	p.Batch(now)
	next := func(took time.Duration) (blind int) {
		for !p.Look() {
			blind++
		}
		now += took
		p.Late(now, took)
		return blind
	}
	for i, tt := range []struct {
		took time.Duration
		want int // not looked after, before this one
	}{
		{quick, 0}, {quick, 1}, {quick, 3}, {quick, 7}, {quick + 1, 7}, {quick, 0}, {quick, 1},
	} {
		if got := next(tt.took); got != tt.want {
			t.Errorf("look %d came after %d messages more, want %d", i, got, tt.want)
		}
	}
	p.Batch(now)
	if next(0) != 0 {
		t.Error("the first message of a batch was not looked after")
	}
}

// What was put in first counts, whoever handles what comes behind it.
func TestPaceIsLate(t *testing.T) {
	var p Pace
	p.Begin(time.Second)
	p.Batch(time.Second + maxUnsent)
	if p.Late(time.Second+maxUnsent, 0) {
		t.Error("late when it is due")
	}
	if !p.Late(time.Second+maxUnsent+1, 0) {
		t.Error("not late behind that")
	}
	p.Flushed()
	p.Begin(time.Minute)
	if p.Late(time.Minute+maxUnsent, 0) {
		t.Error("late, and nothing is unsent from before")
	}
}
