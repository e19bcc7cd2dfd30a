package main

import (
	"fmt"
	"time"
)

// ages counts how old what clients were told was as it came, by milliseconds.
type ages [1000]uint32

func (a *ages) add(age time.Duration) {
	a[min(max(age.Milliseconds(), 0), int64(len(a)-1))]++
}

func (a *ages) merge(b *ages) {
	for i, n := range b {
		a[i] += n
	}
}

func (a *ages) count() (n uint64) {
	for _, c := range a {
		n += uint64(c)
	}
	return n
}

// quantile is the age that a share of the updates does not exceed.
func (a *ages) quantile(share float64) time.Duration {
	left := uint64(float64(a.count()) * share)
	for i, n := range a {
		if uint64(n) > left {
			return time.Duration(i) * time.Millisecond
		}
		left -= uint64(n)
	}
	return time.Duration(len(a)) * time.Millisecond
}

// summary is what bots have seen in a while.
type summary struct {
	Bots, Gone int // that are there; whose session has ended
	Took       time.Duration
	Checks     int
	Shown      float64 // items that a bot is shown, on average: the sum over the checks
	Packets    uint64  // updates that came
	Ages       ages
	Bytes      uint64 // from the server
	Heard      uint64 // lines of chat
	Moves      uint64 // told by bots to each other, as they came
	Direct     uint64 // members of view groups that a direct path leads to: the sum over the checks
	Relayed    uint64 // members that none leads to, likewise
	Violations
}

// Rate is how many updates a bot got each second: 20 where the server keeps up.
func (s *summary) Rate() float64 { return s.PerBot(s.Packets) }

// Updates is how many positions came.
func (s *summary) Updates() uint64 { return s.Ages.count() }

// P50 and P99 are ages of updates.
func (s *summary) P50() time.Duration { return s.Ages.quantile(0.5) }
func (s *summary) P99() time.Duration { return s.Ages.quantile(0.99) }

// PerBot is a number for each bot and second.
func (s *summary) PerBot(n uint64) float64 {
	return float64(n) / s.Took.Seconds() / float64(max(s.Bots, 1))
}

// add makes s the summary of two whiles that follow each other.
func (s *summary) add(o *summary) {
	s.Bots, s.Gone = o.Bots, o.Gone
	s.Took += o.Took
	s.Checks += o.Checks
	s.Shown += o.Shown
	s.Packets += o.Packets
	s.Ages.merge(&o.Ages)
	s.Bytes += o.Bytes
	s.Heard += o.Heard
	s.Moves += o.Moves
	s.Direct += o.Direct
	s.Relayed += o.Relayed
	s.Violations.add(&o.Violations)
}

func (s *summary) String() string {
	text := fmt.Sprintf("%d bots, %.1f items in view: %.1f updates/s each, %.0f positions/s, age p50 %d ms, p99 %d ms; %.1f kB/s each from the server; %d lines heard",
		s.Bots, s.Shown/float64(max(s.Checks, 1)), s.Rate(), float64(s.Updates())/s.Took.Seconds(), s.P50().Milliseconds(), s.P99().Milliseconds(), s.PerBot(s.Bytes)/1000, s.Heard)
	if s.Moves > 0 {
		text += fmt.Sprintf("; %.0f moves/s from each other, %.1f %% of the members reached directly",
			float64(s.Moves)/s.Took.Seconds(), 100*float64(s.Direct)/float64(max(s.Direct+s.Relayed, 1)))
	}
	if s.Gone > 0 {
		text += fmt.Sprintf("; %d GONE", s.Gone)
	}
	return text + "; " + s.Violations.String()
}
