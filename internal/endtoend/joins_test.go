package endtoend

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// stint is what a client was told from its own join to its own leave.
type stint struct {
	mu  sync.Mutex
	log []string
}

func (s *stint) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// stints are those of one client. It is slow to handle a join at times, and so to
// acknowledge it: slower than is waited for, even.
type stints struct {
	rng *rand.Rand // the callbacks'

	mu  sync.Mutex
	all []*stint
}

func (all *stints) enter(g *client.Group) {
	s := new(stint)
	all.mu.Lock()
	all.all = append(all.all, s)
	all.mu.Unlock()
	in := false
	g.OnJoin = func(m client.Member) {
		switch p := all.rng.IntN(100); {
		case p < 3:
			time.Sleep(ackTimeout + time.Second)
		case p < 30:
			time.Sleep(time.Duration(all.rng.IntN(300)) * time.Millisecond)
		}
		if in = in || m.ID == g.Self().ID; in { // those before were in already
			s.add("join %d@%d", m.ID, m.Epoch)
		}
	}
	g.OnLeave = func(m client.Member, _ wire.Code) {
		if !g.Over() { // the end has no order
			s.add("leave %d@%d", m.ID, m.Epoch)
		}
	}
	g.OnMessage = func(m client.Member, e wire.Event) { s.add("%d says %s", m.ID, e.Payload) }
}

const ackTimeout = 2 * time.Second

// owner counts what a group's owner is told.
type owner struct {
	mu       sync.Mutex
	complete map[wire.ID]int
	results  map[groups.Result]int
	ready    int
	ended    int
}

func (o *owner) Receive(c *actor.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch m := c.Message().(type) {
	case groups.JoinComplete:
		o.complete[m.Peer.ID()]++
		o.results[m.Result]++
	case groups.Ready:
		o.ready++
	case groups.GroupDestroyed:
		o.ended++
	}
}

// While clients of udp:// come to a group and leave it, are kicked, talk, are slow
// to acknowledge or vanish, and packets get lost, doubled and late: every join that
// was taken completes once, and any two members saw the same of the log while both
// were in.
func TestJoinsUnderLoss(t *testing.T) {
	seeds := uint64(25)
	switch {
	case *long:
		seeds = 1000
	case testing.Short():
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { joinsUnderLoss(t, seed) })
	}
}

func joinsUnderLoss(t *testing.T, seed uint64) {
	inWorld(t, options{seed: seed, peers: always(echo)}, func(t *testing.T, w *world) {
		rng := rand.New(rand.NewPCG(seed, 4))
		const n = 5
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
		var clients [n]*client.Client
		var told [n]stints
		var list [n]*peers.Peer
		for i := range n {
			told[i].rng = rand.New(rand.NewPCG(seed, uint64(100+i)))
			clients[i] = w.dial(w.home(simnet.PortRestricted()), client.Config{OnGroup: told[i].enter, Loopback: true}, overUDP)
			list[i] = peers.Find(w.sys, clients[i].ID())
		}
		w.everywhere(simnet.Link{
			Delay: 20 * time.Millisecond, Jitter: time.Duration(rng.IntN(30)) * time.Millisecond,
			Loss: float64(rng.IntN(31)) / 100, Duplicate: 0.05, Reorder: 0.05,
		})
		o := &owner{complete: make(map[wire.ID]int), results: make(map[groups.Result]int)}
		ref := w.sys.Spawn(actor.Props{Name: "owner"}, func() actor.Behavior { return o })
		g, err := groups.Create(w.sys, groups.Options{Owner: ref, KeepEmpty: true, AckTimeout: ackTimeout}, list[:2]...)
		must(t, err)
		taken := map[wire.ID]int{list[0].ID(): 1, list[1].ID(): 1}
		for step := range 60 {
			i := rng.IntN(n)
			switch rng.IntN(12) {
			case 0, 1, 2:
				if g.Join(list[i], nil) == nil {
					taken[list[i].ID()]++
				}
			case 3:
				g.Leave(list[i])
			case 4:
				g.Kick(list[i], "enough")
			case 5:
				if rng.IntN(10) == 0 {
					clients[i].Close()
				}
			default:
				if cg := clients[i].Group(g.ID()); cg != nil {
					cg.Send(1, wire.Text(fmt.Sprint("m", step)), wire.Reliable) // one that is over says so
				}
			}
			time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
		}
		time.Sleep(15 * time.Second) // nothing is under way any more
		g.Destroy()
		waitFor(t, "the end", 10*time.Second, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.ended > 0 })
		time.Sleep(time.Second)
		o.mu.Lock()
		defer o.mu.Unlock()
		for id, want := range taken {
			if o.complete[id] != want {
				t.Errorf("%v: %d joins completed, %d were taken", id, o.complete[id], want)
			}
		}
		if o.ready != 1 || o.ended != 1 {
			t.Errorf("the owner was told of %d Readys and %d ends", o.ready, o.ended)
		}
		var all [][]string
		for i := range told {
			told[i].mu.Lock()
			for _, s := range told[i].all {
				s.mu.Lock()
				all = append(all, slices.Clone(s.log))
				s.mu.Unlock()
			}
			told[i].mu.Unlock()
		}
		for i, a := range all {
			for _, b := range all[:i] {
				agree(t, a, b)
			}
		}
		t.Logf("results %v", o.results)
	})
}

// agree fails unless two logs have the same between the first and the last entry
// that both have.
func agree(t *testing.T, a, b []string) {
	t.Helper()
	cut := func(a, b []string) []string {
		has := func(line string) bool { return slices.Contains(b, line) }
		first := slices.IndexFunc(a, has)
		if first < 0 {
			return nil
		}
		last := len(a) - 1
		for !has(a[last]) {
			last--
		}
		return a[first : last+1]
	}
	if one, two := cut(a, b), cut(b, a); !slices.Equal(one, two) {
		t.Errorf("of one log two members saw\n%s\nand\n%s", strings.Join(one, "\n"), strings.Join(two, "\n"))
	}
}
