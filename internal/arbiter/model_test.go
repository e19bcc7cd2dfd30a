package arbiter

import (
	"slices"
	"testing"
	"time"
)

// seeds is how many worlds a test runs.
func seeds(most uint64) uint64 {
	if testing.Short() {
		return most / 10
	}
	return most
}

// spread is the median and the worst.
func spread(d []time.Duration) (median, worst time.Duration) {
	slices.Sort(d)
	return d[len(d)/2], d[len(d)-1]
}

// Ends that dial together, whatever network is between them, have one link soon,
// be it that dials get through in one direction only.
func TestBothDialAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		blocked [2]bool
	}{
		{"both get through", [2]bool{}},
		{"the lower end's do not", [2]bool{true, false}},
		{"the higher end's do not", [2]bool{false, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var took []time.Duration
			most := 0
			for seed := range seeds(5000) {
				w := newWorld(t, seed)
				w.delay = time.Duration(1+w.rng.IntN(20)) * ms
				w.blocked = tt.blocked
				for _, e := range w.ends {
					e.dials = true
					w.after(time.Duration(w.rng.Int64N(int64(3*w.delay))), func() {
						e.a.Dial(w.now)
						e.step()
					})
				}
				w.run(4 * time.Second) // before any dial has timed out
				if !w.linked() {
					w.fault("no link")
				}
				for _, e := range w.ends {
					if n := len(e.events); n != 1 {
						w.fault("end %d was told %d times", e.i, n)
					}
				}
				if w.open() != 1 && tt.blocked == [2]bool{} {
					w.fault("%d connections are open", w.open())
				}
				took = append(took, later(w.ends[0].upAt, w.ends[1].upAt).Sub(epoch))
				most = max(most, w.dials)
			}
			median, worst := spread(took)
			t.Logf("both up after %v, at worst %v; at most %d dials", median, worst, most)
			if worst > 250*ms {
				t.Errorf("the worst took %v", worst)
			}
		})
	}
}

// Through cuts of either or both directions, resets, blocked dials and restarts
// an end has one link at a time, replaces none that the other holds, and when all
// is over both have the same and nothing else.
func TestThroughEverything(t *testing.T) {
	var took []time.Duration
	for seed := range seeds(5000) {
		w := newWorld(t, seed)
		w.delay = time.Duration(1+w.rng.IntN(40)) * ms
		one := w.rng.IntN(4)
		for i, e := range w.ends {
			if one != i { // else the other one dials alone
				e.dials = true
				e.a.Dial(w.now)
				e.step()
			}
		}
		for range 12 {
			w.run(time.Duration(w.rng.ExpFloat64() * float64(4*time.Second)))
			w.harm()
		}
		w.heal()
		healed := w.now
		for !w.linked() && w.now.Sub(healed) < time.Minute {
			w.run(10 * ms)
		}
		took = append(took, w.now.Sub(healed))
		w.run(12 * time.Second)
		if !w.linked() {
			w.fault("no link when all is over")
		}
		if n := w.open(); n != 1 {
			w.fault("%d connections are open when all is over", n)
		}
		if w.replaced > 0 {
			w.fault("%d links were replaced that both ends held", w.replaced)
		}
		if dialled := w.dials; dialled > 400 {
			w.fault("%d dials", dialled)
		}
	}
	median, worst := spread(took)
	t.Logf("linked %v after the last fault, at worst %v", median, worst)
	if worst > 20*time.Second { // what is dead is noticed within 8 s, and the wait for a dial is 10 s at most
		t.Errorf("the worst took %v", worst)
	}
}

// harm does something to the network or to a process.
func (w *world) harm() {
	i := w.rng.IntN(2)
	switch w.rng.IntN(8) {
	case 0:
		w.cut = [2]bool{true, true}
	case 1:
		w.cut[i] = true
	case 2, 3:
		w.heal()
	case 4:
		w.blocked[i] = true
	case 5:
		w.kill(i, w.rng.IntN(2) == 0)
	case 6, 7: // something in between resets what it carries
		for _, c := range w.conns {
			for i, e := range w.ends {
				if c.open[i] && c.life[i] == e.life {
					c.send(1-i, func(o *end) { c.ended(o) })
				}
			}
		}
	}
}
