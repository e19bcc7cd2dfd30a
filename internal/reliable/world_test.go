package reliable

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// world is two ends and the wire between them, in one goroutine: it belongs
// into a bubble, where KCP's clock is virtual too.
type world struct {
	t       testing.TB
	rng     *rand.Rand
	loss    float64       // of packets, each way
	twice   float64       // of packets that arrive twice
	delay   time.Duration // each way
	jitter  time.Duration // at most so much more: reorders
	grid    time.Duration // of Tick; 0 means 10 ms
	atOnce  bool          // Flush after Input: acks leave at once
	a, b    *end
	start   time.Time
	elapsed time.Duration
}

type end struct {
	*Channel
	arriving []arrival
	packets  int
	phase    time.Duration // of Tick
	received func(message []byte)
	paused   bool     // does not Recv
	queue    [][]byte // to be sent by feed
	got      int      // messages received
}

type arrival struct {
	at       time.Duration
	segments []byte
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), start: time.Now(), grid: 10 * time.Millisecond}
	w.a, w.b = &end{}, &end{}
	w.a.Channel = New(3, w.wire(w.a, w.b))
	w.b.Channel = New(3, w.wire(w.b, w.a))
	w.a.phase, w.b.phase = 3*time.Millisecond, 8*time.Millisecond
	return w
}

// wire carries what one end sends to the other.
func (w *world) wire(from, to *end) func([]byte) {
	return func(p []byte) {
		if len(p) == 0 || len(p) > MTU {
			w.t.Fatalf("%d bytes sent", len(p))
		}
		from.packets++
		copies := 1
		if w.rng.Float64() < w.twice {
			copies = 2
		}
		for range copies {
			if w.rng.Float64() < w.loss {
				continue
			}
			at := w.elapsed + w.delay
			if w.jitter > 0 {
				at += time.Duration(w.rng.Int64N(int64(w.jitter)))
			}
			to.arriving = append(to.arriving, arrival{at, bytes.Clone(p)})
		}
	}
}

// step lets a millisecond pass.
func (w *world) step() {
	time.Sleep(time.Millisecond)
	w.elapsed = time.Since(w.start)
	for _, e := range []*end{w.a, w.b} {
		w.arrive(e)
		if (w.elapsed+e.phase)%w.grid == 0 {
			e.Tick()
		}
		if w.elapsed%(20*time.Millisecond) == 0 {
			e.checkHeld(w.t)
		}
	}
}

func (w *world) arrive(e *end) {
	slices.SortStableFunc(e.arriving, func(x, y arrival) int { return int(x.at - y.at) })
	n := 0
	for n < len(e.arriving) && e.arriving[n].at <= w.elapsed {
		n++
	}
	for _, p := range e.arriving[:n] {
		if err := e.Input(p.segments); err != nil {
			w.t.Fatalf("an honest packet: %v", err)
		}
		if w.atOnce {
			e.Flush()
		}
	}
	e.arriving = slices.Delete(e.arriving, 0, n)
	for !e.paused && e.Next() >= 0 {
		e.receive()
	}
}

// receive takes one message, which there must be.
func (e *end) receive() {
	b := make([]byte, e.Next())
	if n := e.Recv(b); n != len(b) {
		panic("Recv did not take what Next announced")
	}
	if e.received != nil {
		e.received(b)
	}
}

// until steps while done is false, for at most so long.
func (w *world) until(most time.Duration, done func() bool) {
	w.t.Helper()
	for end := w.elapsed + most; !done(); w.step() {
		if w.elapsed > end {
			w.t.Fatalf("not done after %v: %d and %d segments wait", most, w.a.Waiting(), w.b.Waiting())
		}
	}
}
