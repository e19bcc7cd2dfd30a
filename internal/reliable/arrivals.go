package reliable

import "time"

// segmentCost is what KCP takes for a segment, however short: a buffer of its pool.
const segmentCost = 1500

// arrivals mirrors which segments KCP holds for Recv: its own fields are private.
type arrivals struct {
	next   uint32              // before it everything has come, and is in order
	queued int                 // segments in order that Recv has not taken
	ahead  int                 // segments from next on: behind a gap, or behind a full queue
	seen   [Window / 64]uint64 // a bit for each of those, at its number modulo Window
	since  uint32              // KCP's time of the last progress, or of the first segment after none
}

// put notes a segment that KCP gets.
func (a *arrivals) put(seq uint32) {
	if seq-a.next >= Window { // KCP drops it
		return
	}
	word, bit := &a.seen[seq%Window/64], uint64(1)<<(seq%64)
	if *word&bit != 0 {
		return
	}
	if a.held() == 0 {
		a.since = now()
	}
	*word |= bit
	a.ahead++
	a.advance()
}

// take notes that Recv has taken a message of n bytes.
func (a *arrivals) take(n int) {
	a.queued -= (n + Segment - 1) / Segment // all but the last one are full
	a.since = now()
	a.advance()
}

func (a *arrivals) advance() {
	for a.ahead > 0 && a.queued < Window {
		word, bit := &a.seen[a.next%Window/64], uint64(1)<<(a.next%64)
		if *word&bit == 0 {
			return
		}
		*word &^= bit
		a.ahead--
		a.queued++
		a.next++
		a.since = now()
	}
}

func (a *arrivals) held() int { return a.queued + a.ahead }

// Held is the memory that segments take: those to be sent or acknowledged, and
// those received that Recv has not taken.
func (c *Channel) Held() (out, in int) {
	return c.kcp.WaitSnd() * segmentCost, c.arrived.held() * segmentCost
}

// Gap is for how long segments have been received that Recv can't have, because
// one before them or the rest of their message is missing, without any progress;
// negative when there are none.
func (c *Channel) Gap() time.Duration {
	if c.arrived.held() == 0 || c.Next() >= 0 {
		return -1
	}
	return time.Duration(now()-c.arrived.since) * time.Millisecond
}
