package session

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The share of packets that get lost is found from those that come, in any order.
func TestGauge(t *testing.T) {
	for _, lost := range []float64{0, 0.02, 0.1, 0.5} {
		r := rand.New(rand.NewPCG(1, 2))
		var g gauge
		now := time.Unix(1e9, 0)
		next := uint64(0)
		send := func(n int, lost float64, every time.Duration) {
			for range n {
				now = now.Add(every)
				c := next
				if next++; next%2 == 0 && c > 4 { // every other one is overtaken by the next three
					c -= 4
				}
				if r.Float64() >= lost {
					g.heard(c, now)
				}
			}
		}
		send(2000, lost, 20*time.Millisecond)
		if math.Abs(g.lost-lost) > 0.04+lost/5 {
			t.Errorf("%.2f lost: found %.3f", lost, g.lost)
		}
		g.changed(now)
		if g.lost != 0 {
			t.Errorf("%.3f of another way", g.lost)
		}
		send(90, 1, 20*time.Millisecond) // probes, say
		send(2000, 0, 20*time.Millisecond)
		if g.lost > 0.01 {
			t.Errorf("%.3f of a way that loses nothing, since another one did", g.lost)
		}
	}
}

// Who says little is not judged by it.
func TestGaugeOfAFew(t *testing.T) {
	var g gauge
	now := time.Unix(1e9, 0)
	for c := range uint64(20) {
		now = now.Add(time.Minute)
		g.heard(2*c, now)
	}
	if g.known && g.lost < 0.4 || !g.known && g.lost != 0 {
		t.Errorf("%v, %.2f", g.known, g.lost)
	}
	for c := range uint64(20) {
		now = now.Add(time.Minute)
		g.heard(40+c, now)
	}
	if !g.known || g.lost > 0.5 {
		t.Errorf("%v, %.2f", g.known, g.lost)
	}
}
