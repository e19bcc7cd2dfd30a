package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
)

func newCast(t *testing.T, members int) *cast {
	t.Helper()
	c := &cast{joined: make(chan int, members)}
	t.Cleanup(c.close)
	if err := c.dial(t.Context(), "tcp://"+serving(t, troupeRooms).addr, members); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRoundsFollowEachOther(t *testing.T) {
	c := newCast(t, 3)
	for range 3 {
		before := time.Now()
		took, err := c.round(t.Context())
		if err != nil || took <= 0 || took > time.Since(before) {
			t.Fatalf("the server saw %v go by, %v; here it was %v", took, err, time.Since(before))
		}
	}
}

// A round with others than the load's clients would be another work.
func TestRoundOfOthersFails(t *testing.T) {
	c := newCast(t, 2)
	_, err := client.Call[round](t.Context(), c.clients[1], opRound, round{Members: 3})
	if err == nil || !strings.Contains(err.Error(), "there are 2 peers, not 3") {
		t.Errorf("a round of three among two: %v", err)
	}
	if _, err := c.round(t.Context()); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestRoundNoticesMissingMembers(t *testing.T) {
	c := newCast(t, 2)
	c.joined <- 1 // as if a client had been told of one member
	if _, err := c.round(t.Context()); err == nil || !strings.Contains(err.Error(), "told of 1 members, there were 2") {
		t.Errorf("a round of which one client missed a member: %v", err)
	}
}

func TestRoundEndsWithItsContext(t *testing.T) {
	c := newCast(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	c.clients[0].Close()
	cancel()
	if _, err := c.round(ctx); err == nil {
		t.Error("a round without a client")
	}
}
