package peers_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

func TestDirectory(t *testing.T) {
	s := peerstest.NewServer(t, peers.Config{Peer: always(echo), Auth: byUser, SecondLogin: peers.Allow})
	ada, ada2, nobody := s.Dial(as("ada")), s.Dial(as("ada")), s.Dial(as(""))
	if got := peers.Find(s.System, ada.ID()); got != ada.Peer {
		t.Errorf("found %v", got)
	}
	if got := peers.Find(s.System, 12345); got != nil {
		t.Errorf("found %v", got)
	}
	if got := peers.ByUser(s.System, "ada"); len(got) != 2 {
		t.Errorf("%d peers of ada", len(got))
	}
	if got := peers.ByUser(s.System, ""); len(got) != 0 {
		t.Errorf("%d peers of nobody", len(got))
	}
	if n := peers.Count(s.System); n != 3 {
		t.Errorf("%d peers", n)
	}
	all := map[*peers.Peer]bool{}
	for p := range peers.All(s.System) {
		all[p] = true
		break // an iteration may end early
	}
	for p := range peers.All(s.System) {
		all[p] = true
	}
	if len(all) != 3 || !all[ada.Peer] || !all[ada2.Peer] || !all[nobody.Peer] {
		t.Errorf("all are %v", all)
	}
	ada.Close()
	ada.Closed()
	if got := peers.ByUser(s.System, "ada"); len(got) != 1 || got[0] != ada2.Peer {
		t.Errorf("left is %v", got)
	}
}

// The directory may be walked, and what is found be told something, while
// others come and go.
func TestIterationUnderChurn(t *testing.T) {
	s := serve(t, echo)
	stays := s.Dial(client.Config{})
	var churn, walk sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		churn.Go(func() {
			for range 10 {
				c, err := s.TryDial(context.Background(), as("ada"))
				if err != nil {
					continue // replaced on its way in
				}
				c.Close()
			}
		})
	}
	for range 2 {
		walk.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				seen := false
				for p := range peers.All(s.System) {
					seen = seen || p == stays.Peer
					p.Event(1, wire.Body{}, wire.Unreliable)
					p.RTT()
				}
				peers.Broadcast(peers.All(s.System), 2, wire.Body{}, wire.Unreliable)
				peers.ByUser(s.System, "ada")
				if !seen {
					t.Error("one who was there all the time was not seen")
					return
				}
			}
		})
	}
	churn.Wait()
	close(stop)
	walk.Wait()
}

func TestIDsAreUnique(t *testing.T) {
	s := peerstest.NewServer(t, peers.Config{Peer: always(echo), Node: 0xABCD})
	var mu sync.Mutex
	seen := map[wire.ID]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				id := peers.NewID(s.System)
				mu.Lock()
				if seen[id] || id>>48 != 0xABCD {
					t.Errorf("id %v", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if c := s.Dial(client.Config{}); seen[c.ID()] || c.ID()>>48 != 0xABCD {
		t.Errorf("peer %v", c.ID())
	}
}

// A server that is started again a second later begins above all ids that one
// before has made, at up to 16,384 a second.
func TestIDsOfALaterBootAreHigher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := peerstest.NewServer(t, peers.Config{Peer: always(echo)})
		var last wire.ID
		for range 16383 {
			last = peers.NewID(first.System)
		}
		time.Sleep(time.Second)
		second := peerstest.NewServer(t, peers.Config{Peer: always(echo)})
		if id := peers.NewID(second.System); id <= last {
			t.Errorf("%v comes after %v", id, last)
		}
	})
}
