package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// names are those of bots; later ones get a number besides.
var names = [...]string{"ann", "bob", "cid", "dora", "eve", "fay", "gus", "hal"}

func botName(i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprint(names[i%len(names)], i/len(names)+1)
}

// play has one player, or the bots that o asks for, play until ctx ends. They
// stop shooting together, and leave when no shot of any is open.
func play(ctx context.Context, o options, s *screen) (sum summary, err error) {
	var all []*player
	defer func() {
		for _, p := range all {
			p.client.Close()
		}
	}()
	for i := range max(o.bots, 1) {
		name := o.name
		if o.bots > 0 {
			name = botName(i)
		}
		p, err := join(ctx, o, name)
		if err != nil {
			return sum, err
		}
		all = append(all, p)
	}
	together(all, func(p *player) { p.run(ctx) }, func() { s.show(table(all)) })
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	together(all, func(p *player) { p.settled(rest) }, nil)

	sum = summarize(all)
	s.show(table(all))
	s.keep()
	fmt.Fprintln(s, sum)
	faults := make([]error, 0, len(all))
	for _, p := range all {
		faults = append(faults, p.client.Err(), p.check(time.Now())) // a session that has ended by itself is a fault
	}
	if o.length > 0 && sum.Pairs == 0 {
		faults = append(faults, errors.New("nobody else was there"))
	}
	return sum, errors.Join(faults...)
}

// together has all players do what they do, and calls meanwhile, if there is
// one, every second.
func together(all []*player, do func(*player), meanwhile func()) {
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() { do(p) }) // ended by its context
	}
	if meanwhile == nil {
		wg.Wait()
		return
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }() // ended by theirs
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			meanwhile()
		case <-done:
			return
		}
	}
}

// summary is what has come of pairs, those who have left included.
type summary struct {
	Pairs                    int           // of a player here and another, here or elsewhere
	Direct, Relayed, ByGroup int           // of them, as they ended
	Slowest                  time.Duration // from the meeting to the direct path
	Shots                    uint32        // fired
	Lost                     uint32        // moves that were sent and not heard
}

func (s summary) String() string {
	return fmt.Sprintf("%d pairs: %d direct (the slowest after %v), %d relayed, %d by the group; %d shots fired, %d moves lost",
		s.Pairs, s.Direct, s.Slowest.Round(time.Millisecond), s.Relayed, s.ByGroup, s.Shots, s.Lost)
}

// path counts a pair.
func (s *summary) path(r *rival) {
	s.Pairs++
	switch {
	case r.path.Direct:
		s.Direct++
		s.Slowest = max(s.Slowest, r.direct)
	case r.paired:
		s.Relayed++
	default:
		s.ByGroup++
	}
}

// traffic counts what one end of a pair has sent and heard.
func (s *summary) traffic(r *rival) {
	s.Shots += r.fired
	s.Lost += r.lost()
}

func (s *summary) add(o summary) {
	s.Pairs += o.Pairs
	s.Direct += o.Direct
	s.Relayed += o.Relayed
	s.ByGroup += o.ByGroup
	s.Slowest = max(s.Slowest, o.Slowest)
	s.Shots += o.Shots
	s.Lost += o.Lost
}

func summarize(all []*player) (s summary) {
	for _, r := range pairs(all) {
		s.path(r)
	}
	for _, p := range all {
		p.eachRival(func(r *rival) bool {
			s.traffic(r)
			return true
		})
		s.add(p.past())
	}
	return s
}
