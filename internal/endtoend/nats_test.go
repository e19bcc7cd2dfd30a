package endtoend

import (
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// byAddress maps by the destination's address alone.
func byAddress() simnet.NAT {
	return simnet.NAT{Mapping: simnet.AddressDependent, Filtering: simnet.AddressPortDependent}
}

// Two clients reach each other directly wherever their NATs let them: at once
// where a mapping serves all destinations or can be predicted, by guessing where
// both allow that, and not at all where ports are drawn on both sides. Whatever
// the path, and while it changes, each hears all of the other in order.
func TestNATs(t *testing.T) {
	port, sym, seq := simnet.PortRestricted(), simnet.Symmetric(), simnet.SymmetricSequential()
	const soon, never = 150 * time.Millisecond, 0
	tests := []struct {
		name     string
		a, b     simnet.NAT
		birthday [2]bool
		second   string // where the server's second port is
		direct   time.Duration
	}{
		{"port and port", port, port, [2]bool{}, serverIP, soon},
		{"cone and drawn", simnet.FullCone(), sym, [2]bool{}, serverIP, soon},
		{"address and Linux", simnet.RestrictedCone(), simnet.Linux(), [2]bool{}, serverIP, soon},
		{"port and counting", port, seq, [2]bool{}, serverIP, soon},
		{"Linux and counting", simnet.Linux(), seq, [2]bool{}, serverIP, soon},
		{"counting and counting", seq, seq, [2]bool{}, serverIP, soon},
		{"counting, no second port", port, seq, [2]bool{}, "", never},
		{"port and drawn", port, sym, [2]bool{true, true}, serverIP, 5 * time.Second},
		{"drawn and Linux", sym, simnet.Linux(), [2]bool{true, true}, serverIP, 5 * time.Second},
		{"drawn for each address", port, byAddress(), [2]bool{true, true}, "203.0.113.2", 5 * time.Second},
		{"drawn for each address, one server's", port, byAddress(), [2]bool{true, true}, serverIP, never},
		{"port and drawn, one wants no guessing", port, sym, [2]bool{true, false}, serverIP, never},
		{"drawn and drawn", sym, sym, [2]bool{true, true}, serverIP, never},
		{"drawn and counting", sym, seq, [2]bool{true, true}, serverIP, never},
		{"no UDP", port, simnet.NAT{Blocked: true}, [2]bool{true, true}, serverIP, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries := 1
			if tt.birthday[0] && tt.direct > 0 {
				tries = 3 // of 3,000 guesses one fails
			}
			for seed := range uint64(tries) {
				ok := false
				inWorld(t, options{seed: seed, peers: always(echo), second: tt.second}, func(t *testing.T, w *world) {
					ok = meet(t, w, [2]simnet.NAT{tt.a, tt.b}, tt.birthday, tt.direct)
				})
				if ok {
					return
				}
			}
			t.Errorf("they are direct: %v", tt.direct == 0)
		})
	}
}

// meet has two clients talk, and reports whether they were direct within a time,
// or, if that is zero, not at all.
func meet(t *testing.T, w *world, nats [2]simnet.NAT, birthday [2]bool, limit time.Duration) (as bool) {
	w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
	var all []*friend
	var list []*peers.Peer
	for i, nat := range nats {
		f := &friend{at: w.home(nat), got: make(map[wire.ID][]int)}
		f.c = w.dial(f.at, client.Config{OnGroup: f.enter, Birthday: birthday[i]}, overStream)
		all, list = append(all, f), append(list, peers.Find(w.sys, f.c.ID()))
	}
	time.Sleep(2 * time.Second)
	a, b := all[0], all[1]
	g := w.together(groups.Options{}, all, list)
	const n = 400
	var wg sync.WaitGroup
	wg.Go(func() { a.talk(t, g.ID(), b, n, 20*time.Millisecond) })
	wg.Go(func() { b.talk(t, g.ID(), a, n, 20*time.Millisecond) })
	begun := time.Now()
	so := direct(a, b, true)
	if limit == 0 {
		time.Sleep(7 * time.Second)
		as = !so()
	}
	for ; limit > 0 && !as && time.Since(begun) < limit; as = so() {
		time.Sleep(5 * time.Millisecond)
	}
	if as && limit > 0 {
		t.Logf("direct after %v", time.Since(begun))
	}
	wg.Wait()
	a.all(t, b, n, 10*time.Second)
	b.all(t, a, n, 10*time.Second)
	return as
}

// A path that was found by guessing is as good as any: it comes back when the
// mapping that it went by has gone, and Rebind leaves none of the sockets.
func TestGuessedPathLasts(t *testing.T) {
	inWorld(t, options{seed: 5, peers: always(echo), second: serverIP}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		var all []*friend
		var list []*peers.Peer
		for _, nat := range []simnet.NAT{simnet.PortRestricted(), simnet.Symmetric()} {
			f := &friend{at: w.home(nat), got: make(map[wire.ID][]int)}
			f.c = w.dial(f.at, client.Config{OnGroup: f.enter, Birthday: true}, overUDP)
			all, list = append(all, f), append(list, peers.Find(w.sys, f.c.ID()))
		}
		time.Sleep(time.Second)
		a, b := all[0], all[1]
		var g *groups.Group
		guess := func() {
			for range 3 { // of 3,000 guesses one fails
				g = w.together(groups.Options{PunchAtJoin: true}, all, list)
				for begun := time.Now(); time.Since(begun) < 5*time.Second; time.Sleep(5 * time.Millisecond) {
					if direct(a, b, true)() {
						return
					}
				}
				must(t, g.Destroy())
				time.Sleep(11 * time.Minute) // an address is left in peace for ten
			}
			t.Fatal("no port is guessed")
		}
		guess()
		const n = 1000
		var wg sync.WaitGroup
		wg.Go(func() { a.talk(t, g.ID(), b, n, 20*time.Millisecond) })
		wg.Go(func() { b.talk(t, g.ID(), a, n, 20*time.Millisecond) })
		time.Sleep(time.Second)
		w.net.Cut(a.at.router.Addr(), b.at.router.Addr())
		waitFor(t, "the relay", 4*time.Second, direct(a, b, false))
		w.net.Heal(a.at.router.Addr(), b.at.router.Addr())
		waitFor(t, "the same path", 2*time.Second, direct(a, b, true))
		must(t, b.c.Rebind(t.Context()))
		waitFor(t, "the relay again", 4*time.Second, direct(a, b, false))
		wg.Wait()
		a.all(t, b, n, 10*time.Second)
		b.all(t, a, n, 10*time.Second)
		for range 2 {
			must(t, g.Destroy())
			time.Sleep(11 * time.Minute)
			guess()
		}
		must(t, g.Destroy())
		time.Sleep(time.Second)
		if open := b.at.host.Sockets(); open != 1 {
			t.Errorf("%d sockets are open", open)
		}
	})
}

// A NAT that counts has given a port to every address that was tried for the
// pairs before: the next pair's prediction goes on from there.
func TestPredictionGoesOn(t *testing.T) {
	inWorld(t, options{seed: 5, peers: always(echo), second: serverIP}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		all, list := w.friends(overUDP, simnet.SymmetricSequential(), simnet.Symmetric(), simnet.PortRestricted(), simnet.Linux(), simnet.SymmetricSequential())
		time.Sleep(time.Second)
		a := all[0]
		for i, b := range all[1:] {
			g := w.together(groups.Options{PunchAtJoin: true}, []*friend{a, b}, []*peers.Peer{list[0], list[i+1]})
			if i == 0 { // it can't be direct, and uses ports up for five seconds
				time.Sleep(6 * time.Second)
			} else {
				t.Logf("direct after %v", waitFor(t, "a direct path", 300*time.Millisecond, direct(a, b, true)))
			}
			if i == 1 { // what has ended is counted
				must(t, g.Destroy())
			}
			time.Sleep(time.Second) // the server hears how far it has counted
		}
	})
}
