package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// work is one thing that servers are measured at.
type work struct {
	name      string
	subject   subject // Troupe's
	reference subject // without a name there is none
	run       func(ctx context.Context, s subject, o *options) (figures, error)
	cost      func(figures) float64 // what ratio compares
	target    target
}

// subject is a server, by the name that bench serve knows it by, and how the
// load speaks to it.
type subject struct {
	name    string
	dialect dialect
}

// target is the figure that Troupe is to stay at or below.
type target struct {
	value float64
	of    string // the JSON name of what it bounds: ratio, bytes_per_peer, p50_us
}

// figures are the results of one run, or the medians of several. A work leaves
// at zero what it does not measure.
type figures struct {
	opsPerSecond float64
	serverCPU    time.Duration // of one operation
	p50, p99     time.Duration
	bytesPerPeer float64
}

// works lists all works in the order in which they are done.
func works() []work {
	return []work{
		echo("echo16", 16, 1.5),
		echo("echo1", 1, 1.2),
		fanout(),
		groupReady(64, 10*time.Millisecond),
		groupReady(256, 40*time.Millisecond),
		idle(),
	}
}

func (w *work) isNamed(name string) bool {
	return name == w.name || name == strings.TrimRight(w.name, "0123456789")
}

// sides are the servers that the work is done by: Troupe's, and the reference
// if there is one.
func (w *work) sides() []subject {
	if w.reference.name == "" {
		return []subject{w.subject}
	}
	return []subject{w.subject, w.reference}
}

// compare runs the sides in turn, so that a change of the machine's mood meets
// both, and returns a line for each. The ratio is the median of those of
// neighbouring runs; without a reference it is the cost's to the target.
func (w *work) compare(ctx context.Context, o *options) ([]line, error) {
	sides := w.sides()
	all := make([][]figures, len(sides))
	var ratios []float64
	for i := range o.runs {
		costs := make([]float64, len(sides))
		for k, s := range sides {
			f, err := w.run(ctx, s, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			all[k], costs[k] = append(all[k], f), w.cost(f)
		}
		if slices.Min(costs) <= 0 {
			return nil, fmt.Errorf("too little to be measured: %v", costs)
		}
		ratios = append(ratios, costs[0]/w.measure(costs))
		fmt.Fprintf(o.stderr, "%s run %d of %d: costs %.0f, ratio %.3f\n", w.name, i+1, o.runs, costs, ratios[i])
	}
	lines := make([]line, len(sides))
	for k, s := range sides {
		lines[k] = newLine(w, s, medians(all[k]))
		lines[k].Ratio = 1
	}
	lines[0].Ratio, lines[0].Target, lines[0].TargetOf = median(ratios), w.target.value, w.target.of
	return lines, nil
}

// measure is what the first of costs, Troupe's, is compared with.
func (w *work) measure(costs []float64) float64 {
	if len(costs) == 1 {
		return w.target.value
	}
	return costs[1]
}

func medians(all []figures) figures {
	return figures{
		opsPerSecond: medianOf(all, func(f figures) float64 { return f.opsPerSecond }),
		serverCPU:    medianOf(all, func(f figures) time.Duration { return f.serverCPU }),
		p50:          medianOf(all, func(f figures) time.Duration { return f.p50 }),
		p99:          medianOf(all, func(f figures) time.Duration { return f.p99 }),
		bytesPerPeer: medianOf(all, func(f figures) float64 { return f.bytesPerPeer }),
	}
}

func medianOf[T cmp.Ordered](all []figures, field func(figures) T) T {
	values := make([]T, len(all))
	for i, f := range all {
		values[i] = field(f)
	}
	return median(values)
}

// median returns the middle one, the lower of two.
func median[T cmp.Ordered](values []T) T {
	return quantile(slices.Clone(values), 0.5)
}

// quantile sorts values and returns the one that a share of q does not exceed;
// of none it is zero.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	slices.Sort(values)
	return values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
}
