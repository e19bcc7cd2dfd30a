package main

import (
	"fmt"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// What players send each other.
const (
	msgMove uint16 = 1 // a move, 20 times a second; only the newest counts
	msgShot uint16 = 2 // a shot's number, reliable
	msgHit  uint16 = 3 // the number of a shot that has come, reliable
)

// move is where a player is. The numbers tell the receiver what was lost; the
// times tell the one that sent the echoed one how long the way there and back is.
type move struct {
	Number uint32 // counts the moves to this receiver, from 1
	At     int64  // µs on the sender's clock; never 0
	Echo   int64  // At of the newest move that came the other way, and how long it has waited since; 0: none has
	X, Y   float32
}

// rival is what a player knows of another one.
type rival struct {
	id   wire.ID
	name string
	met  time.Time

	x, y   float32
	moves  uint32    // sent
	first  uint32    // number of the first move heard
	newest uint32    // of the newest
	heard  uint32    // moves
	newAt  int64     // At of the newest
	heldAt time.Time // when it came
	rtt    time.Duration

	path   client.Path
	paired bool
	direct time.Duration // from the meeting to the first direct path; 0: there has been none

	fired   uint32
	open    map[uint32]bool // shots of ours that it has not confirmed
	seen    map[uint32]bool // shots of its
	doubled int             // shots, either way, that came more than once

	shownNewest, shownHeard uint32 // as last shown
}

func newRival(m client.Member, now time.Time) *rival {
	return &rival{id: m.ID, name: string(m.Payload), met: now, open: make(map[uint32]bool), seen: make(map[uint32]bool)}
}

// next is the move to send now.
func (r *rival) next(x, y float32, now time.Time, clock int64) move {
	r.moves++
	m := move{Number: r.moves, At: clock, X: x, Y: y}
	if r.heard > 0 {
		m.Echo = r.newAt + now.Sub(r.heldAt).Microseconds()
	}
	return m
}

// moved takes a move of the rival's. Older ones than the newest are as good as
// lost, and counted so.
func (r *rival) moved(m move, now time.Time, clock int64) {
	if m.Number <= r.newest {
		return
	}
	if r.heard == 0 {
		r.first, r.shownNewest = m.Number, m.Number-1
	}
	r.heard++
	r.newest, r.newAt, r.heldAt = m.Number, m.At, now
	r.x, r.y = m.X, m.Y
	if rtt := time.Duration(clock-m.Echo) * time.Microsecond; m.Echo != 0 && rtt >= 0 {
		if r.rtt == 0 {
			r.rtt = rtt
		}
		r.rtt += (rtt - r.rtt) / 8
	}
}

// fire is the number of another shot, which is open until it is confirmed.
func (r *rival) fire() uint32 {
	r.fired++
	r.open[r.fired] = true
	return r.fired
}

// shot takes a shot of the rival's.
func (r *rival) shot(n uint32) {
	if r.seen[n] {
		r.doubled++
	}
	r.seen[n] = true
}

// hit takes the rival's word that it has had a shot.
func (r *rival) hit(n uint32) {
	if !r.open[n] {
		r.doubled++
	}
	delete(r.open, n)
}

// reached notes how the rival is reached now.
func (r *rival) reached(p client.Path, paired bool, now time.Time) {
	r.path, r.paired = p, paired
	if p.Direct && r.direct == 0 {
		r.direct = now.Sub(r.met)
	}
}

// via is the way in words.
func (r *rival) via() string {
	switch {
	case r.path.Direct:
		return fmt.Sprintf("direct %v after %v", r.path.Addr, r.direct.Round(time.Millisecond))
	case r.paired && r.direct > 0:
		return "relayed again"
	case r.paired:
		return "relayed"
	}
	return "by the group" // either has no UDP
}

// lost is how many moves are missing between those heard.
func (r *rival) lost() uint32 {
	if r.heard == 0 {
		return 0
	}
	return r.newest - r.first + 1 - r.heard
}

// lossSince is the share of the moves that were lost since it was last asked.
func (r *rival) lossSince() float64 {
	sent, heard := r.newest-r.shownNewest, r.heard-r.shownHeard
	r.shownNewest, r.shownHeard = r.newest, r.heard
	if sent == 0 {
		return 0
	}
	return float64(sent-heard) / float64(sent)
}

// deaf is how long two that met may hear nothing of each other.
const deaf = 5 * time.Second

// faults are what must not be, as of now.
func (r *rival) faults(now time.Time) (list []error) {
	if n := len(r.open); n > 0 {
		list = append(list, fmt.Errorf("%d of %d shots at %s were lost", n, r.fired, r.name))
	}
	if r.doubled > 0 {
		list = append(list, fmt.Errorf("%d shots to or from %s came twice", r.doubled, r.name))
	}
	if r.heard == 0 && now.Sub(r.met) > deaf {
		list = append(list, fmt.Errorf("%s was never heard", r.name))
	}
	return list
}
