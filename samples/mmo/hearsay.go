package main

import (
	"slices"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/protocol"
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
)

// hear takes in what was said.
func (h *hearsay) hear(m move, now time.Time) {
	old, _ := slices.BinarySearchFunc(h.heard, now.Add(-memory), func(h heard, t time.Time) int { return h.at.Compare(t) })
	h.heard = append(slices.Delete(h.heard, 0, old), heard{m, now})
}

// check holds it against what the server says: where the player was then. A player
// that the server has moved says for a moment where it was before, so that one
// mistake is none.
func (h *hearsay) check(s protocol.State, then, now time.Time) {
	said := false
	for _, m := range h.heard {
		if d := m.at.Sub(then); d < -current || d > current {
			continue
		}
		if said = true; place(m.X, m.Y).Distance(place(s.X, s.Y)) <= tolerance {
			h.wrong = 0
			return
		}
	}
	if !said {
		return
	}
	if h.wrong++; h.wrong >= 2 {
		h.until = now.Add(mistrust)
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
