package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	cutDuos  = 20
	cutPause = 20 * time.Millisecond  // between two messages of a partner's
	cutPhase = 300 * time.Millisecond // over which the cuts are spread: a path is looked at so often
	cutWatch = time.Second            // and what happens then
	cutLimit = 280 * time.Millisecond
)

// switchover is the work of noticing that a direct path has died: two clients
// tell each other something reliable 50 times a second, and from some moment on
// nothing that they send each other directly arrives, while nobody says so. It
// costs the longest time that nothing is heard, besides the time between two
// messages.
func switchover() work {
	const name = "switchover"
	return work{
		name:    name,
		subject: subject{name: troupePairs},
		target:  target{value: microseconds(cutLimit), of: "max_us"},
		cost:    func(f figures) float64 { return microseconds(f.longest) },
		run: acquaintance{name: name, duos: func(*options) int { return cutDuos }, do: func(ctx context.Context, duos []*duo, o *options) (figures, error) {
			if _, err := inTurn(ctx, duos, find); err != nil {
				return figures{}, err
			}
			return summary(cutAll(ctx, duos, o.measured))
		}}.run,
	}
}

// cutAll has all duos talk, cuts their paths after that time, and returns how
// long each end heard nothing.
func cutAll(ctx context.Context, duos []*duo, after time.Duration) ([]time.Duration, error) {
	stalls, errs := make([]time.Duration, 2*len(duos)), make([]error, len(duos))
	var wg sync.WaitGroup
	for i, d := range duos {
		wg.Go(func() { // ended by the time or by ctx
			errs[i] = d.cut(ctx, after+cutPhase*time.Duration(i)/time.Duration(len(duos)), stalls[2*i:])
		})
	}
	wg.Wait()
	return stalls, errors.Join(errs...)
}

// cut has the two talk and cuts their path after that time. It is an error if
// something that they said does not come, or not in its turn.
func (d *duo) cut(ctx context.Context, after time.Duration, stalls []time.Duration) error {
	var ears [2]ear
	for i, p := range d.ends {
		p.on(nil, ears[i].hear)
	}
	talk, hush := context.WithCancel(ctx)
	defer hush()
	var said [2]uint64
	var errs [2]error
	var wg sync.WaitGroup
	for i, p := range d.ends {
		wg.Go(func() { said[i], errs[i] = p.count(talk) }) // ended by hush
	}
	err := sleep(ctx, after)
	for i, p := range d.ends {
		if err == nil && !p.isDirect() {
			err = errors.New("the path is not direct before it is cut")
		}
		ears[i].watch()
		p.post.cut.Store(true)
	}
	if err == nil {
		err = sleep(ctx, cutWatch)
	}
	hush()
	wg.Wait()
	if err := errors.Join(err, errs[0], errs[1]); err != nil {
		return fmt.Errorf("duo %d: %w", d.number, err)
	}
	for i := range ears {
		if stalls[i], err = ears[i].judge(ctx, said[1-i]); err != nil {
			return fmt.Errorf("duo %d: %w", d.number, err)
		}
	}
	return nil
}

// count says numbers until ctx ends, and returns how many.
func (p *partner) count(ctx context.Context) (said uint64, err error) {
	tick := time.NewTicker(cutPause)
	defer tick.Stop()
	for ; ; said++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return said, nil
		}
		if err := p.tell(binary.BigEndian.AppendUint64(payload(1)[:payloadSize-8], said)); err != nil {
			return said, err
		}
	}
}

// ear hears numbers, in their order.
type ear struct {
	mu       sync.Mutex
	next     uint64
	last     time.Time
	watching bool
	longest  time.Duration // between two, since it is watched
	wrong    error
}

func (e *ear) hear(b []byte) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(b) != payloadSize || binary.BigEndian.Uint64(b[payloadSize-8:]) != e.next {
		e.wrong = cmp.Or(e.wrong, fmt.Errorf("%x came in place of number %d", b, e.next))
		return
	}
	e.next++
	if e.watching {
		e.longest = max(e.longest, now.Sub(e.last))
	}
	e.last = now
}

func (e *ear) watch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watching = true
}

// judge waits until all that was said has been heard, and returns the stall.
func (e *ear) judge(ctx context.Context, said uint64) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, duoPatience)
	defer cancel()
	for {
		e.mu.Lock()
		heard, longest, wrong := e.next, e.longest, e.wrong
		e.mu.Unlock()
		if heard >= said || wrong != nil {
			return longest - cutPause, wrong
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d of %d reliable messages have come: %w", heard, said, err)
		}
	}
}
