package link

import (
	"cmp"
	"time"
)

// Config tunes a Link. The zero value is ready to use.
type Config struct {
	MaxCandidates int // addresses tried of those the server tells; 0 means 8
	Predict       int // ports tried besides, of a peer whose NAT counts up; 0 means 8, negative none

	Rounds  int           // probes sent to one address in one attempt; 0 means 30
	Attempt time.Duration // how long punching is tried; 0 means 5s

	// Birthday allows probes to random ports of a peer, and many sockets of our
	// own, where nothing else helps. The peer has to allow it too.
	Birthday bool
	Spray    int // random ports tried; 0 means 2048
	Sockets  int // that [Output] asks for; 0 means 256

	Ping   time.Duration // between health checks while data flows; 0 means 300ms
	Idle   time.Duration // and while none does; 0 means 15s
	GiveUp time.Duration // on a path without an echo; 0 means 2.5s

	// RelayRatio is how many times faster than the direct path the relay has to
	// be to be used instead; 0 means 2, negative never.
	RelayRatio float64

	Loopback bool // lets loopback addresses be candidates: for tests on one machine
}

func (c Config) withDefaults() Config {
	c.MaxCandidates = max(cmp.Or(c.MaxCandidates, 8), 0)
	c.Predict = max(cmp.Or(c.Predict, 8), 0)
	c.Rounds = cmp.Or(c.Rounds, 30)
	c.Attempt = cmp.Or(c.Attempt, 5*time.Second)
	c.Spray = min(cmp.Or(c.Spray, 2048), ports)
	c.Sockets = cmp.Or(c.Sockets, 256)
	c.Ping = cmp.Or(c.Ping, 300*time.Millisecond)
	c.Idle = cmp.Or(c.Idle, 15*time.Second)
	c.GiveUp = cmp.Or(c.GiveUp, 2500*time.Millisecond)
	c.RelayRatio = cmp.Or(c.RelayRatio, 2)
	return c
}

// Not for tuning: both ends count on each other's.
const (
	maxPaths       = 64                     // addresses known at a time
	recheck        = 20 * time.Millisecond  // between probes that the peer's trigger, to one address
	probeLife      = 5 * time.Second        // a nonce that comes back later proves nothing
	busy           = 5 * time.Second        // data flows if some was sent so recently
	sprayAfter     = 700 * time.Millisecond // the cheap ways come first
	sprayLead      = 50 * time.Millisecond  // for the other end's sockets to open
	sprayEvery     = 2 * time.Millisecond
	sprayBurst     = 10 // probes that a late Step may catch up on
	sprayCool      = 10 * time.Minute
	remapSilence   = 35 * time.Second       // a router's wrong entry lives 30s
	calmDown       = time.Second            // between attempts that network changes start
	steady         = 10 * time.Second       // a path that held so long starts with a clean slate
	forgetStranger = 2 * time.Second        // an address that the peer's last probe came from before that
	seekQuiet      = 500 * time.Millisecond // the peer that probes no more has a path
	seekMost       = time.Second            // after ours is found
	confirmEchoes  = 4                      // that agree which of relay and path is faster
	spareProbes    = 4                      // other paths asked when one is overdue
)

// denseRounds of them are over after 200 ms.
const denseRounds = 7

// roundAt is when a round of an attempt is sent, from its start: the rounds are
// dense while the ends are likely to have just begun.
func roundAt(i int) time.Duration {
	dense := [...]time.Duration{0, 10, 30, 60, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 1000}
	if i < len(dense) {
		return dense[i] * time.Millisecond
	}
	return time.Second + time.Duration(i-len(dense)+1)*250*time.Millisecond
}

// backoff is how long to relay after so many failures in a row.
func backoff(failures int) time.Duration {
	waits := [...]time.Duration{0, 15 * time.Second, time.Minute, 5 * time.Minute}
	return waits[min(failures, len(waits)-1)]
}
