package main

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/troupe-go/troupe/wire"
)

// screen shows a table that each new one takes the place of, below what is
// written besides: log lines scroll by above it. Where out is no terminal, the
// tables follow each other.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	table    []string // as shown
}

// tallest is how many lines a table in a terminal has: one that is higher than
// the terminal could not be drawn over.
const tallest = 20

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// show shows a table, one line for each of lines.
func (s *screen) show(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := len(lines) - tallest; s.terminal && more > 0 {
		lines = append(lines[:tallest-1:tallest-1], fmt.Sprintf("… and %d more", more+1))
	}
	s.redrawLocked(nil, lines)
}

// keep leaves the table where it is: what comes later comes below.
func (s *screen) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = nil
}

// Write implements io.Writer: b is whole lines.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		return s.out.Write(b)
	}
	return len(b), s.redrawLocked(b, s.table)
}

func (s *screen) redrawLocked(above []byte, table []string) error {
	var b bytes.Buffer
	if s.terminal && len(s.table) > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", len(s.table)) // to the table's first line, and clear from there
	}
	b.Write(above)
	for _, l := range table {
		if s.terminal {
			l = "\x1b[?7l" + l + "\x1b[?7h" // cut off rather than wrapped: a line stays one
		}
		b.WriteString(l + "\n")
	}
	s.table = table
	_, err := s.out.Write(b.Bytes())
	return err
}

// table is a line for each pair, as it is now. The loss is since the table before.
func table(all []*player) (lines []string) {
	for p, r := range pairs(all) {
		lines = append(lines, fmt.Sprintf("%-17s rtt %6.1f ms  loss %3.0f%%  %s",
			p.name+" - "+r.name, float64(r.rtt.Microseconds())/1000, 100*r.lossSince(), r.via()))
	}
	slices.Sort(lines)
	return lines
}

// pairs are all players here with each of their rivals. Of a pair whose both
// ends are here, it is the end that came first. The rival may be used until the
// next turn.
func pairs(all []*player) iter.Seq2[*player, *rival] {
	here := make(map[wire.ID]bool)
	for _, p := range all {
		here[p.client.ID()] = true
	}
	return func(yield func(*player, *rival) bool) {
		for _, p := range all {
			if !p.eachRival(func(r *rival) bool {
				return here[r.id] && r.id < p.client.ID() || yield(p, r)
			}) {
				return
			}
		}
	}
}
