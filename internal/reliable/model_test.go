package reliable

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the wire loses, doubles and reorders, and however slowly the other
// end takes them: messages arrive whole, once and in order, and then both ends
// fall silent.
func TestModel(t *testing.T) {
	seeds := uint64(70)
	if testing.Short() {
		seeds = 10
	}
	for _, loss := range []float64{0, .05, .30} {
		t.Run(fmt.Sprintf("loss %v", loss), func(t *testing.T) {
			for seed := range seeds {
				synctest.Test(t, func(t *testing.T) { model(t, seed, loss) })
			}
		})
	}
}

func model(t *testing.T, seed uint64, loss float64) {
	w := newWorld(t, seed)
	w.loss, w.twice = loss, loss
	w.delay = time.Duration(w.rng.IntN(50)) * time.Millisecond
	w.jitter = time.Duration(w.rng.IntN(30)) * time.Millisecond
	w.atOnce = seed%2 == 0
	left := [2]int{exchange(t, w, w.a, w.b), exchange(t, w, w.b, w.a)}
	for len(w.a.queue)+len(w.b.queue) > 0 || w.a.got < left[1] || w.b.got < left[0] || w.a.Active() || w.b.Active() {
		if w.elapsed > 5*time.Minute {
			t.Fatalf("seed %d: not done after %v: %d and %d segments wait", seed, w.elapsed, w.a.Waiting(), w.b.Waiting())
		}
		for _, e := range []*end{w.a, w.b} {
			e.feed()
			if w.rng.IntN(200) == 0 {
				e.paused = !e.paused
			}
		}
		w.step()
	}
	for i, e := range []*end{w.b, w.a} {
		if e.got != left[i] {
			t.Fatalf("seed %d: %d messages of %d arrived", seed, e.got, left[i])
		}
		if e.Next() >= 0 || e.Waiting() != 0 || e.Stalled() != 0 {
			t.Fatalf("seed %d: something is left", seed)
		}
	}
}

// exchange gives an end messages to send, the other the same to expect, and
// returns how many.
func exchange(t *testing.T, w *world, from, to *end) int {
	sizes := rand.New(rand.NewPCG(w.rng.Uint64(), 2))
	var messages [][]byte
	for range 5 + sizes.IntN(20) {
		size := 1 + sizes.IntN(200)
		switch sizes.IntN(8) {
		case 0:
			size = 1 + sizes.IntN(MaxMessage)
		case 1:
			size = Segment * (1 + sizes.IntN(maxFragments))
		}
		m := make([]byte, size)
		for i := range m {
			m[i] = byte(sizes.Uint32())
		}
		messages = append(messages, m)
	}
	from.queue = messages
	to.received = func(m []byte) {
		if to.got >= len(messages) || !bytes.Equal(m, messages[to.got]) {
			t.Fatalf("message %d, %d bytes, is not what was sent", to.got, len(m))
		}
		to.got++
	}
	return len(messages)
}

// feed sends what there is room for.
func (e *end) feed() {
	for len(e.queue) > 0 && !e.Full() {
		if err := e.Send(e.queue[0]); err != nil {
			panic(err)
		}
		e.queue = e.queue[1:]
		e.Flush()
	}
}
