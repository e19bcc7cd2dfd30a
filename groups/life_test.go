package groups

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/wire"
)

// destroyedFor is the reason that the bot was last told.
func (b *bot) destroyedFor() wire.Code { return wire.Code(b.lastEntry().GetDestroyed().GetReason()) }

func TestOwnerGoneDestroysTheGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		g := w.ready(Options{}, a)
		w.owner.Ref().Kill()
		<-g.Done()
		w.settle()
		if got := a.destroyedFor(); got != wire.CodeOwnerGone {
			t.Errorf("the member was told %v", got)
		}
	})
}

func TestOwnerGoneBeforeTheCreate(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		w.owner.Ref().Kill()
		<-w.owner.Ref().Done()
		g := w.create(Options{}, a)
		notOK, err := g.AwaitReady(t.Context())
		if err != nil || len(notOK) != 1 || notOK[0].Result != Destroyed {
			t.Errorf("ready with %+v, %v", notOK, err)
		}
		<-g.Done()
		w.settle()
		if got := a.destroyedFor(); got != wire.CodeOwnerGone {
			t.Errorf("the member was told %v", got)
		}
		if err := g.Join(a.peer, nil); err != ErrDestroyed {
			t.Errorf("Join: %v", err)
		}
	})
}

func TestGroupWithoutOwnerEndsWithItsLastMember(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g, err := Create(w.sys, Options{}, a.peer, b.peer)
		must(t, err)
		a.end()
		w.settle()
		if Find(w.sys, g.ID()) != g {
			t.Fatal("over with one member left")
		}
		b.end()
		<-g.Done()
		if Find(w.sys, g.ID()) != nil || slices.Contains(slices.Collect(All(w.sys)), g) {
			t.Error("the group is still known")
		}
	})
}

// Whatever was queued behind a Destroy has its JoinComplete all the same.
func TestJoinQueuedBehindDestroyIsAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		g := w.ready(Options{}, a)
		release := w.hold()
		defer release()
		must(t, g.Destroy())
		must(t, g.Join(b.peer, nil))
		must(t, g.Join(a.peer, nil))
		release()
		got := w.completes()
		if len(got) != 2 || got[0].Result != Destroyed || got[0].Peer != b.peer || got[1].Result != Destroyed || got[1].Peer != a.peer {
			t.Errorf("got %+v", got)
		}
		if b.takeLog() != nil {
			t.Error("b was told of a group it has never been in")
		}
	})
}

func TestGroupActorPanicTellsMembers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, late, muted := w.bot(), w.bot(), w.mute()
		g := w.ready(Options{Writable: true}, a)
		must(t, g.Join(muted.peer, nil))
		w.events()
		release := w.hold()
		defer release()
		g.ref.Force((*sendCall)(nil)) // a fault of ours
		must(t, g.Join(late.peer, nil))
		a.set(g.ID(), 7, wire.P(1, 2), wire.Params{})
		w.settle()
		release()
		want := []any{
			JoinComplete{Group: g, Peer: muted.peer, Result: Destroyed},
			GroupDestroyed{Group: g, Reason: wire.CodeInternal},
			JoinComplete{Group: g, Peer: late.peer, Result: Destroyed},
		}
		if got := w.events(); !reflect.DeepEqual(got, want) {
			t.Errorf("owner got %+v", got)
		}
		for _, b := range []*bot{a, muted} {
			if got := b.destroyedFor(); got != wire.CodeInternal {
				t.Errorf("a member was told %v", got)
			}
		}
		if r := a.takeResponses(); len(r) != 1 || r[0].Request != 7 || r[0].Result != wire.ResultNotMember {
			t.Errorf("the Set was answered with %+v", r)
		}
		if Find(w.sys, g.ID()) != nil {
			t.Error("the group is still known")
		}
	})
}

// A panic in the middle of a join: its JoinComplete must not be lost with it.
func TestGroupActorPanicInAJoinAnswersIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		g := w.create(Options{KeepEmpty: true})
		w.events()
		sh := &shell{g: g, created: true}
		sh.core = newCore(1, g.opt, sh)
		sh.handling = []*joiner{newJoiner(a.peer)}
		sh.stop(actor.Stopping{Err: &actor.PanicError{}})
		got := w.completes()
		if len(got) != 1 || got[0].Result != Destroyed || got[0].Peer != a.peer {
			t.Errorf("got %+v", got)
		}
	})
}

func TestShutdownAnswersEverybody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		owner := actortest.NewProbe(actortest.New(t)) // it outlives the group's system
		a := w.mute()
		release := w.hold()
		defer release()
		g, err := Create(w.sys, Options{Owner: owner.Ref()}, a.peer) // its actor never starts
		must(t, err)
		go w.sys.Shutdown(context.Background())
		w.settle()
		release()
		w.settle()
		want := []any{
			JoinComplete{Group: g, Peer: a.peer, Result: Destroyed},
			Ready{Group: g, NotOK: []JoinComplete{{Group: g, Peer: a.peer, Result: Destroyed}}},
			GroupDestroyed{Group: g, Reason: wire.CodeDestroyed},
		}
		if got := owner.All(); !reflect.DeepEqual(got, want) {
			t.Errorf("owner got %+v", got)
		}
		if notOK, err := g.AwaitReady(t.Context()); err != nil || len(notOK) != 1 {
			t.Errorf("ready with %+v, %v", notOK, err)
		}
		if Find(w.sys, g.ID()) != nil {
			t.Error("the group is still known")
		}
		if _, err := Create(w.sys, Options{KeepEmpty: true}); err != ErrDestroyed {
			t.Errorf("Create after Shutdown: %v", err)
		}
	})
}

func TestDestroyEmptyTakesTheEmptyOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		full, empty := w.create(Options{KeepEmpty: true}, a), w.create(Options{KeepEmpty: true})
		if n := DestroyEmpty(w.sys); n == 0 { // full may still look empty: its actor knows better
			t.Error("nothing was asked to end")
		}
		<-empty.Done()
		w.settle()
		if Find(w.sys, full.ID()) != full {
			t.Error("a group with a member was destroyed")
		}
		if groups := slices.Collect(Of(a.peer)); !slices.Equal(groups, []*Group{full}) {
			t.Errorf("the peer is in %v", groups)
		}
	})
}

// A disconnected peer leaves all its groups, and the others are told.
func TestDisconnectedPeerLeavesAllItsGroups(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		one, two := w.ready(Options{}, a, b), w.ready(Options{}, b, a)
		a.end()
		for _, e := range w.events() {
			if left, ok := e.(MemberLeft); !ok || left.Peer != a.peer || left.Reason != wire.CodeDisconnected {
				t.Errorf("owner got %+v", e)
			}
		}
		if one.Len() != 1 || two.Len() != 1 {
			t.Error("the groups still have it")
		}
		if left := b.lastEntry().GetLeft(); wire.ID(left.GetMember()) != a.id() || wire.Code(left.GetReason()) != wire.CodeDisconnected {
			t.Errorf("the other got %v", b.lastEntry())
		}
	})
}

// The leaver is told of its leave, the others of the leaver; a kick says why.
func TestLeaveAndKickAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, c := w.bot(), w.bot(), w.bot()
		g := w.ready(Options{}, a, b, c)
		must(t, g.Leave(b.peer))
		must(t, g.Kick(c.peer, "cheat\xff"+string(make([]byte, 70_000))))
		w.settle()
		for _, tt := range []struct {
			b    *bot
			want []string
		}{
			{a, []string{"1 joined 3", "2 left: left the group", "3 left: kicked"}},
			{b, []string{"1 joined 3", "2 left: left the group"}},
			{c, []string{"1 joined 3", "2 left: left the group", "3 left: kicked"}},
		} {
			if got := tt.b.takeLog(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		}
		if got := c.lastEntry().GetLeft().Text; len(got) > maxText || got[:8] != "cheat\uFFFD" {
			t.Errorf("the text is %q", got)
		}
	})
}

// After a leave and another join nothing of the earlier membership matches.
func TestLateAckOfTheOldEpochIsIgnored(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.mute(), w.mute()
		g := w.create(Options{KeepEmpty: true}, a)
		w.settle()
		a.ack(g, 1)
		must(t, g.Join(b.peer, nil)) // at 2
		w.events()
		must(t, g.Leave(b.peer))     // at 3
		must(t, g.Join(b.peer, nil)) // at 4
		w.settle()
		a.ack(g, 4)
		b.ack(g, 2) // of the first membership, or its leave
		b.ack(g, 3)
		got := w.completes()
		if len(got) != 1 || got[0].Result != Left {
			t.Fatalf("got %+v", got)
		}
		b.ack(g, 4)
		got = w.completes()
		if len(got) != 1 || got[0].Result != OK {
			t.Errorf("got %+v", got)
		}
		if a.closeCode()+b.closeCode() != wire.CodeNone {
			t.Error("a session was closed")
		}
	})
}
