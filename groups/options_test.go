package groups

import (
	"testing"

	"github.com/troupe-go/troupe/peers"
)

func TestOptionsAreJudged(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		many := make([]*peers.Peer, 3)
		for i := range many {
			many[i] = w.bot().peer
		}
		for _, tt := range []struct {
			o       Options
			members []*peers.Peer
		}{
			{Options{}, nil},
			{Options{MaxMembers: 2}, many},
			{Options{KeepEmpty: true, MaxMembers: 257}, nil},
			{Options{KeepEmpty: true, MaxMembers: -1}, nil},
			{Options{KeepEmpty: true, ServerMember: true}, nil},
			{Options{KeepEmpty: true, Payload: make([]byte, maxPayload+1)}, nil},
		} {
			if _, err := Create(w.sys, tt.o, tt.members...); err == nil {
				t.Errorf("%+v with %d members was taken", tt.o, len(tt.members))
			}
		}
		if n := len(w.events()); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

func TestMaxDirectAsTold(t *testing.T) {
	tests := []struct {
		o    Options
		want uint32
	}{
		{Options{}, 8},
		{Options{MaxDirect: 3}, 3},
		{Options{MaxDirect: 1000}, maxPaired},
		{Options{MaxDirect: -1}, 0},
		{Options{RelayOnly: true}, 0},
		{Options{Quiet: true}, 0},
	}
	for _, tt := range tests {
		if got := tt.o.withDefaults().toldDirect(); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.o, got, tt.want)
		}
	}
}
