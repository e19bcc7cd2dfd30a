package simnet

import "maps"

// Reason says why a datagram was lost.
type Reason int

const (
	none Reason = iota

	// On a link.
	LostCut        // it was cut
	LostTooLarge   // than its MTU
	LostRandom     // its share of losses
	LostBurst      // while it was in its bad state
	LostQueue      // its bandwidth was used up
	LostNoRoute    // nobody has the address
	LostNoListener // no socket has the port
	LostInbox      // the socket's reader is too slow

	// At a router.
	LostBlocked   // it lets no UDP pass
	LostNoMapping // nobody inside has that port
	LostFiltered  // the port's owner has not sent there
	LostTableFull // no mapping left for a new flow
	LostNoHairpin // from inside to its own address
)

var reasonNames = [...]string{
	"none", "cut", "too large", "random", "burst", "queue full", "no route", "no listener", "inbox full",
	"blocked", "no mapping", "filtered", "table full", "no hairpin",
}

func (r Reason) String() string { return reasonNames[r] }

// Stats counts datagrams. Nothing is unaccounted for:
//
//	Sent + Duplicated = Delivered + all Lost + InFlight
type Stats struct {
	Sent       int            // by sockets and Inject, once they have left
	Duplicated int            // second copies that links made
	Corrupted  int            // mangled by links; they travel on
	Delivered  int            // into sockets' inboxes
	Lost       map[Reason]int // the rest, and why
	InFlight   int            // on links
}

// TotalLost is the sum of Lost.
func (s Stats) TotalLost() (sum int) {
	for _, n := range s.Lost {
		sum += n
	}
	return sum
}

// counters collects Stats.
type counters struct {
	sent, duplicated, corrupted, delivered int
	lost                                   map[Reason]int
}

func (c *counters) lose(why Reason) {
	if c.lost == nil {
		c.lost = map[Reason]int{}
	}
	c.lost[why]++
}

func (c *counters) stats(inFlight int) Stats {
	s := Stats{
		Sent: c.sent, Duplicated: c.duplicated, Corrupted: c.corrupted, Delivered: c.delivered,
		Lost: maps.Clone(c.lost), InFlight: inFlight,
	}
	if s.Lost == nil {
		s.Lost = map[Reason]int{}
	}
	return s
}
