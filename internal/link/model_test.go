package link

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	cone       = natModel{kind: "eim", filter: "eif"}
	restricted = natModel{kind: "eim", filter: "adf"}
	strict     = natModel{kind: "eim", filter: "apdf"}
	sequential = natModel{kind: "seq", filter: "apdf"}
	symmetric  = natModel{kind: "rnd", filter: "apdf"}
	openSym    = natModel{kind: "rnd", filter: "eif"}
	blocked    = natModel{kind: "blocked"}
)

var models = []natModel{cone, restricted, strict, sequential, symmetric, openSym, blocked}

// reachable is the table of what theory says, prediction included.
func reachable(a, b natModel) bool {
	easy := func(n natModel) bool { return n.filter == "eif" || n.filter == "adf" }
	one := func(a, b natModel) bool {
		switch {
		case a.kind == "blocked" || b.kind == "blocked":
			return false
		case a.kind == "eim":
			return b.kind == "eim" || easy(a) || b.kind == "seq"
		}
		return a.filter == "eif" && b.filter == "eif" || a.kind == "seq" && b.kind == "seq"
	}
	return one(a, b) || one(b, a)
}

func TestTimeToDirect(t *testing.T) {
	const rtt = 40 * ms
	for _, a := range models {
		for _, b := range models {
			name := fmt.Sprintf("%s-%s %s-%s", a.kind, a.filter, b.kind, b.filter)
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, 1, a, b)
				w.startBoth(0)
				w.run(5 * time.Second)
				want := rtt + 5*ms
				if a.kind != "eim" || b.kind != "eim" {
					want = rtt*3/2 + 5*ms
				}
				if a.kind == "seq" && b.filter == "apdf" || b.kind == "seq" && a.filter == "apdf" {
					want = rtt + 5*ms // predicted
				}
				for i, e := range w.ends {
					switch ok := e.direct >= 0; {
					case ok != reachable(a, b):
						t.Errorf("end %d: direct %v, want %v", i, ok, !ok)
					case ok && e.direct > want:
						t.Errorf("end %d: direct after %v, want %v", i, e.direct, want)
					}
				}
			})
		}
	}
}

// With 10 % loss each way; the start is synchronised.
func TestTimeToDirectUnderLoss(t *testing.T) {
	for _, b := range []natModel{cone, strict, sequential} {
		var took []time.Duration
		for seed := range uint64(500) {
			w := newWorld(t, seed, strict, b)
			w.loss = .1
			w.startBoth(0)
			w.run(5 * time.Second)
			took = append(took, max(w.ends[0].direct, w.ends[1].direct))
			if w.ends[0].direct < 0 || w.ends[1].direct < 0 {
				t.Fatalf("seed %d: never direct", seed)
			}
		}
		median, worst := spread(took)
		t.Logf("%s: median %v, worst %v of 500", b.kind+"-"+b.filter, median, worst)
		if median > 70*ms || worst > 300*ms {
			t.Errorf("%s: median %v, worst %v", b.kind+"-"+b.filter, median, worst)
		}
	}
}

func spread(d []time.Duration) (median, worst time.Duration) {
	for i := range d {
		for j := i; j > 0 && d[j] < d[j-1]; j-- {
			d[j], d[j-1] = d[j-1], d[j]
		}
	}
	return d[len(d)/2], d[len(d)-1]
}

// The measured storm was 51,000 packets a side in 3 s.
func TestNoPingStorm(t *testing.T) {
	w := newWorld(t, 1, openSym, openSym)
	w.startBoth(0)
	w.run(3 * time.Second)
	for i, e := range w.ends {
		if e.direct < 0 || e.probes > 100 {
			t.Errorf("end %d: direct at %v, %d probes in 3 s", i, e.direct, e.probes)
		}
	}
}

// Pairs of all kinds live through faults; when they are over, those that can be
// direct are so again.
func TestModel(t *testing.T) {
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 300
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 2))
		a, b := models[r.IntN(len(models))], models[r.IntN(len(models))]
		w := newWorld(t, seed, a, b)
		w.loss = []float64{0, 0, .05, .1, .3}[r.IntN(5)]
		w.hi = w.lo + time.Duration(r.IntN(60))*ms
		for _, e := range w.ends {
			e.flow()
			e.data = r.IntN(2) == 0
		}
		w.startBoth(time.Duration(r.IntN(50)) * ms)
		for range r.IntN(5) {
			w.run(w.now + time.Duration(r.IntN(30000))*ms)
			fault(w, r)
		}
		w.run(w.now + time.Duration(r.IntN(4000))*ms)
		w.cut = [2]bool{}
		w.startIfRebound()
		for _, e := range w.ends {
			e.direct = -1
		}
		w.calm = true
		healed := w.now
		w.loss = min(w.loss, .1)
		w.run(healed + 6*time.Minute)
		for i, e := range w.ends {
			certain := reachable(a, b) && !(a.kind == "seq" && b.kind == "seq") // guesses on both sides want luck
			if s := e.link.State(); certain && s != Direct && s != Both {
				t.Errorf("seed %d: %s-%s, %s-%s: end %d is %v, %d events", seed, a.kind, a.filter, b.kind, b.filter, i, s, len(e.changes))
			}
			if n, most := len(e.changes), 20+int(w.now/time.Second); n > most {
				t.Errorf("seed %d: %d changes in %v", seed, n, w.now)
			}
			if most := 3000 + e.link.Stats().Attempts*600 + int(w.now/(100*ms)); e.probes > most {
				t.Errorf("seed %d: %d probes in %v, %d attempts", seed, e.probes, w.now, e.link.Stats().Attempts)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// fault breaks something, or repairs it.
func fault(w *world, r *rand.Rand) {
	i := r.IntN(2)
	switch r.IntN(6) {
	case 0:
		w.cut = [2]bool{true, true}
	case 1:
		w.cut[i] = true
	case 2:
		w.cut = [2]bool{}
	case 3:
		w.ends[i].nat.rebind(w)
		w.after(time.Duration(r.IntN(15000))*ms, func() { w.startBoth(0) }) // the server has noticed
	case 4:
		w.ends[i].nat.rebind(w)
		w.ends[i].link.NetworkChanged(w.clock(), w.ends[i].info())
		w.ends[i].step()
		w.after(100*ms, func() { w.startBoth(0) })
	case 5:
		w.ends[i].data = !w.ends[i].data
	}
}

// startIfRebound has the server tell what it has noticed by now.
func (w *world) startIfRebound() { w.after(15*time.Second, func() { w.startBoth(0) }) }

// Without the server's word and without NATs changing, the back-off alone has to
// bring the pair together after a cut of any length.
func TestBackoffMeets(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(t, seed, strict, strict)
		w.startBoth(0)
		w.run(time.Duration(r.IntN(60000)) * ms)
		w.cut = [2]bool{true, r.IntN(2) == 0}
		w.run(w.now + time.Duration(r.IntN(600))*time.Second)
		w.cut = [2]bool{}
		w.run(w.now + 5*time.Minute + 10*time.Second)
		for i, e := range w.ends {
			if s := e.link.State(); s != Direct {
				t.Fatalf("seed %d: end %d is %v", seed, i, s)
			}
		}
	}
}
