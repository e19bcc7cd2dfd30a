package main

import (
	"encoding/json"
	"fmt"
	"io"
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

// quantile is the age that a share of the updates does not exceed, rounded up.
func (a *ages) quantile(share float64) time.Duration {
	left := uint64(float64(a.count()) * share)
	for i, n := range a {
		if uint64(n) > left {
			return time.Duration(i+1) * time.Millisecond
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
	Judged     int     // bots, as far as what they saw could be: the sum over the checks
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

// figures are what a summary comes to: the lines of -json.
type figures struct {
	Bots       int     `json:"bots"`
	Gone       int     `json:"gone"`
	Seconds    float64 `json:"seconds"`   // 0: it begins
	View       float64 `json:"view"`      // items that a bot is shown, on average
	Updates    float64 `json:"updates"`   // for each bot and second: 20 where the server keeps up
	Positions  float64 `json:"positions"` // a second, for all bots
	P50        int64   `json:"p50_ms"`    // age of the positions
	P99        int64   `json:"p99_ms"`
	Bytes      float64 `json:"bytes"` // from the server, for each bot and second
	Heard      uint64  `json:"heard"`
	Moves      float64 `json:"moves"`  // a second, for all bots
	Direct     float64 `json:"direct"` // percent of the members of view groups
	Violations uint64  `json:"violations"`
}

func (s *summary) figures() figures {
	seconds := max(s.Took.Seconds(), 1e-9)
	each := seconds * float64(max(s.Bots, 1))
	return figures{
		Bots: s.Bots, Gone: s.Gone, Seconds: s.Took.Seconds(),
		View: s.Shown / float64(max(s.Checks, 1)), Updates: float64(s.Packets) / each,
		Positions: float64(s.Ages.count()) / seconds, P50: s.Ages.quantile(0.5).Milliseconds(), P99: s.Ages.quantile(0.99).Milliseconds(),
		Bytes: float64(s.Bytes) / each, Heard: s.Heard,
		Moves: float64(s.Moves) / seconds, Direct: 100 * float64(s.Direct) / float64(max(s.Direct+s.Relayed, 1)),
		Violations: s.Total(),
	}
}

// add makes s the summary of two whiles that follow each other.
func (s *summary) add(o *summary) {
	s.Bots, s.Gone = o.Bots, o.Gone
	s.Took += o.Took
	s.Checks += o.Checks
	s.Judged += o.Judged
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
	f := s.figures()
	text := fmt.Sprintf("%d bots, %.1f items in view: %.1f updates/s each, %.0f positions/s, age p50 %d ms, p99 %d ms; %.1f kB/s each from the server; %d lines heard",
		f.Bots, f.View, f.Updates, f.Positions, f.P50, f.P99, f.Bytes/1000, f.Heard)
	if s.Moves > 0 {
		text += fmt.Sprintf("; %.0f moves/s from each other, %.1f %% of the members reached directly", f.Moves, f.Direct)
	}
	if f.Gone > 0 {
		text += fmt.Sprintf("; %d GONE", f.Gone)
	}
	return text + "; " + s.Violations.String()
}

// door is where a server is: the first line of its -json.
type door struct {
	URL string `json:"url"`
	Pin string `json:"pin"`
}

// teller tells what goes on: in sentences, or with -json in lines of JSON.
type teller struct {
	out  io.Writer
	json bool
}

// says is for people.
func (t *teller) says(format string, args ...any) {
	if !t.json {
		fmt.Fprintf(t.out, format, args...)
	}
}

// gives is for programs.
func (t *teller) gives(v any) {
	if t.json {
		json.NewEncoder(t.out).Encode(v) // an error has no better place to go to
	}
}
