package main

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// Each player is told of all, in messages that fit into a datagram.
func TestBroadcastTellsAllOfAll(t *testing.T) {
	const players = 100 // in two messages
	addr := serving(t, troupeBroadcast).addr
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	heard := make(chan []byte, 1000)
	all, err := sing(ctx, addr, func(ctx context.Context, addr string, i int) (talker, error) {
		return meetTroupe(wire.Sequenced(0))(ctx, addr, func(b []byte) {
			if i == 0 {
				select {
				case heard <- slices.Clone(b):
				default:
				}
			}
		})
	}, players)
	if err != nil {
		t.Fatal(err)
	}
	defer silence(all)
	for i, p := range all {
		if err := p.say([]byte{byte(i), 2, 3, 4, 5, 6, 7}); err != nil {
			t.Fatal(err)
		}
	}
	var tick uint64
	for told := make(map[byte]bool); len(told) < players; {
		select {
		case b := <-heard:
			if at := binary.BigEndian.Uint64(b); at != tick { // the next one
				tick = at
				clear(told)
			}
			if (len(b)-8)%standingSize != 0 || len(b) > broadcastSize {
				t.Fatalf("a message of %d bytes", len(b))
			}
			for s := range slices.Chunk(b[8:], standingSize) {
				told[s[8]] = true
			}
		case <-ctx.Done():
			t.Fatalf("no tick told of all %d", players)
		}
	}
}
