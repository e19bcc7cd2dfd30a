package session

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
)

// An end that only relays does not answer who probes it, be it that the other
// end knows its address from elsewhere, nor does it look for a path when told to.
func TestRelayOnlyEndIsDeaf(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newTrio(t, 1, simnet.Link{Delay: 20 * time.Millisecond}, simnet.FullCone(), simnet.FullCone())
			shy := w.friends[1]
			l := shy.pair.dg.Load().link.Load()
			l.mu.Lock()
			l.pair.deaf = deaf
			l.mu.Unlock()
			var mu sync.Mutex
			answers := 0
			self := AddrPort(shy.pc.LocalAddr()).Port()
			other := w.friends[0].nat.Addr()
			w.net.Tap(func(_ time.Time, from, to netip.AddrPort, _ []byte) {
				mu.Lock()
				defer mu.Unlock()
				if from.Port() == self && to.Addr() == other {
					answers++
				}
			})
			w.punch()
			time.Sleep(5 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			if (answers == 0) != deaf {
				t.Errorf("deaf %v: %d packets went to who probed", deaf, answers)
			}
		})
	}
}
