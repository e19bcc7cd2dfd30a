package session

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	start := time.Unix(1000, 0)
	tests := []struct {
		rate  Rate
		after []time.Duration // of attempts, from the start
		taken int
	}{
		{Rate{}, make([]time.Duration, 1000), 1000},
		{Rate{PerSecond: -1}, make([]time.Duration, 1000), 1000},
		{Rate{PerSecond: 10}, make([]time.Duration, 100), 20},
		{Rate{PerSecond: 0.1}, make([]time.Duration, 100), 1},
		{Rate{PerSecond: 10, Burst: 3}, make([]time.Duration, 100), 3},
		{Rate{PerSecond: 10, Burst: 1}, []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond}, 2},
		{Rate{PerSecond: 10, Burst: 2}, []time.Duration{0, 0, 0, time.Hour, time.Hour, time.Hour}, 4},
	}
	for _, test := range tests {
		var b Bucket
		taken := 0
		for _, d := range test.after {
			if b.Take(test.rate, start.Add(d)) {
				taken++
			}
		}
		if taken != test.taken {
			t.Errorf("%+v: %d of %d taken, want %d", test.rate, taken, len(test.after), test.taken)
		}
	}
	var b Bucket
	rate := Rate{PerSecond: 10, Burst: 2}
	b.Take(rate, start)
	if b.Full(rate, start) || !b.Full(rate, start.Add(100*time.Millisecond)) {
		t.Error("a bucket is full when what was taken has come back, and not before")
	}
}
