package groups

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Everything at once, from many goroutines: peers come and go, groups are
// destroyed, fail, lose their owners, and in the end the system stops. Every
// join that was taken has exactly one JoinComplete, and every Create one Ready
// and one end.
func TestChurnAnswersEveryJoin(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) { churn(t, seed) })
	}
}

func churn(t *testing.T, seed uint64) {
	w := newWorld(t, session.Limits{}, actor.Config{Workers: 4})
	outside := actortest.New(t) // its probes outlive the groups' system
	owner, caller, mortal := actortest.NewProbe(outside), actortest.NewProbe(outside), actortest.NewProbe(outside)
	bots := w.crowd(8)
	var mu sync.Mutex
	var all []*Group
	created, joined := 0, 0

	var wg sync.WaitGroup
	for n := range uint64(4) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, n))
			for range 300 {
				b := bots[rng.IntN(len(bots))]
				mu.Lock()
				var g *Group
				if len(all) > 0 {
					g = all[rng.IntN(len(all))]
				}
				mu.Unlock()
				switch op := rng.IntN(40); {
				case g == nil || op < 3:
					o := Options{Owner: owner.Ref(), KeepEmpty: op == 0, Quiet: op == 1, AckTimeout: time.Second}
					if rng.IntN(4) == 0 {
						o.Owner = mortal.Ref()
					}
					if g, err := Create(w.sys, o, b.peer); err == nil {
						mu.Lock()
						all = append(all, g)
						created++
						mu.Unlock()
					}
				case op == 3:
					g.Destroy()
				case op == 4 && rng.IntN(4) == 0:
					g.ref.Force((*sendCall)(nil)) // a fault of ours
				case op == 5 && rng.IntN(4) == 0:
					b.end()
				case op == 6 && rng.IntN(60) == 0:
					mortal.Ref().Kill()
				case op < 12:
					g.Leave(b.peer)
				case op < 20:
					b.say(g, "x", wire.Delivery(rng.IntN(3)))
				default:
					if g.Join(b.peer, nil, caller.Ref()) == nil {
						mu.Lock()
						joined++
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
	if seed%2 == 0 {
		w.settle()
	}
	if err := w.sys.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	w.settle()
	if n := len(caller.All()); n != joined {
		t.Errorf("seed %d: %d JoinCompletes for %d joins", seed, n, joined)
	}
	for _, g := range all {
		if notOK, err := g.AwaitReady(t.Context()); err != nil || len(notOK) > 1 {
			t.Errorf("seed %d: never ready: %v, %v", seed, notOK, err)
		}
		if g.Len() != 0 || Find(w.sys, g.ID()) != nil {
			t.Errorf("seed %d: a group is still there", seed)
		}
	}
	checkOwned(t, owner.All())
	for _, b := range bots {
		if n := len(b.peer.Session().Routes()); n != 0 {
			t.Errorf("seed %d: a session still has %d groups", seed, n)
		}
	}
}

// checkOwned looks at what the owner of many groups was told: of each, one
// Ready, then one end, and its first member's completion before both.
func checkOwned(t *testing.T, events []any) {
	t.Helper()
	type fate struct{ complete, ready, over int }
	fates := make(map[*Group]*fate)
	of := func(g *Group) *fate {
		if fates[g] == nil {
			fates[g] = new(fate)
		}
		return fates[g]
	}
	for _, e := range events {
		switch e := e.(type) {
		case JoinComplete:
			of(e.Group).complete++
		case Ready:
			f := of(e.Group)
			if f.ready++; f.complete == 0 || f.over > 0 {
				t.Errorf("ready at the wrong time: %+v", *f)
			}
		case GroupDestroyed:
			of(e.Group).over++
		}
	}
	for _, f := range fates {
		if f.ready != 1 || f.over != 1 {
			t.Errorf("a group ended with %+v", *f)
		}
	}
}
