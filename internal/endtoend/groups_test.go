package endtoend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// attendance is what a member was told of its group.
type attendance struct {
	t    *testing.T
	name string

	mu      sync.Mutex
	present map[wire.ID]bool
	log     []string           // what has a place: joins, leaves, reliable messages
	newest  map[wire.ID]string // of the sequenced ones
	ended   bool
}

func (a *attendance) enter(g *client.Group) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.present, a.newest = make(map[wire.ID]bool), make(map[wire.ID]string)
	locked := func(f func()) {
		a.mu.Lock()
		defer a.mu.Unlock()
		f()
	}
	g.OnJoin = func(m client.Member) {
		locked(func() { a.present[m.ID] = true; a.log = append(a.log, fmt.Sprint("joined ", m.ID)) })
	}
	g.OnLeave = func(m client.Member, why wire.Code) {
		locked(func() { delete(a.present, m.ID); a.log = append(a.log, fmt.Sprint("left ", m.ID)) })
	}
	g.OnEnd = func(wire.Code) { locked(func() { a.ended = true }) }
	g.OnMessage = func(m client.Member, e wire.Event) {
		locked(func() {
			text := string(e.Payload)
			switch {
			case !a.present[m.ID]:
				a.t.Errorf("%s: a message of %v, who is not there", a.name, m.ID)
			case e.Delivery.Class() == wire.ClassReliable:
				a.log = append(a.log, fmt.Sprint(m.ID, " ", text))
			case e.Delivery.Class() == wire.ClassSequenced:
				if text <= a.newest[m.ID] {
					a.t.Errorf("%s: %q of %v came behind %q", a.name, text, m.ID, a.newest[m.ID])
				}
				a.newest[m.ID] = text
			}
		})
	}
}

func (a *attendance) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.log)
}

// Twenty clients of udp:// join a group, talk in it and leave it, while packets
// get lost, doubled and out of order: every join completes by acknowledgements,
// and all see one log.
func TestGroupOverUDP(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.3} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) { groupOverUDP(t, loss) })
	}
}

func groupOverUDP(t *testing.T, loss float64) {
	inWorld(t, options{seed: 1, peers: always(echo)}, func(t *testing.T, w *world) {
		const members, rounds = 20, 20
		var all []*attendance
		var clients []*client.Client
		var list []*peers.Peer
		for i := range members {
			a := &attendance{t: t, name: fmt.Sprint("client ", i)}
			all = append(all, a)
			c := w.dial(w.home(simnet.PortRestricted()), client.Config{OnGroup: a.enter, Loopback: true}, overUDP)
			clients = append(clients, c)
			list = append(list, peers.Find(w.sys, c.ID()))
		}
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss, Duplicate: 0.05, Reorder: 0.05})
		begun := time.Now()
		g, err := groups.Create(w.sys, groups.Options{KeepEmpty: true}, list[:members/2]...)
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if left, err := g.AwaitReady(ctx); err != nil || len(left) > 0 {
			t.Fatal("not ready: ", left, err)
		}
		t.Logf("ten members are in after %v", time.Since(begun))
		for _, p := range list[members/2:] { // one after the other, while the others talk
			must(t, g.Join(p, nil))
		}
		for round := range rounds {
			for _, c := range clients[:members/2] {
				if cg := c.Group(g.ID()); cg != nil {
					must(t, cg.Send(1, wire.Text(fmt.Sprint("m", round)), wire.Reliable.On(uint8(round%8))))
					must(t, cg.Send(2, wire.Text(fmt.Sprintf("%03d", round)), wire.Sequenced(1)))
					must(t, cg.Send(3, wire.Text("u"), wire.Unreliable))
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
		var info groups.Info
		waitFor(t, "all in", 10*time.Second, func() bool {
			info, err = g.Info(t.Context())
			return err == nil && info.Pending == 0 && len(info.Members) == members
		})
		for _, m := range info.Members {
			if m.Acked < m.Epoch {
				t.Errorf("%v has acknowledged %d and joined at %d", m.ID, m.Acked, m.Epoch)
			}
		}
		for _, p := range list[members/2:] {
			g.Leave(p)
		}
		want := members + members/2*rounds + members/2 // for those who were there from the first to the last
		waitFor(t, "all told", 20*time.Second, func() bool {
			return !slices.ContainsFunc(all[:members/2], func(a *attendance) bool { return a.count() < want })
		})
		g.Destroy()
		waitFor(t, "the end", 10*time.Second, func() bool {
			return !slices.ContainsFunc(all, func(a *attendance) bool { a.mu.Lock(); defer a.mu.Unlock(); return !a.ended })
		})
		for _, a := range all[:members/2] {
			for i, line := range a.log[:want] { // the end has no order among members
				if line != all[0].log[i] {
					t.Errorf("entry %d is %q to %s and %q to %s", i, line, a.name, all[0].log[i], all[0].name)
					break
				}
			}
			if len(a.newest) == 0 && loss < 0.3 {
				t.Errorf("%s: nothing sequenced has come", a.name)
			}
		}
		for _, c := range clients {
			if st := c.Stats(); st.EarlyHeld != 0 {
				t.Errorf("stats %+v", st)
			}
		}
	})
}
