package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
)

// relaySides are all that players are told by.
func relaySides() (all []subject) {
	for _, w := range []work{relay(), relayPairs()} {
		all = append(all, w.sides()...)
	}
	return all
}

// Each update comes to the nine others of the group once, and to nobody else.
func TestUpdatesComeToTheOthers(t *testing.T) {
	const groups = 3
	for i, s := range relaySides() {
		t.Run(fmt.Sprint(s.name, i/2), func(t *testing.T) {
			m := &match{began: time.Now()}
			all, err := sing(t.Context(), serving(t, s.name).addr, m.enter(s.join), groups*relayGroup)
			if err != nil {
				t.Fatal(err)
			}
			defer silence(all)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for _, s := range all {
				if err := s.ready(ctx); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range all {
				if err := s.say(true); err != nil {
					t.Fatal(err)
				}
			}
			var took []time.Duration
			for len(took) < len(all)*(relayGroup-1) {
				if took, err = heardBy(all); err != nil {
					t.Fatal(err)
				}
				if err := sleep(ctx, time.Millisecond); err != nil {
					t.Fatalf("%d updates were heard, want %d", len(took), len(all)*(relayGroup-1))
				}
			}
			for _, s := range all {
				var heard []uint32
				for id := range s.newest {
					heard = append(heard, id)
				}
				if len(heard) != relayGroup-1 || slices.Contains(heard, s.id) {
					t.Errorf("player %d has heard %d", s.id, heard)
				}
			}
		})
	}
}

// The reference's datagrams are as long as Troupe's.
func TestUpdatesAreAsLongAsTroupes(t *testing.T) {
	for _, tt := range []struct {
		pairs bool
		size  int
	}{{false, relaySize}, {true, relayPairSize}} {
		addr := serving(t, troupeTens).addr
		var r recorder
		m := &match{began: time.Now()}
		join := joinTroupeTens(tt.pairs, client.Config{ListenPacket: r.listen})
		all, err := sing(t.Context(), addr, m.enter(join), relayGroup)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for _, s := range all {
			if err := s.ready(ctx); err != nil {
				t.Fatal(err)
			}
		}
		const updates = 20
		for range updates { // each by itself, for what goes together is longer
			if err := all[0].say(true); err != nil {
				t.Fatal(err)
			}
			if f, err := await(ctx, all, 10*time.Second); err != nil || f.lost > 0 {
				t.Fatalf("%.1f %% lost, %v", f.lost, err)
			}
		}
		silence(all)
		if n := r.counts[tt.size]; n < updates*(relayGroup-1)/2 {
			t.Errorf("pairs %v: %d of %d datagrams with updates have %d bytes; all lengths are %v", tt.pairs, n, updates*(relayGroup-1), tt.size, r.counts)
		}
	}
}

// Members of a group don't talk all at once.
func TestBeatsAreSpread(t *testing.T) {
	for first := range 300 {
		var beats []time.Duration
		for i := range relayGroup {
			beats = append(beats, beat(first+i))
		}
		slices.Sort(beats)
		for i, b := range beats {
			after := beats[0] + chatPause // the first one's next
			if i+1 < len(beats) {
				after = beats[i+1]
			}
			if gap := after - b; gap < chatPause/(2*relayGroup) || gap > 2*chatPause/relayGroup || b < 0 || b >= chatPause {
				t.Fatalf("players from %d on talk at %v", first, beats)
			}
		}
	}
}

// recorder counts what comes to clients, by its length.
type recorder struct {
	mu     sync.Mutex
	counts map[int]int
}

func (r *recorder) listen(context.Context) (net.PacketConn, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	return &recorded{c, r}, err
}

type recorded struct {
	*net.UDPConn
	r *recorder
}

func (c *recorded) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.counts == nil {
		c.r.counts = make(map[int]int)
	}
	c.r.counts[n]++
	return n, from, err
}

func TestHearNoticesWhatIsWrong(t *testing.T) {
	update := func(id, number uint32) []byte {
		b := payload(1)
		binary.BigEndian.PutUint32(b, id)
		binary.BigEndian.PutUint32(b[4:], number)
		return b
	}
	for _, tt := range []struct {
		name  string
		heard [][]byte
		want  string
	}{
		{"in order, some lost", [][]byte{update(1, 0), update(2, 0), update(1, 5)}, ""},
		{"twice", [][]byte{update(1, 5), update(1, 5)}, "update 5 of player 1"},
		{"an older one", [][]byte{update(1, 5), update(1, 4)}, "update 4 of player 1"},
		{"its own", [][]byte{update(7, 0)}, "update 0 of player 7 came to player 7"},
		{"short", [][]byte{bytes.Repeat([]byte{1}, 63)}, "63 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &seated{m: &match{began: time.Now()}, id: 7, newest: make(map[uint32]uint32)}
			for _, b := range tt.heard {
				s.hear(b)
			}
			_, err := heardBy([]*seated{s})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// mutePlayer tells nobody anything.
type mutePlayer struct{}

func (mutePlayer) ready(context.Context) error { return nil }
func (mutePlayer) tell([]byte) error           { return nil }
func (mutePlayer) close() error                { return nil }

// What does not come is counted, however much does.
func TestLostUpdatesAreCounted(t *testing.T) {
	m := &match{began: time.Now()}
	all := []*seated{{m: m, id: 0, newest: make(map[uint32]uint32)}, {m: m, id: 1, newest: make(map[uint32]uint32)}}
	for _, s := range all {
		s.player = mutePlayer{}
		for range 10 {
			if err := s.say(true); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := payload(1)
	b[16] = 1
	for n := range uint32(45) { // of 180
		binary.BigEndian.PutUint32(b[4:], n)
		all[1].hear(b)
	}
	f, err := await(t.Context(), all, 10*time.Millisecond)
	if err != nil || f.lost != 75 {
		t.Errorf("%.1f %% lost, %v, want 75", f.lost, err)
	}
}
