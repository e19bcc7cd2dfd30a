package endtoend

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// friend is a client that others talk to.
type friend struct {
	c  *client.Client
	at *place

	mu    sync.Mutex
	g     *client.Group
	got   map[wire.ID][]int // reliable
	lossy map[wire.ID][]int // others
	last  time.Time         // something reliable came
	worst time.Duration     // between two of these
	paths []client.Path
}

func (f *friend) enter(g *client.Group) {
	f.mu.Lock()
	f.g = g
	f.mu.Unlock()
	g.OnMessage = func(m client.Member, e wire.Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		n := int(binary.BigEndian.Uint32(e.Payload))
		if e.Delivery.Class() == wire.ClassReliable {
			f.got[m.ID] = append(f.got[m.ID], n)
			f.worst = max(f.worst, time.Since(f.last))
			f.last = time.Now()
			return
		}
		if f.lossy == nil {
			f.lossy = make(map[wire.ID][]int)
		}
		f.lossy[m.ID] = append(f.lossy[m.ID], n)
	}
}

// overheard is what has come of a member's messages that are not reliable.
func (f *friend) overheard(id wire.ID) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.lossy[id]...)
}

func (f *friend) heard(id wire.ID) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.got[id]...)
}

// stall is the longest time that nothing came, and forgets it.
func (f *friend) stall() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	worst := f.worst
	f.worst = 0
	return worst
}

// friends dials clients behind NATs, by a URL.
func (w *world) friends(url string, nats ...simnet.NAT) (all []*friend, list []*peers.Peer) {
	for _, nat := range nats {
		f := &friend{at: w.home(nat), got: make(map[wire.ID][]int)}
		f.c = w.dial(f.at, client.Config{OnGroup: f.enter, OnPath: func(_ wire.ID, p client.Path) {
			f.mu.Lock()
			f.paths = append(f.paths, p)
			f.mu.Unlock()
		}}, url)
		all = append(all, f)
		list = append(list, peers.Find(w.sys, f.c.ID()))
	}
	return all, list
}

// Members of a group talk by the relay at once, and directly as soon as a path
// has been found, whatever carries their sessions; when it dies they talk by the
// relay again. No reliable message is lost, doubled or reordered.
func TestPairs(t *testing.T) {
	for _, url := range []string{overUDP, overStream} {
		for _, loss := range []float64{0, 0.05} {
			t.Run(fmt.Sprint(url[:3], loss), func(t *testing.T) { pairsOf(t, url, loss) })
		}
	}
}

func pairsOf(t *testing.T, url string, loss float64) {
	inWorld(t, options{seed: 1, peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		all, list := w.friends(url, simnet.PortRestricted(), simnet.Linux())
		a, b := all[0], all[1]
		waitFor(t, "UDP", 10*time.Second, func() bool { return a.c.Datagrams() && b.c.Datagrams() })
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss})
		g, err := groups.Create(w.sys, groups.Options{KeepEmpty: true}, list...)
		must(t, err)
		waitFor(t, "the join", 10*time.Second, func() bool { return a.c.Group(g.ID()) != nil && b.c.Group(g.ID()) != nil })
		waitFor(t, "the pair", 5*time.Second, func() bool {
			_, one := a.c.Path(b.c.ID())
			_, two := b.c.Path(a.c.ID())
			return one && two
		})
		const n = 1000
		var wg sync.WaitGroup
		for i, f := range all {
			other := all[1-i]
			wg.Go(func() {
				cg := f.c.Group(g.ID())
				for k := range n {
					var p [32]byte
					binary.BigEndian.PutUint32(p[:], uint32(k))
					if err := cg.SendTo(other.c.ID(), 1, wire.Payload(p[:]), wire.Reliable); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
		begun := time.Now()
		direct := func(want bool) func() bool {
			return func() bool {
				one, _ := a.c.Path(b.c.ID())
				two, _ := b.c.Path(a.c.ID())
				return one.Direct == want && two.Direct == want
			}
		}
		waitFor(t, "a direct path", 3*time.Second, direct(true))
		t.Logf("direct after %v", time.Since(begun))
		time.Sleep(500 * time.Millisecond)
		w.net.Cut(a.at.router.Addr(), b.at.router.Addr())
		waitFor(t, "the relay", 4*time.Second, direct(false))
		w.net.Heal(a.at.router.Addr(), b.at.router.Addr())
		wg.Wait()
		waitFor(t, "all messages", 20*time.Second, func() bool {
			return len(a.heard(b.c.ID())) >= n && len(b.heard(a.c.ID())) >= n
		})
		for _, got := range [][]int{a.heard(b.c.ID()), b.heard(a.c.ID())} {
			if len(got) != n {
				t.Errorf("%d messages, want %d", len(got), n)
			}
			for k, v := range got {
				if v != k {
					t.Fatalf("message %d is %d", k, v)
				}
			}
		}
		g.Leave(list[1])
		waitFor(t, "the end of the pair", 5*time.Second, func() bool {
			_, one := a.c.Path(b.c.ID())
			_, two := b.c.Path(a.c.ID())
			return !one && !two
		})
	})
}
