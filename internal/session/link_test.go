package session

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

// weathers are what the network does.
var weathers = []struct {
	name string
	link simnet.Link
}{
	{"calm", simnet.Link{Delay: 10 * time.Millisecond}},
	{"loss5", simnet.Link{Delay: 30 * time.Millisecond, Loss: 0.05}},
	{"loss30", simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.3}},
	{"storm", simnet.Link{Delay: 20 * time.Millisecond, Jitter: 15 * time.Millisecond, Loss: 0.05, Duplicate: 0.1, Reorder: 0.1, Corrupt: 0.05}},
}

// ledger checks that reliable messages come once and in order, on each channel.
type ledger struct {
	mu   sync.Mutex
	next [channels]int
	err  error
	last map[wire.Delivery]int // of sequenced ones
	seen map[int]bool          // unreliable ones
}

func (g *ledger) take(d wire.Delivery, b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	channel, seq, err := unpack(b)
	switch {
	case err != nil:
	case d.Class() == wire.ClassReliable:
		if seq != g.next[channel] || int(d.Channel()) != channel {
			err = fmt.Errorf("channel %d: %d came, want %d", channel, seq, g.next[channel])
		}
		g.next[channel]++
	case d.Class() == wire.ClassSequenced:
		if last, ok := g.last[d]; ok && seq <= last {
			err = fmt.Errorf("sequenced: %d came after %d", seq, last)
		}
		g.last[d] = seq
	default:
		if g.seen[seq] {
			err = fmt.Errorf("unreliable %d came twice", seq)
		}
		g.seen[seq] = true
	}
	if g.err == nil {
		g.err = err
	}
}

func (g *ledger) total() (n int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.next {
		n += k
	}
	return n, g.err
}

// newest is the newest sequenced message of a delivery.
func (g *ledger) newest(d wire.Delivery) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last[d]
}

// lossy is how many unreliable messages have come.
func (g *ledger) lossy() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.seen)
}

func newLedger(in *inbox) *ledger {
	g := &ledger{last: make(map[wire.Delivery]int), seen: make(map[int]bool)}
	in.onMsg = g.take
	return g
}

// size picks one: most are small.
func size(rnd *rand.Rand) int {
	switch rnd.IntN(20) {
	case 0:
		return 65000
	case 1, 2:
		return rnd.IntN(20000)
	}
	return rnd.IntN(300)
}

// Whatever the network does, reliable messages come once, whole and in the order
// of their channel, both ways, and no frame sent is unaccounted for at any time.
func TestLinkExact(t *testing.T) {
	seeds := 16
	if testing.Short() || Poison { // the race detector's builds are slow
		seeds = 2
	}
	for _, weather := range weathers {
		t.Run(weather.name, func(t *testing.T) {
			for seed := range seeds {
				bubble(t, func(t *testing.T) { exact(t, uint64(seed), weather.link) })
			}
		})
	}
}

func exact(t *testing.T, seed uint64, link simnet.Link) {
	w := newWorld(t, worldConfig{seed: seed, link: link, limits: Limits{Rate: Rate{PerSecond: -1}, QueueHard: 8 << 20}})
	const messages = 150
	rnd := rand.New(rand.NewPCG(seed, 1))
	stations := []*station{w.client, w.server}
	ledgers := []*ledger{newLedger(w.client.in), newLedger(w.server.in)}
	var counts [2][channels]int
	for i := range messages {
		for k, st := range stations {
			c := rnd.IntN(channels)
			d := wire.Reliable.On(uint8(c))
			if rnd.IntN(10) == 0 {
				d = d.Twice()
			}
			if err := st.put(d, parcel(c, counts[k][c], size(rnd))); err != nil {
				t.Fatal(err)
			}
			counts[k][c]++
			if err := st.put(wire.Unreliable, parcel(0, i, rnd.IntN(1000))); err != nil && err != ErrOverloaded {
				t.Fatal(err)
			}
			if err := st.put(wire.Sequenced(uint16(c)), parcel(0, i, 20)); err != nil && err != ErrOverloaded {
				t.Fatal(err)
			}
			checkSent(t, st.s)
			if rnd.IntN(3) > 0 {
				st.s.Flush()
			}
			checkSent(t, st.s)
		}
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
	}
	w.client.s.Flush()
	w.server.s.Flush()
	until(t, 30*time.Second, "all messages", func() bool {
		for _, st := range stations {
			checkSent(t, st.s)
		}
		for _, g := range ledgers {
			n, err := g.total()
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if n < messages {
				return false
			}
		}
		return true
	})
	time.Sleep(time.Second) // nothing comes late
	for _, g := range ledgers {
		if n, err := g.total(); n != messages || err != nil {
			t.Errorf("seed %d: %d of %d messages: %v", seed, n, messages, err)
		}
	}
	for _, st := range stations {
		if n := checkSent(t, st.s); n.Queued != 0 {
			t.Errorf("seed %d: still queued: %+v", seed, n)
		}
		if st.s.Err() != nil {
			t.Errorf("seed %d: ended: %v", seed, st.s.Err())
		}
	}
}
