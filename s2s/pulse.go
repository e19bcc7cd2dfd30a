package s2s

import "time"

// stall is how late a look at a pulse shows that this process itself was stopped.
const stall = 500 * time.Millisecond

// pulse says when to ping, and when who does not answer is dead. What counts is
// the ping of one's own that comes back: what is heard says nothing of the way
// there.
type pulse struct {
	every, dead time.Duration

	alive time.Time // when the newest ping that was answered was sent, or the link was up
	asked time.Time // when the last ping was sent; zero: none
}

func (p *pulse) due() time.Time {
	ping, death := p.asked.Add(p.every), p.alive.Add(p.dead)
	if death.Before(ping) {
		return death
	}
	return ping
}

// step looks, at the time that due has said or behind it. echoed is when the ping
// was sent that was answered last.
func (p *pulse) step(now, echoed time.Time) (ping, dead bool) {
	if echoed.After(p.alive) {
		p.alive = echoed
	}
	if now.Sub(p.due()) > stall { // what has come meanwhile may not have been read
		p.alive = later(p.alive, now.Add(time.Second-p.dead))
	}
	if now.Sub(p.alive) >= p.dead {
		return false, true
	}
	if now.Sub(p.asked) < p.every {
		return false, false
	}
	p.asked = now
	return true, false
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
