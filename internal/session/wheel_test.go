package session

import (
	"sync"
	"testing"
	"time"

	path "github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

// waiting is how many visits the wheel has before it.
func (w *wheel) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.spokes)
}

// However long a pair talks, and however often what its path or its channels have
// due comes sooner than thought, the wheels have no more visits before them.
func TestWheelsDoNotFillUp(t *testing.T) {
	for _, d := range []wire.Delivery{wire.Reliable, wire.Sequenced(1)} {
		bubble(t, func(t *testing.T) {
			w := newTrio(t, 1, simnet.Link{Delay: 20 * time.Millisecond, Jitter: 15 * time.Millisecond, Loss: 0.02}, simnet.PortRestricted(), simnet.FullCone())
			var talk sync.WaitGroup
			for i, f := range w.friends {
				talk.Go(func() {
					for n := range 2000 { // with pauses
						if err := f.pair.PutEvent(&wire.Event{Code: 1, Delivery: d, Body: wire.Text("over here")}); err != nil {
							t.Error(err)
							return
						}
						f.pair.Flush()
						time.Sleep(time.Duration(n%40+i) * time.Millisecond)
					}
				})
			}
			w.punch()
			w.both(path.Direct, 3*time.Second)
			for range 35 {
				time.Sleep(time.Second)
				for i, f := range w.friends {
					// A few may be on their way: one for each of its two links, and those that were overtaken.
					if steps, ticks := f.e.steps.waiting(), f.e.wheel.waiting(); steps > 8 || ticks > 8 {
						t.Errorf("%v: end %d's path is visited %d times, its channels %d", d, i, steps, ticks)
					}
				}
			}
			talk.Wait()
		})
	}
}
