package reliable

import (
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A 64-byte message every 50 ms, answered at once, over a round trip of 60 ms.
func TestEchoUnderLoss(t *testing.T) {
	for _, test := range []struct {
		name    string
		loss    float64
		p99     time.Duration
		packets float64 // an echo: two messages, the last ack alone, what is repeated
		resent  float64
	}{
		{"no loss", 0, 60 * time.Millisecond, 3, 0},
		{"5 % each way", .05, 185 * time.Millisecond, 3.4, .25},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 7)
				w.loss, w.delay = test.loss, 30*time.Millisecond
				const n = 10000
				took := echoes(w, n, 50*time.Millisecond)
				p50, p99 := took[n/2], took[n*99/100]
				a, b := w.a.Stats(), w.b.Stats()
				packets, resent := float64(a.Packets+b.Packets)/n, float64(a.Resent+b.Resent)/n
				t.Logf("p50 %v, p99 %v, %.2f packets and %.3f repeated segments an echo", p50, p99, packets, resent)
				if p50 > 61*time.Millisecond || p99 > test.p99 || packets > test.packets || resent > test.resent {
					t.Errorf("want p99 <= %v, packets <= %v, repeated <= %v", test.p99, test.packets, test.resent)
				}
			})
		})
	}
}

// echoes has b answer n messages of a and returns how long each took, sorted.
func echoes(w *world, n int, every time.Duration) []time.Duration {
	var took []time.Duration
	w.b.received = func(m []byte) { w.b.Send(m); w.b.Flush() }
	w.a.received = func(m []byte) {
		took = append(took, w.elapsed-time.Duration(binary.BigEndian.Uint64(m)))
	}
	for i := range n {
		// Off the grid of Tick, as messages of people are.
		next := time.Duration(i)*every + time.Duration(w.rng.IntN(10))*time.Millisecond
		w.until(time.Minute, func() bool { return w.elapsed >= next })
		var m [64]byte
		binary.BigEndian.PutUint64(m[:], uint64(w.elapsed))
		w.a.Send(m[:])
		w.a.Flush()
	}
	w.until(time.Minute, func() bool { return len(took) == n })
	slices.Sort(took)
	return took
}
