package client

import (
	"time"

	"github.com/troupe-go/troupe/internal/session"
)

// maxProbes is how many pings in a row are spent on a server that is silent.
const maxProbes = 10

// newEnv makes the surroundings of the session. They ping nobody: keepAlive does,
// which knows when.
func (cfg *Config) newEnv() *session.Env {
	l := cfg.Limits
	l.PingInterval = -1
	return session.NewEnv(l)
}

// keepAlive sends the session's pings.
func (c *Client) keepAlive() {
	t := time.NewTicker(c.env.SweepInterval())
	defer t.Stop()
	reported := time.Now()
	v := vigil{interval: c.cfg.Limits.PingInterval, only: c.first == nil && c.session.Datagrams(), asked: time.Now(), waiting: true} // see start
	if v.interval > 0 {
		t.Reset(v.interval / 15)
	}
	for {
		select {
		case now := <-t.C:
			c.env.Sweep(now)
			if v.step(now, c.heard()) {
				c.session.Ping() // an error says that the session is ending
			}
			if every := c.cfg.ReportPaths; every > 0 && now.Sub(reported) >= every {
				reported = now
				c.reportPaths()
			}
		case <-c.session.Done():
			return
		}
	}
}

// heard is what has come from the server so far.
type heard struct {
	bytes, frames  uint64
	rtt, deviation time.Duration
}

func (c *Client) heard() heard {
	in := c.session.Counts()
	h := heard{bytes: in.BytesIn.Load(), frames: in.FramesIn.Load()}
	h.rtt, h.deviation = c.session.RTT()
	return h
}

// answers reports whether a ping has been answered since, and no message has
// come. Every answer changes the smoothed times, unless all have taken exactly
// as long; something else than an answer may have been the server's question
// where we are, and our answer lost.
func (h heard) answers(since heard) bool {
	if h.frames != since.frames {
		return false
	}
	return h.rtt != since.rtt || h.deviation != since.deviation || h.deviation == 0 && h.rtt != 0
}

// vigil says when to ping. On udp:// that is not only from time to time: while a
// client does no more than listen, the NAT in between may give it another address,
// of which the server learns by a packet of the client's alone. So the client asks
// when nothing is heard any more, and until it hears something; at first, too,
// until it knows the round trip.
type vigil struct {
	interval time.Duration // of pings; negative: none
	only     bool          // there is no stream

	heard   heard     // so far
	asked   time.Time // when the last ping left
	waiting bool      // nothing has been heard since
	settled bool      // what was heard last was the answer to a ping
	probes  int       // pings in a row that were not due
}

// step is called from time to time with what has been heard so far.
func (v *vigil) step(now time.Time, h heard) (ping bool) {
	silent := h.bytes == v.heard.bytes
	if !silent {
		v.settled = v.waiting && h.answers(v.heard)
		v.heard, v.waiting, v.probes = h, false, 0
	}
	due := now.Sub(v.asked) >= v.interval
	unsure := h.rtt == 0 || silent && (v.waiting || !v.settled)
	probe := v.only && unsure && v.probes < maxProbes
	if v.interval < 0 || !due && !probe {
		return false
	}
	if !due {
		v.probes++
	}
	v.asked, v.waiting = now, true
	return true
}
