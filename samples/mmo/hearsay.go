package main

import (
	"slices"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
)

// hearsay is what a player says of itself. It is newer than what the server says,
// and worth less: the server's word, which comes once a second, is held against
// it, and who is found to be elsewhere is not listened to for a while. That is for
// the eyes alone. Whether a hit has hit the server decides, by what it knows.
type hearsay struct {
	heard []heard // in the last second or two
	wrong int     // checks in a row that it has failed
	until time.Time
}

type heard struct {
	move
	at time.Time // of its arrival
}

const (
	current   = 250 * time.Millisecond // as long as what was heard counts as where somebody is
	memory    = 2 * time.Second
	tolerance = 3                // metres
	mistrust  = 10 * time.Second // in which who has lied is not listened to
	kept      = 2 * int(memory/world.Tick)
)

// hear takes in what was said.
func (h *hearsay) hear(m move, now time.Time) {
	old, _ := slices.BinarySearchFunc(h.heard, now.Add(-memory), func(h heard, t time.Time) int { return h.at.Compare(t) })
	old = max(old, len(h.heard)+1-kept) // it says too much
	h.heard = append(slices.Delete(h.heard, 0, old), heard{m, now})
}

// check holds it against what the server says: where the player was then. All that
// it has said around then has to fit, as lies are told between truths, too. A player
// that the server has moved says for a moment where it was before, so that one
// mistake is none.
func (h *hearsay) check(s protocol.State, then, now time.Time) {
	said, wrong := false, false
	for _, m := range h.heard {
		if d := m.at.Sub(then); d < -current || d > current {
			continue
		}
		said = true
		wrong = wrong || place(m.X, m.Y).Distance(place(s.X, s.Y)) > tolerance
	}
	switch {
	case !said:
	case !wrong:
		h.wrong = 0
	default:
		if h.wrong++; h.wrong >= 2 {
			h.until = now.Add(mistrust)
		}
	}
}

// last is what was said last, if it is to be believed now.
func (h *hearsay) last(now time.Time) (m move, ok bool) {
	if len(h.heard) == 0 || now.Before(h.until) {
		return move{}, false
	}
	newest := h.heard[len(h.heard)-1]
	return newest.move, now.Sub(newest.at) < current
}

func place(x, y uint16) interest.Point {
	return interest.Point{X: protocol.Metres(x), Y: protocol.Metres(y)}
}
