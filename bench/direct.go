package main

import (
	"context"
	"fmt"
	"time"
)

// What share of datagrams gets lost each way where some do.
const farLoss = 0.1

// direct is the work of finding a direct path between two clients. It costs the
// time from the server's word, at the end that has it first, until both ends
// have one.
func direct() work {
	return finding("direct", 0, roundTrip+5*time.Millisecond)
}

// directLoss is the same where every tenth datagram gets lost.
func directLoss() work {
	return finding("directloss", farLoss, 70*time.Millisecond)
}

func finding(name string, loss float64, limit time.Duration) work {
	return work{
		name:    name,
		subject: subject{name: troupePairs},
		target:  target{value: microseconds(limit), of: "p50_us"},
		cost:    func(f figures) float64 { return microseconds(f.p50) },
		run: acquaintance{name: name, duos: meetings, loss: loss, do: func(ctx context.Context, duos []*duo, o *options) (figures, error) {
			took, err := inTurn(ctx, duos, find)
			var joins []time.Duration
			for _, d := range duos {
				joins = append(joins, d.span(func(p *partner) time.Time { return p.met }))
			}
			fmt.Fprintf(o.stderr, "%s: from the join p50 %v, max %v\n", name, quantile(joins, 0.5), quantile(joins, 1))
			return summary(took, err)
		}}.run,
	}
}

// find has the two meet, and waits until each reaches the other directly.
func find(ctx context.Context, d *duo) ([]time.Duration, error) {
	if err := d.meet(ctx, true); err != nil {
		return nil, err
	}
	if err := d.findPath(ctx); err != nil {
		return nil, err
	}
	return []time.Duration{d.span(func(p *partner) time.Time { return p.punched })}, nil
}

// span is how long it has taken from something, at the end where it was first,
// until both ends had a path.
func (d *duo) span(from func(*partner) time.Time) time.Duration {
	var first, last time.Time
	for _, p := range d.ends {
		p.mu.Lock()
		if at := from(p); first.IsZero() || at.Before(first) {
			first = at
		}
		if p.found.After(last) {
			last = p.found
		}
		p.mu.Unlock()
	}
	return last.Sub(first)
}
