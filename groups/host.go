package groups

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// Standing is how well a member would do as the host of its group, the one whose
// machine keeps the others' common state, and why.
type Standing struct {
	Peer  *peers.Peer
	Score float64 // 0 to 100, see Hosts

	Direct    int           // members that a direct path leads to
	Others    int           // members besides this one
	NAT       wire.NAT      // blocked: its UDP does not get through
	RTT       time.Duration // to the other members and back, by the ways in use, on average; 0 while unknown
	ServerRTT time.Duration // likewise to the server
	Loss      float64       // share of packets that get lost on its paths, on average
	FrameRate int           // a second, by its own word (Hint of package client); 0: it has said nothing
	Upload    int           // bytes a second that it can send, likewise
	Age       time.Duration // since its join
}

// String tells the score and its reasons.
func (s Standing) String() string {
	return fmt.Sprintf("%.0f: direct to %d of %d, NAT %v, %v to members, %v to the server, %.1f%% lost, %d frames/s, %d bytes/s, in for %v",
		s.Score, s.Direct, s.Others, s.NAT, s.RTT.Round(time.Millisecond), s.ServerRTT.Round(time.Millisecond), 100*s.Loss,
		s.FrameRate, s.Upload, s.Age.Round(time.Second))
}

// Host is the first of Hosts, or nil in a group without members.
func (g *Group) Host() *peers.Peer {
	if all := g.Hosts(); len(all) > 0 {
		return all[0].Peer
	}
	return nil
}

// Hosts are the members by how well they would do as a host, the best first. It
// may be called from any goroutine. Of the 100 points of a score
//
//	30 are for the share of members that a direct path leads to
//	20 for a short way to the members: half of them at 100 ms
//	10 for a short way to the server, likewise
//	10 for a NAT that newcomers will get through: all without or with an independent one, half while unknown
//	10 for no loss, none at 10 % of it
//	10 for 60 frames a second, half if it has not said
//	 5 for an upload of 64 KiB a second to each member, likewise
//	 5 for a minute in the group
//
// and of two that have as many the one with the lower id comes first: who asks
// again without anything having changed gets the same answer.
//
// Right after a join, a leave or a change of paths the answer is poor: paths are
// still looked for, and little has been measured. Ask again two to five seconds
// later. To move a host costs a game more than a few points are worth: keep the
// one there is until another is better by ten or so.
func (g *Group) Hosts() []Standing {
	seats := g.view.Load().seats
	now := time.Now()
	all := make([]Standing, len(seats))
	var sum time.Duration // of what is known of the ways to the server
	known := 0
	for i, s := range seats {
		h := &all[i]
		h.Peer, h.Others, h.Age = s.peer, len(seats)-1, now.Sub(s.since)
		if h.ServerRTT, _ = s.conn.RTT(); h.ServerRTT > 0 {
			sum += h.ServerRTT
			known++
		}
	}
	ps := &g.home.pairs
	ps.mu.Lock()
	for i, s := range seats {
		ps.standLocked(&all[i], g, s, sum, known)
	}
	ps.mu.Unlock()
	return rank(all)
}

// standLocked finds out how a member stands with the others, given the round trips
// of those of all for which one is known.
func (ps *pairs) standLocked(h *Standing, g *Group, s *seat, sum time.Duration, known int) {
	total, n := time.Duration(0), 0
	if own := h.ServerRTT; own > 0 { // all by the server, to begin with
		total, n = own*time.Duration(known-1)+sum-own, known-1
	}
	if !s.conn.Pairs() || !ps.observed(s.conn).IsValid() {
		h.NAT = wire.NATBlocked
	}
	sd, _ := s.conn.Pairer().(*side)
	if sd != nil {
		h.FrameRate, h.Upload = int(sd.hint.GetFrameRate()), int(sd.hint.GetUpload())
		if h.NAT != wire.NATBlocked {
			h.NAT = wire.NAT(sd.cand.GetMapping())
		}
		count := 0
		for _, p := range sd.slots {
			if !p.groups[g] {
				continue
			}
			count++
			h.Loss += max(p.ends[0].loss, p.ends[1].loss)
			if !p.isDirect() {
				continue
			}
			h.Direct++
			if relayed := p.relayRTT(); relayed > 0 {
				total, n = total-relayed, n-1
			}
			total, n = total+p.rtt(), n+1
		}
		h.Loss /= float64(max(count, 1))
	}
	if n > 0 {
		h.RTT = total / time.Duration(n)
	}
}

// rank scores members and orders them, the best first.
func rank(all []Standing) []Standing {
	for i := range all {
		all[i].Score = all[i].score()
	}
	slices.SortFunc(all, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Peer.ID(), b.Peer.ID()))
	})
	return all
}

// score is as Hosts says.
func (s *Standing) score() float64 {
	told := func(n, full int) float64 {
		if n <= 0 {
			return 0.5
		}
		return min(1, float64(n)/float64(full))
	}
	near := func(rtt time.Duration) float64 {
		if rtt <= 0 {
			return 0.25
		}
		return 1 / (1 + rtt.Seconds()/0.1)
	}
	others := max(s.Others, 1)
	return 30*float64(s.Direct)/float64(others) +
		20*near(s.RTT) +
		10*near(s.ServerRTT) +
		10*openness[min(int(s.NAT), len(openness)-1)] +
		10*max(0, 1-s.Loss/0.1) +
		10*told(s.FrameRate, 60) +
		5*told(s.Upload, others*64<<10) +
		5*min(1, s.Age.Minutes())
}

// openness is what a kind of NAT is worth, by wire.NAT.
var openness = [...]float64{0.5, 1, 0.4, 0.2, 0}
