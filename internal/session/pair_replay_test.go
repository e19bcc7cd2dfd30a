package session

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	path "github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/simnet"
)

// Who has heard all that two clients said can say it again from elsewhere, or back
// to who said it: nobody answers, no path moves, and it is counted.
func TestReplayedAndReflectedProbes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTrio(t, 1, simnet.Link{Delay: 20 * time.Millisecond}, simnet.FullCone(), simnet.FullCone())
		outer := [2]netip.AddrPort{w.friends[0].atHome.Remote(), w.friends[1].atHome.Remote()}
		attacker, err := w.net.Host("203.0.113.66").ListenPacket(6666)
		if err != nil {
			t.Fatal(err)
		}
		defer attacker.Close()
		var mu sync.Mutex
		var said [2][][]byte // by each end to the other
		answers := 0
		w.net.Tap(func(_ time.Time, _, to netip.AddrPort, p []byte) {
			mu.Lock()
			defer mu.Unlock()
			switch to {
			case outer[1]:
				said[0] = append(said[0], slices.Clone(p))
			case outer[0]:
				said[1] = append(said[1], slices.Clone(p))
			case attacker.AddrPort():
				answers++
			}
		})
		w.punch()
		w.both(path.Direct, time.Second)
		time.Sleep(2 * time.Second)
		mu.Lock()
		heard := said
		mu.Unlock()
		if len(heard[0]) == 0 || len(heard[1]) == 0 {
			t.Fatal("nothing was said directly")
		}
		before := [2]path.Stats{w.friends[0].pair.PathStats(), w.friends[1].pair.PathStats()}
		for i, f := range w.friends {
			replayed, unknown := f.e.counts.Replayed.Load(), f.e.counts.Unknown.Load()
			for _, p := range heard[1-i] {
				w.net.Inject(attacker.AddrPort(), outer[i], p)
			}
			for _, p := range heard[i] {
				w.net.Inject(outer[1-i], outer[i], p)
			}
			time.Sleep(100 * time.Millisecond)
			if n := f.e.counts.Replayed.Load() - replayed; n < uint64(len(heard[1-i])) {
				t.Errorf("end %d: %d of %d replayed packets were counted", i, n, len(heard[1-i]))
			}
			if n := f.e.counts.Unknown.Load() - unknown; n != uint64(len(heard[i])) { // they are for the other end's id
				t.Errorf("end %d: %d of %d reflected packets were counted", i, n, len(heard[i]))
			}
		}
		time.Sleep(time.Second)
		for i, f := range w.friends {
			st := f.pair.PathStats()
			if to, _, _ := f.route(); to != outer[1-i] || st.Opened != before[i].Opened || st.Strange != before[i].Strange {
				t.Errorf("end %d: the path goes to %v, %+v, before %+v", i, to, st, before[i])
			}
		}
		if answers != 0 {
			t.Errorf("%d packets were sent to who repeats others' words", answers)
		}
	})
}

// route is where the pair's packets go.
func (f *friend) route() (to netip.AddrPort, direct, relay bool) {
	l := f.pair.dg.Load().link.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pair.path.Route()
}
