package groups

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/wire"
)

func TestCreateIsOneEntryAndEndsInReady(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.create(Options{}, a, b)
		events := w.events()
		if len(events) != 3 {
			t.Fatalf("owner got %v", events)
		}
		for _, e := range events[:2] {
			if jc, ok := e.(JoinComplete); !ok || jc.Result != OK || jc.Group != g {
				t.Errorf("owner got %+v", e)
			}
		}
		if r, ok := events[2].(Ready); !ok || r.Group != g || len(r.NotOK) != 0 {
			t.Errorf("owner got %+v at last", events[2])
		}
		for _, m := range []*bot{a, b} {
			if got, want := m.takeLog(), []string{"1 joined 2"}; !reflect.DeepEqual(got, want) {
				t.Errorf("member got %v, want %v", got, want)
			}
		}
	})
}

// A joiner is told of every member including itself, the others of the joiner.
func TestJoinTellsNewMembersOfAllAndOldOnesOfTheNew(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{Payload: []byte("map")}, a)
		must(t, g.Join(b.peer, []byte("red")))
		w.settle()
		joined := b.lastEntry().GetJoined()
		if !joined.Own || string(joined.Payload) != "map" || len(joined.Members) != 2 {
			t.Errorf("the new member got %v", joined)
		}
		joined = a.lastEntry().GetJoined()
		if joined.Own || len(joined.Members) != 1 || wire.ID(joined.Members[0].Id) != b.id() || string(joined.Members[0].Payload) != "red" {
			t.Errorf("the older member got %v", joined)
		}
	})
}

func TestJoinResults(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, c := w.bot(), w.bot(), w.bot()
		g := w.ready(Options{MaxMembers: 2}, a)
		busy := w.ready(Options{}, c)
		gone := w.bot()
		gone.end()
		w.settle()
		wide := w.ready(Options{MaxGroups: 1}, b)
		for _, tt := range []struct {
			g       *Group
			p       *bot
			payload int
			want    Result
		}{
			{g, gone, 0, Disconnected},
			{g, a, 0, AlreadyMember},
			{g, b, maxJoin + 1, TooLarge},
			{wide, a, 0, TooManyGroups},
			{g, b, maxJoin, OK},
			{g, c, 0, Full},
			{busy, c, 0, AlreadyMember},
		} {
			must(t, tt.g.Join(tt.p.peer, make([]byte, tt.payload)))
			got := w.completes()
			if len(got) != 1 || got[0].Result != tt.want || got[0].Peer != tt.p.peer || got[0].Group != tt.g {
				t.Errorf("got %+v, want %v", got, tt.want)
			}
		}
	})
}

func TestCreateWithDuplicatesTakesEachOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		g := w.create(Options{}, a, a)
		got := w.completes()
		if len(got) != 2 || got[0].Result != AlreadyMember || got[1].Result != OK {
			t.Errorf("got %+v", got)
		}
		notOK, err := g.AwaitReady(t.Context())
		if err != nil || len(notOK) != 1 || notOK[0].Result != AlreadyMember || g.Len() != 1 {
			t.Errorf("ready with %+v, %v, %d members", notOK, err, g.Len())
		}
	})
}

// Ready comes once and before Destroyed, also when nobody was let in.
func TestReadyWhenAllWereRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		a.end()
		w.settle()
		g := w.create(Options{}, a)
		want := []any{
			JoinComplete{Group: g, Peer: a.peer, Result: Disconnected},
			Ready{Group: g, NotOK: []JoinComplete{{Group: g, Peer: a.peer, Result: Disconnected}}},
			GroupDestroyed{Group: g, Reason: wire.CodeDestroyed},
		}
		if got := w.events(); !reflect.DeepEqual(got, want) {
			t.Errorf("owner got %+v", got)
		}
	})
}

func TestReadyWhenAllHaveLeftMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.mute(), w.mute()
		g := w.create(Options{}, a, b)
		w.settle()
		a.end()
		must(t, g.Leave(b.peer))
		var got []string
		for _, e := range w.events() {
			switch e := e.(type) {
			case JoinComplete:
				got = append(got, e.Result.String())
			case Ready:
				got = append(got, "ready")
				if len(e.NotOK) != 2 {
					t.Errorf("ready with %+v", e.NotOK)
				}
			case MemberLeft:
				got = append(got, e.Reason.String())
			case GroupDestroyed:
				got = append(got, "destroyed")
			}
		}
		// Which of the two goes first is open; the order around it is not.
		if n := len(got); n != 6 || got[n-1] != "destroyed" || slices.Index(got, "ready") < 2 {
			t.Errorf("owner got %v", got)
		}
		for _, pair := range [][2]string{{"Left", "left the group"}, {"Disconnected", "disconnected"}} {
			if i, j := slices.Index(got, pair[0]), slices.Index(got, pair[1]); i < 0 || j < i {
				t.Errorf("owner got %v: no %s before %q", got, pair[0], pair[1])
			}
		}
	})
}

func TestMissingAckTimesOut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.mute(), w.bot()
		g := w.create(Options{KeepEmpty: true})
		must(t, g.Join(a.peer, nil))
		w.settle()
		a.ack(g, 1)
		w.events()
		must(t, g.Join(b.peer, nil))
		w.settle()
		time.Sleep(10*time.Second - 1)
		if got := w.completes(); len(got) != 0 {
			t.Fatalf("too early: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		got := w.completes()
		if len(got) != 1 || got[0].Result != TimedOut || !slices.Equal(got[0].Missing, []wire.ID{a.id()}) {
			t.Fatalf("got %+v", got)
		}
		if !g.Has(b.id()) {
			t.Error("the membership did not stay")
		}
		// An acknowledgement after TimedOut changes Info and sends no second event.
		a.ack(g, 2)
		w.settle()
		info, err := g.Info(t.Context())
		must(t, err)
		if info.Members[0].Acked != 2 || info.Pending != 0 {
			t.Errorf("info %+v", info)
		}
		if events := w.events(); len(events) != 0 {
			t.Errorf("owner got %+v", events)
		}
	})
}

func TestPendingJoinsEndWithTheirReason(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *world, g *Group, b *bot)
		want Result
	}{
		{"leave", func(_ *world, g *Group, b *bot) { g.Leave(b.peer) }, Left},
		{"kick", func(_ *world, g *Group, b *bot) { g.Kick(b.peer, "") }, Left},
		{"destroy", func(_ *world, g *Group, _ *bot) { g.Destroy() }, Destroyed},
		{"disconnect", func(_ *world, _ *Group, b *bot) { b.end() }, Disconnected},
		{"close", func(_ *world, _ *Group, b *bot) { b.peer.Close(wire.CodeIdle, "") }, Disconnected},
		{"shutdown", func(w *world, _ *Group, _ *bot) { go w.sys.Shutdown(w.t.Context()) }, Destroyed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b, caller := w.mute(), actortest.NewProbe(actortest.New(t)) // it outlives the group's system
				g, err := Create(w.sys, Options{KeepEmpty: true})
				must(t, err)
				must(t, g.Join(b.peer, nil, caller.Ref()))
				w.settle()
				tt.do(w, g, b)
				w.settle()
				got := caller.All()
				if want := []any{JoinComplete{Group: g, Peer: b.peer, Result: tt.want}}; !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Another member that goes is no longer waited for.
func TestLeaveOfAnotherCompletesAJoin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.mute(), w.bot()
		g := w.create(Options{KeepEmpty: true}, a)
		must(t, g.Join(b.peer, nil))
		w.events()
		a.end()
		got := w.completes()
		if len(got) != 2 || got[0].Result != Disconnected || got[1].Result != OK || got[1].Peer != b.peer {
			t.Errorf("got %+v", got)
		}
	})
}

func TestJoinCompleteGoesToOwnerAndCallerOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, caller := w.bot(), actortest.NewProbe(w.sys)
		g := w.create(Options{KeepEmpty: true})
		w.events()
		must(t, g.Join(a.peer, nil, caller.Ref(), w.owner.Ref(), caller.Ref()))
		if got := w.completes(); len(got) != 1 {
			t.Errorf("owner got %+v", got)
		}
		if got := caller.All(); len(got) != 1 {
			t.Errorf("caller got %+v", got)
		}
	})
}

// The list of all members must be one frame, whatever they bring along.
func TestJoinedThatListsAllMembersFitsIntoAFrame(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := w.bot()
		g := w.ready(Options{Payload: make([]byte, maxPayload)}, first)
		must(t, g.SetProperties(t.Context(), wire.P(1, strings.Repeat("x", maxProperties-16)), wire.Params{}))
		w.events()
		n := 0
		for ; n < 256; n++ {
			must(t, g.Join(w.bot().peer, make([]byte, maxJoin)))
			if got := w.completes(); got[0].Result != OK {
				if got[0].Result != TooLarge {
					t.Errorf("got %+v", got)
				}
				break
			}
		}
		if n < 40 || n > 50 || g.Len() != n+1 {
			t.Errorf("%d joined, and the group has %d", n, g.Len())
		}
		if m := first.closeCode(); m != wire.CodeNone {
			t.Errorf("closed: %v", m)
		}
	})
}
