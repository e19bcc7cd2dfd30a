package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// joined is a group's entry that takes member 7 in.
func joined(t *testing.T, own, quiet bool) []byte {
	t.Helper()
	frame, err := wire.MarshalFrame(nil, wire.KindGroupEntry, &wirepb.GroupEntry{
		Group: 9, Position: 300,
		Entry: &wirepb.GroupEntry_Joined{Joined: &wirepb.Joined{
			Own: own, Quiet: quiet, Members: []*wirepb.Member{{Id: 7, Epoch: 300}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// hello reads the greeting that a connection of Troupe's begins with.
func hello(t *testing.T, r io.Reader) {
	t.Helper()
	want, err := wire.MarshalFrame(nil, wire.KindHello, &wirepb.Hello{Version: wire.Version, Sdk: "bench"})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("greeted with %q, %v, want %q", got, err, want)
	}
}

func TestJoinTroupe(t *testing.T) {
	welcome := wire.AppendFrame(nil, wire.KindWelcome, nil)
	ping := (&wire.Ping{Time: 1 << 60}).AppendFrame(nil)
	good := joined(t, true, true)
	for _, tt := range []struct {
		name  string
		reply [][]byte
		want  string // of the error
	}{
		{"at once", [][]byte{welcome, good}, ""},
		{"pings", [][]byte{ping, welcome, ping, good, ping}, ""},
		{"refused", [][]byte{wire.AppendFrame(nil, wire.KindRefuse, nil)}, "refuse"},
		{"joined first", [][]byte{good, welcome}, "instead of welcome"},
		{"told more", [][]byte{welcome, good, good}, "too many"},
		{"not quiet", [][]byte{welcome, joined(t, true, false)}, "not the own join"},
		{"of another", [][]byte{welcome, joined(t, false, true)}, "not the own join"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, server := pipe(t, troupeShouts())
			if _, err := server.Write(bytes.Join(tt.reply, nil)); err != nil {
				t.Fatal(err)
			}
			err := joinTroupe(c)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("%v, want %q", err, tt.want)
				}
				return
			}
			if want := (membership{group: 9, id: 7, epoch: 300}); err != nil || c.member != want {
				t.Fatalf("%+v, %v, want %+v", c.member, err, want)
			}
			hello(t, server)
			want := (&wire.GroupAck{Group: 9, Position: 300}).AppendFrame(nil)
			ack := make([]byte, len(want))
			if _, err := io.ReadFull(server, ack); err != nil || !bytes.Equal(ack, want) {
				t.Errorf("acknowledged with %q, %v, want %q", ack, err, want)
			}
		})
	}
}

func TestJoinTroupeByteByByte(t *testing.T) {
	reply := append(wire.AppendFrame(nil, wire.KindWelcome, nil), joined(t, true, true)...)
	kinds := []wire.Kind{wire.KindWelcome, wire.KindGroupEntry}
	for cut := range reply {
		if _, all, err := inOrder(reply[:cut], kinds); all || err != nil {
			t.Errorf("the first %d bytes: all is %v, %v", cut, all, err)
		}
	}
	body, all, err := inOrder(reply, kinds)
	if err != nil || !all || len(body) == 0 {
		t.Errorf("the whole: %q, %v, %v", body, all, err)
	}
}

// The sizes of positions change on the way.
func TestShoutsTroupe(t *testing.T) {
	m := membership{group: 9, id: 7, epoch: 300}
	for _, first := range []uint64{1, 124, 1<<14 - 3} {
		rest := shoutsTroupe(m, first).answer
		for i := range shoutsAtOnce {
			k, body, n, err := wire.ParseFrame(rest, wire.MaxFrame)
			var got wire.GroupMessage
			if err != nil || k != wire.KindGroupMessage || got.Parse(body) != nil {
				t.Fatalf("shout %d of those at %d: %v, %v", i, first, k, err)
			}
			if got.Position != first+uint64(i) || got.Group != m.group || got.Sender != m.id || got.Epoch != m.epoch ||
				!bytes.Equal(got.Payload, payload(i)) {
				t.Errorf("shout %d of those at %d is %+v", i, first, got)
			}
			rest = rest[n:]
		}
		if len(rest) > 0 {
			t.Errorf("%d bytes behind the last shout", len(rest))
		}
	}
}
