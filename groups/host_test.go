package groups

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// The better member comes first, whatever it is that it does better; of equals the
// one with the lower id.
func TestRank(t *testing.T) {
	const ms = time.Millisecond
	usual := Standing{
		Direct: 2, Others: 3, NAT: wire.NATIndependent, RTT: 40 * ms, ServerRTT: 40 * ms, Loss: 0.01,
		FrameRate: 30, Upload: 100 << 10, Age: 20 * time.Second,
	}
	tests := []struct {
		name  string
		worse func(s *Standing)
		by    float64 // points at least
	}{
		{"reaches fewer", func(s *Standing) { s.Direct = 1 }, 9},
		{"reaches nobody", func(s *Standing) { s.Direct = 0 }, 19},
		{"unknown NAT", func(s *Standing) { s.NAT = wire.NATUnknown }, 4},
		{"symmetric NAT", func(s *Standing) { s.NAT = wire.NATRandom }, 7},
		{"counting NAT", func(s *Standing) { s.NAT = wire.NATSequential }, 5},
		{"no UDP", func(s *Standing) { s.NAT = wire.NATBlocked }, 9},
		{"a NAT of the future", func(s *Standing) { s.NAT = 200 }, 9},
		{"far from the members", func(s *Standing) { s.RTT = 200 * ms }, 7},
		{"who knows how far from the members", func(s *Standing) { s.RTT = 0 }, 9},
		{"far from the server", func(s *Standing) { s.ServerRTT = 200 * ms }, 3},
		{"loses more", func(s *Standing) { s.Loss = 0.06 }, 4},
		{"loses much", func(s *Standing) { s.Loss = 0.9 }, 8},
		{"slow", func(s *Standing) { s.FrameRate = 10 }, 3},
		{"a thin line", func(s *Standing) { s.Upload = 10 << 10 }, 2},
		{"has just come", func(s *Standing) { s.Age = 0 }, 1},
		{"as good", func(s *Standing) {}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				bots := w.crowd(2)
				good, bad := usual, usual
				tt.worse(&bad)
				for i, peer := range []*bot{bots[0], bots[1]} { // whoever has the lower id
					good.Peer, bad.Peer = peer.peer, bots[1-i].peer
					if tt.by == 0 {
						good.Peer, bad.Peer = bots[0].peer, bots[1].peer
					}
					for _, order := range [][]Standing{{good, bad}, {bad, good}} {
						got := rank(slices.Clone(order))
						if got[0].Peer != good.Peer || got[0].Score-got[1].Score < tt.by {
							t.Fatalf("%v is before %v", got[0], got[1])
						}
					}
				}
			})
		})
	}
	best := Standing{Direct: 7, Others: 7, NAT: wire.NATIndependent, RTT: 1, ServerRTT: 1, FrameRate: 144, Upload: 1 << 30, Age: time.Hour}
	if s := best.score(); s < 99.9 || s > 100 {
		t.Errorf("the best has %v points", s)
	}
	if s := (&Standing{Others: 7, NAT: wire.NATBlocked, Loss: 1, FrameRate: 1, Upload: 1, RTT: time.Hour, ServerRTT: time.Hour}).score(); s < 0 || s > 1 {
		t.Errorf("the worst has %v points", s)
	}
	if s := (&Standing{}).score(); s < 10 || s > 50 {
		t.Errorf("one alone of whom nothing is known has %v points", s)
	}
}

// What is known of the members' ways goes into it.
func TestHosts(t *testing.T) {
	inPairs(t, func(t *testing.T, w *world) {
		w.see(apart)
		bots := w.crowd(4)
		w.paired = false
		stream := w.bot()
		g := w.ready(Options{}, append(bots[:3:3], stream)...)
		a, b, c := bots[0], bots[1], bots[2]
		w.ready(Options{}, bots...)
		link := func(x, y *bot, rtt, loss uint32) {
			for _, p := range [][2]*bot{{x, y}, {y, x}} {
				p[0].word(p[1], &wirepb.PairPath{State: 2, Rtt: rtt, Loss: loss})
			}
		}
		link(b, a, 20000, 0)
		link(b, c, 40000, 20)
		link(b, bots[3], 1000, 900) // of another group
		for i, x := range bots {
			x.tell(wire.KindCandidates, &wirepb.Candidates{Mapping: uint32(i)})
		}
		c.tell(wire.KindHint, &wirepb.Hint{FrameRate: 1 << 31, Upload: 5})
		w.settle()
		time.Sleep(time.Minute)
		must(t, g.Leave(a.peer))
		w.settle()
		must(t, g.Join(a.peer, nil))
		w.settle()
		link(b, a, 20000, 0)
		all := g.Hosts()
		if len(all) != 4 || g.Host() != b.peer || all[0].Peer != b.peer || all[3].Peer != stream.peer {
			t.Fatalf("ranked %v", all)
		}
		of := make(map[wire.ID]Standing)
		for _, s := range all {
			of[s.Peer.ID()] = s
		}
		for _, tt := range []struct {
			who  *bot
			want Standing
		}{
			{a, Standing{Direct: 1, RTT: 20 * time.Millisecond}},
			{b, Standing{Direct: 2, RTT: 30 * time.Millisecond, NAT: wire.NATIndependent, Loss: 0.01, Age: time.Minute}},
			{c, Standing{Direct: 1, RTT: 40 * time.Millisecond, NAT: wire.NATSequential, Loss: 0.01, FrameRate: 1 << 31, Upload: 5, Age: time.Minute}},
			{stream, Standing{NAT: wire.NATBlocked, Age: time.Minute}},
		} {
			got := of[tt.who.id()]
			tt.want.Peer, tt.want.Others, tt.want.Score = tt.who.peer, 3, got.Score
			if got != tt.want {
				t.Errorf("%v\nwant %v", got, tt.want)
			}
		}
		if s := all[0].String(); !strings.Contains(s, "direct to 2 of 3, NAT independent, 30ms to members") || !strings.Contains(s, "1.0% lost") {
			t.Error(s)
		}
		for range 20 {
			if !slices.Equal(g.Hosts(), all) {
				t.Fatal("the same question has another answer")
			}
		}
		g.Destroy()
		w.settle()
		if g.Host() != nil {
			t.Error("a group that is over has a host")
		}
		c.send(wire.KindHint, []byte{0xff})
		w.settle()
		if c.closeCode() != wire.CodeProtocol {
			t.Errorf("who sends no hint is closed with %v", c.closeCode())
		}
	})
}
