package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/world"
)

const (
	joiners = 16              // bots that connect at once
	every   = time.Second / 2 // from check to check
	report  = 10              // checks from report to report
)

// herd are the bots of this process.
type herd struct {
	teller
	bots []*bot
	last []*witness // of the last check
}

// loose lets bots loose on a server until ctx ends, and sees whether what they are
// told is true.
func loose(ctx context.Context, o options, out teller) (sum summary, err error) {
	h := &herd{teller: out}
	defer func() {
		for _, b := range h.bots {
			b.c.Close()
		}
	}()
	begin := time.Now()
	if err := h.gather(ctx, o); errors.Is(ctx.Err(), context.Canceled) {
		return sum, nil // whoever has ended it does not wait for bots
	} else if err != nil {
		return sum, err
	}
	h.says("%d bots have come in %v.\n", len(h.bots), time.Since(begin).Round(time.Millisecond))

	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	drivers := runtime.GOMAXPROCS(0)
	for n := range drivers {
		wg.Go(func() { h.drive(ctx, n, drivers) }) // ended by stop
	}
	sum = h.watch(ctx, o.settle)
	faults := make([]error, 0, len(h.bots)+3)
	if n := sum.Total(); n > 0 {
		faults = append(faults, fmt.Errorf("%d violations", n))
	}
	if o.length > 0 && sum.Packets == 0 {
		faults = append(faults, errors.New("nothing was seen: the time was too short"))
	}
	if sum.Checks >= report && sum.Judged == 0 {
		faults = append(faults, errors.New("nothing could be checked: updates come too seldom"))
	}
	for _, b := range h.bots {
		faults = append(faults, b.err())
	}
	return sum, few(faults)
}

// few joins the first of some errors, and counts the rest: what fails for one bot
// fails for most.
func few(faults []error) error {
	const most = 3
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if n := len(faults) - most; n > 0 {
		faults = append(faults[:most], fmt.Errorf("and %d more", n))
	}
	return errors.Join(faults...)
}

// gather connects the bots, some at a time.
func (h *herd) gather(ctx context.Context, o options) error {
	h.bots = make([]*bot, o.bots)
	faults := make([]error, o.bots)
	next := make(chan int)
	var wg sync.WaitGroup
	for range joiners {
		wg.Go(func() { // ended by the end of next
			for n := range next {
				h.bots[n], faults[n] = join(ctx, o, fmt.Sprint("bot-", n+1))
			}
		})
	}
	for n := range o.bots {
		next <- n
	}
	close(next)
	wg.Wait()
	h.bots = slices.DeleteFunc(h.bots, func(b *bot) bool { return b == nil })
	return few(faults)
}

// drive has every so-many-th bot act, each once in a tick, spread over the tick.
func (h *herd) drive(ctx context.Context, first, step int) {
	const turns = 10
	t := time.NewTicker(world.Tick / turns)
	defer t.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		for n := first + step*(turn%turns); n < len(h.bots); n += step * turns {
			h.bots[n].act(now)
		}
	}
}

// watch checks what the bots are told until ctx ends, reports now and then, and
// sums up.
func (h *herd) watch(ctx context.Context, settle time.Duration) (sum summary) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return sum
	}
	h.take() // what was told as they came does not count
	h.gives(figures{Bots: len(h.bots)})
	t := time.NewTicker(every)
	defer t.Stop()
	var part summary
	for last := time.Now(); ; {
		over := false
		select {
		case <-t.C:
		case <-ctx.Done():
			over = true // some may be going already: there is nothing to check
		}
		s := h.take()
		s.Took = time.Since(last)
		last = last.Add(s.Took)
		if !over {
			h.check(&s)
		}
		part.add(&s)
		sum.add(&s)
		switch {
		case over:
			h.says("In %v: %v\n", sum.Took.Round(time.Second), &sum)
			for _, e := range sum.Examples {
				h.says("   %s\n", e)
			}
			h.gives(sum.figures())
			return sum
		case part.Checks == report:
			h.says("%v\n", &part)
			part = summary{}
		}
	}
}

// take sums up what has come since the last time.
func (h *herd) take() (s summary) {
	for _, b := range h.bots {
		b.take(&s)
	}
	return s
}

// check has the referee judge what the bots were shown at the check before, now
// that it is known where all were then.
func (h *herd) check(s *summary) {
	var all []*witness
	for _, b := range h.bots {
		if b.c.Err() == nil {
			all = append(all, b.testify())
		}
	}
	if h.last != nil {
		s.Checks = 1
		s.Violations, s.Shown, s.Judged = judge(h.last, all, h.bots[0].w.Enter, h.bots[0].w.Exit)
	}
	h.last = all
}
