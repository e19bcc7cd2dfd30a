package endtoend

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// What is not reliable goes directly to the oldest members that a path leads to,
// as many as the group wants, and by one upload to the rest; nobody gets it twice.
func TestSendDirectly(t *testing.T) {
	const n = 50
	symmetric := simnet.Symmetric()
	for _, tt := range []struct {
		name           string
		max            int
		second         simnet.NAT // of the oldest receiver
		server         bool       // is a member
		uploads        int        // of n messages to all
		one, two, both int        // of n messages to the first receiver, to the second, to both
	}{
		{"all", 0, simnet.FullCone(), false, 0, 0, 0, 0},
		{"two of four", 2, simnet.FullCone(), false, n, 0, 0, 0},
		{"one of four", 1, simnet.FullCone(), false, n, 0, 0, n},
		{"none", -1, simnet.FullCone(), false, n, n, n, n},
		{"all but one", 0, symmetric, false, n, n, 0, n},
		{"all, and the server", 0, simnet.FullCone(), true, n, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				all, list := w.friends(overUDP, simnet.PortRestricted(), tt.second, simnet.PortRestricted(), simnet.FullCone(), simnet.FullCone())
				o := groups.Options{MaxDirect: tt.max, PunchAtJoin: true}
				if tt.server {
					o.ServerMember, o.Owner = true, w.trans.Ref()
				}
				g := w.together(o, all, list)
				time.Sleep(20 * time.Second)
				a := all[0]
				cg := a.c.Group(g.ID())
				next := 0
				for _, to := range []struct {
					list    []wire.ID
					uploads int
				}{
					{nil, tt.uploads},
					{[]wire.ID{all[1].c.ID()}, tt.one},
					{[]wire.ID{all[2].c.ID()}, tt.two},
					{[]wire.ID{all[1].c.ID(), all[2].c.ID(), all[1].c.ID()}, tt.both},
				} {
					time.Sleep(time.Second)
					before := list[0].Session().Counts().FramesIn.Load()
					for range n {
						d := wire.Unreliable
						if next%2 == 1 {
							d = wire.Sequenced(3)
						}
						must(t, cg.Send(1, numbered(uint32(next), 0), d, to.list...))
						next++
						time.Sleep(5 * time.Millisecond)
					}
					time.Sleep(200 * time.Millisecond)
					if got := int(list[0].Session().Counts().FramesIn.Load() - before); got < to.uploads || got > to.uploads+5 { // and pings
						t.Errorf("%d messages to %v took %d uploads, want %d", n, to.list, got, to.uploads)
					}
				}
				for i, f := range all[1:] {
					var want []int
					for k := range 4 * n {
						if k < n || i == 0 && k/n != 2 || i == 1 && k/n != 1 {
							want = append(want, k)
						}
					}
					if got := f.overheard(a.c.ID()); !slices.Equal(got, want) {
						t.Errorf("the one in place %d got %d messages, want %d: %v", i+1, len(got), len(want), got)
					}
				}
				if got := len(a.overheard(a.c.ID())); got != 0 {
					t.Errorf("the sender got %d of its own", got)
				}
			})
		})
	}
}

// Over a network that reorders, loses and doubles, with paths that die and come
// back, and with messages under one key to all, to some and to one: no member
// sees a sequenced one behind a newer one, nor any message twice.
func TestSequencedNeverGoesBack(t *testing.T) {
	for _, max := range []int{1, 8} {
		t.Run(fmt.Sprint(max), func(t *testing.T) {
			inWorld(t, options{seed: 7, peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 10 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: 0.03, Duplicate: 0.05})
				all, list := w.friends(overUDP, simnet.FullCone(), simnet.FullCone(), simnet.FullCone(), simnet.FullCone())
				g := w.together(groups.Options{MaxDirect: max}, all, list)
				a := all[0]
				cg := a.c.Group(g.ID())
				r := rand.New(rand.NewPCG(1, 2))
				ids := []wire.ID{all[1].c.ID(), all[2].c.ID(), all[3].c.ID()}
				const n = 9000
				meant := make(map[wire.ID]int)
				direct := make(map[bool]int)
				for k := range n {
					if k%1000 == 0 { // a path dies and another lives again
						f := all[1+k/1000%3]
						w.net.Cut(a.at.router.Addr(), f.at.router.Addr())
						w.net.Heal(a.at.router.Addr(), all[1+(k/1000+2)%3].at.router.Addr())
					}
					to := ids[:0:0]
					var err error
					switch r.IntN(6) {
					case 0:
						to = append(to, ids[r.IntN(3)])
						err = cg.SendTo(to[0], 1, numbered(uint32(k), 0), wire.Sequenced(1))
					case 1:
						to = append(to, ids[r.IntN(3)], ids[r.IntN(3)])
						err = cg.Send(1, numbered(uint32(k), 0), wire.Sequenced(1), to...)
					case 2:
						to = ids
						err = cg.Via(client.Relay).Send(1, numbered(uint32(k), 0), wire.Sequenced(1))
					default:
						to = ids
						err = cg.Send(1, numbered(uint32(k), 0), wire.Sequenced(1))
					}
					must(t, err)
					for _, id := range slices.Compact(slices.Sorted(slices.Values(to))) {
						meant[id]++
					}
					p, _ := a.c.Path(ids[0])
					direct[p.Direct]++
					time.Sleep(5 * time.Millisecond)
				}
				time.Sleep(time.Second)
				for _, f := range all[1:] {
					got := f.overheard(a.c.ID())
					for i, k := range got[1:] {
						if k <= got[i] {
							t.Fatalf("%d comes behind %d", k, got[i])
						}
					}
					if m := meant[f.c.ID()]; len(got) < m/4 || len(got) > m {
						t.Errorf("%d messages of %d have come", len(got), m)
					}
					t.Logf("%d messages of %d have come, the last is %d", len(got), meant[f.c.ID()], got[len(got)-1])
				}
				if direct[true] < n/10 || direct[false] < n/10 {
					t.Errorf("the path was direct at %d messages and not at %d: nothing was tried", direct[true], direct[false])
				}
			})
		})
	}
}

// A message goes the way that its sender chooses; left to itself it finds one to
// every member.
func TestVia(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		all, list := w.friends(overUDP, simnet.PortRestricted(), simnet.FullCone(), simnet.Symmetric())
		g := w.together(groups.Options{}, all, list)
		last := &friend{at: w.home(simnet.FullCone()), got: make(map[wire.ID][]int)}
		last.c = w.dial(last.at, client.Config{OnGroup: last.enter, StreamOnly: true}, overStream)
		must(t, g.Join(peers.Find(w.sys, last.c.ID()), nil))
		time.Sleep(time.Second)
		a, near, far := all[0], all[1].c.ID(), all[2].c.ID()
		cg, none := a.c.Group(g.ID()), last.c.ID()
		body := numbered(7, 0)
		const rel, lossy = wire.Reliable, wire.Unreliable
		path := func(id wire.ID) bool { p, _ := a.c.Path(id); return p.Direct }
		for _, tt := range []struct {
			what   string
			send   func() error
			want   error
			got    string // by near, far and none
			up     bool   // the server has got a message
			missed uint64
		}{
			{"directly before there is a path", func() error { return cg.Via(client.Direct).SendTo(near, 1, body, lossy) }, client.ErrNotDirect, "000", false, 1},
			{"and reliably, with one by now", func() error { return cg.Via(client.Direct).SendTo(near, 1, body, rel) }, nil, "100", false, 0},
			{"to who has no UDP", func() error { return cg.SendTo(none, 1, body, rel) }, nil, "001", true, 0},
			{"the same, unreliably", func() error { return cg.SendTo(none, 1, body, lossy) }, nil, "001", true, 0},
			{"the same directly", func() error { return cg.Via(client.Direct).SendTo(none, 1, body, rel) }, client.ErrNoPair, "000", false, 1},
			{"to one, relayed sealed", func() error { return cg.SendTo(far, 1, body, rel) }, nil, "010", false, 0},
			{"to one by the server, past the path", func() error { return cg.Via(client.Relay).SendTo(near, 1, body, lossy) }, nil, "100", true, 0},
			{"to all by the server, past the path", func() error { return cg.Via(client.Relay).Send(1, body, lossy) }, nil, "111", true, 0},
			{"to all", func() error { return cg.Send(1, body, lossy) }, nil, "111", true, 0},
			{"to all directly", func() error { return cg.Via(client.Direct).Send(1, body, lossy) }, nil, "100", false, 2},
			{"to some directly", func() error { return cg.Via(client.Direct).Send(1, body, lossy, far, near, far) }, nil, "100", false, 1},
			{"to some directly, in vain", func() error { return cg.Via(client.Direct).Send(1, body, lossy, none, far) }, client.ErrNotDirect, "000", false, 2},
			{"to all directly, in order", func() error { return cg.Via(client.Direct).Send(1, body, rel) }, client.ErrNotDirect, "000", false, 0},
			{"too large for a pair", func() error { return cg.SendTo(near, 1, wire.Payload(make([]byte, 1120)), lossy) }, nil, "100", true, 0},
			{"the same to all", func() error { return cg.Send(1, wire.Payload(make([]byte, 1120)), lossy) }, nil, "111", true, 0},
			{"too large for a packet", func() error { return cg.SendTo(near, 1, wire.Payload(make([]byte, 1200)), lossy) }, client.ErrTooLarge, "000", false, 0},
			{"by no class", func() error { return cg.SendTo(near, 1, body, 3) }, client.ErrNoSuchChannel, "000", false, 0},
		} {
			heard := func() (n [3]int) {
				for i, f := range []*friend{all[1], all[2], last} {
					n[i] = len(f.heard(a.c.ID())) + len(f.overheard(a.c.ID()))
				}
				return n
			}
			before, sent, missed := heard(), list[0].Session().Counts().FramesIn.Load(), a.c.Stats().NotDirect
			if err := tt.send(); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
			}
			time.Sleep(500 * time.Millisecond)
			after := heard()
			if got := fmt.Sprint(after[0]-before[0], after[1]-before[1], after[2]-before[2]); strings.ReplaceAll(got, " ", "") != tt.got {
				t.Errorf("%s: %s have come, want %s", tt.what, got, tt.got)
			}
			if n := list[0].Session().Counts().FramesIn.Load() - sent; n > 3 || tt.up && n == 0 {
				t.Errorf("%s: the server got %d frames", tt.what, n)
			}
			if n := a.c.Stats().NotDirect - missed; n != tt.missed {
				t.Errorf("%s: %d are counted, want %d", tt.what, n, tt.missed)
			}
		}
		if !path(near) || path(far) {
			t.Errorf("near is direct: %v, far is: %v", path(near), path(far))
		}
	})
}
