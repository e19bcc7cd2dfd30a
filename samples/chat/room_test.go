package main

import (
	"errors"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
)

// A new room waits for the guest for whom it was opened, and is found again.
func TestEmptyRoomWaitsForItsFirstGuest(t *testing.T) {
	sys := actortest.New(t)
	hall := actortest.Spawn(sys, &lobby{})
	first, err := actor.Ask[actor.Ref](t.Context(), hall, find{"Attic"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := actor.Ask[any](t.Context(), first, say{}); !isRefusal(err, codeOutside) { // by now it is open
		t.Errorf("got %v", err)
	}
	for g := range groups.All(sys) { // and its group has told all that it has to tell
		if _, err := g.Info(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := actor.Ask[any](t.Context(), first, say{}); !isRefusal(err, codeOutside) {
		t.Errorf("got %v", err)
	}
	again, err := actor.Ask[actor.Ref](t.Context(), hall, find{"aTTIC"})
	if err != nil || again != first {
		t.Errorf("found %v, want %v, %v", again, first, err)
	}
}

func TestFailedRoomIsReplaced(t *testing.T) {
	sys := actortest.New(t)
	hall := actortest.Spawn(sys, &lobby{})
	first, err := actor.Ask[actor.Ref](t.Context(), hall, find{"attic"})
	if err != nil {
		t.Fatal(err)
	}
	first.Kill()
	<-first.Done()
	for deadline := time.Now().Add(patience); ; {
		next, err := actor.Ask[actor.Ref](t.Context(), hall, find{"attic"})
		if err != nil {
			t.Fatal(err)
		}
		if next != first {
			return
		}
		if time.Now().After(deadline) { // the lobby is told a moment after Done
			t.Fatal("the lobby still finds the room that has ended")
		}
	}
}

func isRefusal(err error, code int32) bool {
	e, ok := errors.AsType[*peers.Error](err)
	return ok && e.Code == code
}
