package session

import "time"

// gauge estimates how many of the other end's packets get lost, from their
// numbers: all of them are counted, whatever way they go. Probes in search of a
// way get lost by the dozen, so what comes right after a change says nothing.
type gauge struct {
	next  uint64    // above the highest number so far
	base  uint64    // next, when the present period began
	came  uint64    // packets in it
	begun time.Time // the period; ahead while nothing counts
	known bool      // a period is over
	lost  float64   // share
}

const (
	gaugeTime   = 2 * time.Second // of a period, at least
	gaugeLeast  = 32              // packets in it, at least
	gaugeSettle = 2 * time.Second // after a change
)

// heard takes the number of a packet that has come, once.
func (g *gauge) heard(counter uint64, now time.Time) {
	g.next = max(g.next, counter+1)
	if g.begun.IsZero() {
		g.begun = now
	}
	if now.Before(g.begun) || g.base == 0 {
		g.base = g.next
		return
	}
	g.came++
	sent := g.next - g.base
	if now.Sub(g.begun) < gaugeTime || sent < gaugeLeast {
		return
	}
	lost := max(0, 1-float64(g.came)/float64(sent)) // late ones of the last period came, too
	if g.known {
		lost = (g.lost + lost) / 2
	}
	g.lost, g.known = lost, true
	g.base, g.came, g.begun = g.next, 0, now
}

// changed says that packets go another way.
func (g *gauge) changed(now time.Time) {
	*g = gauge{next: g.next, base: g.next, begun: now.Add(gaugeSettle)}
}
