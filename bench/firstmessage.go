package main

import (
	"context"
	"errors"
	"time"
)

// firstMessage is the work of having something to say: two clients who get to
// know of each other say so at once, by the server's relay, before any other way
// is looked for. It costs the time from one's hearing of the other's join until
// it hears the other.
func firstMessage() work {
	const name = "firstmessage"
	return work{
		name:    name,
		subject: subject{name: troupePairs},
		target:  target{value: microseconds(roundTrip * 3 / 2), of: "p99_us"},
		cost:    func(f figures) float64 { return microseconds(f.p99) },
		run: acquaintance{name: name, duos: meetings, do: func(ctx context.Context, duos []*duo, _ *options) (figures, error) {
			return summary(inTurn(ctx, duos, greet))
		}}.run,
	}
}

// greet has the two meet and say something as soon as they know of each other.
// It returns how long each waited for the other's word.
func greet(ctx context.Context, d *duo) (took []time.Duration, err error) {
	type word struct {
		took time.Duration
		err  error
	}
	words := make(chan word, 2*len(d.ends)) // of each end one that is sent, and one that comes
	for _, p := range d.ends {
		p.on(func() {
			if err := p.tell(payload(1)); err != nil {
				words <- word{err: err}
			}
		}, func(b []byte) {
			w := word{took: time.Since(p.metAt())}
			if string(b) != string(payload(1)) {
				w.err = wrongAnswer(b, payload(1))
			}
			words <- w
		})
	}
	if err := d.meet(ctx, false); err != nil {
		return nil, err
	}
	for range d.ends {
		select {
		case w := <-words:
			took, err = append(took, w.took), errors.Join(err, w.err)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return took, err
}
