package s2s

import (
	"testing"
	"time"
)

// beaten steps a pulse through a plan until it is dead, and says how long after
// the last answer that was. answers is how long a ping takes to come back at a
// time; negative: it does not.
func beaten(t *testing.T, p *pulse, begin time.Time, answers func(at time.Duration) time.Duration) (dead time.Duration, pings []time.Duration) {
	t.Helper()
	type echo struct{ at, sent time.Time }
	var under []echo
	var echoed time.Time
	for range 100 {
		now := p.due()
		for len(under) > 0 && !under[0].at.After(now) {
			echoed = under[0].sent
			under = under[1:]
		}
		ping, isDead := p.step(now, echoed)
		if isDead {
			return now.Sub(begin), pings
		}
		if ping {
			pings = append(pings, now.Sub(begin))
			if d := answers(now.Sub(begin)); d >= 0 {
				under = append(under, echo{now.Add(d), now})
			}
		}
	}
	return -1, pings
}

func TestPulse(t *testing.T) {
	begin := time.Unix(1000, 0)
	fresh := func() *pulse {
		return &pulse{every: 2500 * time.Millisecond, dead: 8 * time.Second, alive: begin, asked: begin}
	}
	never := func(time.Duration) time.Duration { return -1 }
	if dead, pings := beaten(t, fresh(), begin, never); dead != 8*time.Second || len(pings) != 3 {
		t.Errorf("who never answers is dead after %v, asked at %v", dead, pings)
	}
	always := func(time.Duration) time.Duration { return 10 * time.Millisecond }
	if dead, pings := beaten(t, fresh(), begin, always); dead != -1 || len(pings) != 100 || pings[99] != 250*time.Second {
		t.Errorf("who always answers is dead after %v", dead)
	}
	slow := func(time.Duration) time.Duration { return 5 * time.Second }
	if dead, _ := beaten(t, fresh(), begin, slow); dead != -1 {
		t.Errorf("who answers late is dead after %v", dead)
	}
	until := func(at time.Duration) time.Duration {
		if at <= 30*time.Second {
			return 100 * time.Millisecond
		}
		return -1
	}
	if dead, _ := beaten(t, fresh(), begin, until); dead != 38*time.Second {
		t.Errorf("who answers until 30 s is dead at %v", dead)
	}
}

// A process that was stopped itself has a moment to read what came meanwhile.
func TestPulseOfOneThatWasStopped(t *testing.T) {
	begin := time.Unix(1000, 0)
	p := &pulse{every: 2500 * time.Millisecond, dead: 8 * time.Second, alive: begin, asked: begin}
	now := begin.Add(20 * time.Second)
	if ping, dead := p.step(now, time.Time{}); dead || !ping {
		t.Fatalf("ping %v, dead %v behind a stop", ping, dead)
	}
	if due := p.due(); due != now.Add(time.Second) {
		t.Errorf("it has %v", due.Sub(now))
	}
	if _, dead := p.step(p.due(), time.Time{}); !dead {
		t.Error("it is not dead after that")
	}
	p = &pulse{every: 2500 * time.Millisecond, dead: 8 * time.Second, alive: begin, asked: begin}
	p.step(now, time.Time{})
	if _, dead := p.step(p.due(), now); dead {
		t.Error("dead though it has answered")
	}
}
