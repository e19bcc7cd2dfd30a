package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// What a path's machine says is what the protocol has numbers for.
func TestPathWords(t *testing.T) {
	for r := range link.Stopped + 1 {
		if got := wire.PathReason(r).String(); got != r.String() {
			t.Errorf("reason %d is %q on the wire and %q in the machine", r, got, r)
		}
	}
	for s, want := range map[link.State]wire.PathState{
		link.Relayed: wire.PathRelayed, link.Punching: wire.PathLooking, link.Direct: wire.PathDirect, link.Both: wire.PathInDoubt,
	} {
		if wire.PathState(s) != want {
			t.Errorf("%v is %v on the wire", s, wire.PathState(s))
		}
	}
}

// goes has a pair's path change as if its machine had said so.
func (a *acquaintance) goes(other wire.ID, to link.State) {
	a.c.pairOf(other).changed(link.Event{To: to})
}

// Word of a member's path comes between its join and its leave, in every group.
func TestOnPath(t *testing.T) {
	inPair(t, func(t *testing.T, victim, villain *acquaintance) {
		victim.goes(villainID, link.Punching)
		victim.log.expect(t, "path 20/2 false")
		victim.goes(villainID, link.Direct)
		victim.log.expect(t, "path 20/2 true")
		victim.enters(8, 3, member(victimID, 1), member(30, 2), member(villainID, 3))
		victim.log.expect(t, "group 8; join 10/1; join 30/2; join 20/3; path 20/3 true")
		victim.goes(villainID, link.Both)
		synctest.Wait()
		if got := victim.log.take(); got != "path 20/2 true; path 20/3 true" && got != "path 20/3 true; path 20/2 true" {
			t.Errorf("told %s", got)
		}
		victim.put(leave(8, 4, villainID, 3))
		victim.log.expect(t, "leave 20/3 40")
		victim.goes(villainID, link.Relayed)
		victim.log.expect(t, "path 20/2 false")
		victim.enters(9, 2, member(victimID, 1), member(villainID, 2))
		victim.log.expect(t, "group 9; join 10/1; join 20/2") // relayed: nothing to tell
		victim.put(destroyed(9, 3))
		victim.put(leave(7, 3, villainID, 2))
		victim.log.expect(t, "leave 20/2 41; leave 10/1 41; end 41; leave 20/2 40")
		victim.goes(villainID, link.Direct)
		victim.log.expect(t, "")
		victim.put(join(7, 4, villainID))
		victim.log.expect(t, "join 20/4; path 20/4 true")
	})
}

// A pair that fails is no way any more, which is told; one that ends because its
// members part is not: there is the leave.
func TestOnPathAtTheEndOfAPair(t *testing.T) {
	for _, fails := range []bool{true, false} {
		inPair(t, func(t *testing.T, victim, villain *acquaintance) {
			victim.goes(villainID, link.Direct)
			victim.log.expect(t, "path 20/2 true")
			want := ""
			if fails {
				villain.sends(event(1, "x"))
				want = "path 20/2 false"
			} else {
				victim.told(wire.KindUnpair, &wirepb.Unpair{Slot: pairSlot})
			}
			time.Sleep(time.Second)
			victim.log.expect(t, want)
			if _, ok := victim.c.Path(villainID); ok {
				t.Error("the pair lives")
			}
		})
	}
}

// However often a path changes while a callback takes its time, what waits is one
// word; the join that it waits for comes before it.
func TestOnPathWhileACallbackWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		t.Cleanup(n.Close)
		both := []*acquaintance{acquaint(t, n, victimID), acquaint(t, n, villainID)}
		victim := both[0]
		open := make(chan struct{})
		victim.c.cfg.OnGroup = func(g *Group) {
			victim.log.watch(g)
			note := g.OnJoin
			g.OnJoin = func(m Member) {
				if m.ID == villainID {
					<-open
				}
				note(m)
			}
		}
		victim.s.SetRelay(pairSlot, both[1].s, pairSlot, freely{})
		victim.told(wire.KindPair, &wirepb.Pair{
			Slot: pairSlot, Member: uint64(villainID), Id: 5, Secret: make([]byte, 32),
			Receiver: 100, Sender: 101, Suite: packet.SuiteAES256GCM,
		})
		victim.enters(7, 2, member(victimID, 1), member(villainID, 2))
		synctest.Wait()
		for range 1000 {
			victim.goes(villainID, link.Relayed)
			victim.goes(villainID, link.Direct)
		}
		victim.c.queue.mu.Lock()
		if n := len(victim.c.queue.batches); n > 2 {
			t.Errorf("%d words wait", n)
		}
		victim.c.queue.mu.Unlock()
		close(open)
		victim.log.expect(t, "group 7; join 10/1; join 20/2; path 20/2 true")
	})
}
