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
	subject   subject   // Troupe's
	reference subject   // without a name there is none
	beside    []subject // for information
	run       func(ctx context.Context, s subject, o *options) (figures, error)
	cost      func(figures) float64 // what ratio compares
	target    target
}

// subject is a server, by the name that bench serve knows it by, and how the
// load speaks to it.
type subject struct {
	name    string
	dialect dialect
	voices  choir   // of what is asked by datagrams, instead of dialect
	meet    meeting // of what is talked to, as above
	haul    haulage // of what is sent in bulk, as above
	rest    resting // of what is idle, as above
	join    joining // of what is told where others are, as above
	roam    roaming // of what is a world, as above
	tun     bool    // by way of a TUN device; without one it is left out
}

// target is the figure that Troupe is to stay at or below.
type target struct {
	value float64
	of    string // the JSON name of what it bounds: ratio, bytes_per_peer, p50_us, p99_us, max_us, idle_cpu_percent; "" where there is none
}

// figures are the results of one run, or the medians of several; the longest is
// that of all runs. A work leaves at zero what it does not measure.
type figures struct {
	opsPerSecond float64
	serverCPU    time.Duration // of one operation
	p50, p99     time.Duration
	p999         time.Duration
	longest      time.Duration // of all
	lost         float64       // percent of what was sent
	idleCPU      float64       // percent of one core
	slowdown     float64       // how many times as long something takes as without what the work does to it
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
		udpEcho("udpecho100", 100),
		udpEcho("udpecho1000", 1000),
		udpEchoUnreliable("udpecho1000u", 1000),
		loss(),
		lossTwice(),
		udpBulk(),
		udpIdle(),
		udpQuiet(),
		udpAlive(),
		handshakes(),
		flood(),
		relay(),
		relayPairs(),
		firstMessage(),
		direct(),
		directLoss(),
		switchover(),
		s2sCalls("s2scalls", 64, payloadSize),
		s2sCalls("s2scallsbig", 64, bigPayload),
		s2sCalls("s2scall1", 1, payloadSize),
		s2sCalls("s2scall1big", 1, bigPayload),
		s2sEvents("s2sevents", payloadSize),
		s2sEvents("s2seventsbig", bigPayload),
		mmo(),
		mmoFew(),
		mmoDirect(),
	}
}

func (w *work) isNamed(name string) bool {
	return name == w.name || name == strings.TrimRight(w.name, "0123456789")
}

// sides are the servers that the work is done by: Troupe's, the reference if
// there is one, and those beside it
// that can be.
func (w *work) sides() []subject {
	if w.reference.name == "" {
		return []subject{w.subject}
	}
	sides := []subject{w.subject, w.reference}
	for _, s := range w.beside {
		if !s.tun || canTUN() == nil {
			sides = append(sides, s)
		}
	}
	return sides
}

// compare runs the sides in turn, so that a change of the machine's mood meets
// both, and returns a line for each. The ratio is the median of those of
// neighbouring runs; without a reference it is the cost's to the target.
func (w *work) compare(ctx context.Context, o *options) ([]line, error) {
	sides := w.sides()
	all := make([][]figures, len(sides))
	ratios := make([][]float64, len(sides))
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
		for k := range sides {
			ratios[k] = append(ratios[k], costs[k]/w.measure(costs))
		}
		fmt.Fprintf(o.stderr, "%s run %d of %d: costs %.0f, ratio %.3f\n", w.name, i+1, o.runs, costs, ratios[0][i])
	}
	lines := make([]line, len(sides))
	for k, s := range sides {
		lines[k] = newLine(w, s, medians(all[k]))
		lines[k].Ratio = median(ratios[k])
	}
	lines[0].Target, lines[0].TargetOf = w.target.value, w.target.of
	return lines, nil
}

// measure is what costs are compared with.
func (w *work) measure(costs []float64) float64 {
	switch {
	case len(costs) > 1:
		return costs[1]
	case w.target.of == "ratio": // the cost is one
		return 1
	}
	return w.target.value
}

// medians sums several runs up.
func medians(all []figures) figures {
	return figures{
		opsPerSecond: medianOf(all, func(f figures) float64 { return f.opsPerSecond }),
		serverCPU:    medianOf(all, func(f figures) time.Duration { return f.serverCPU }),
		p50:          medianOf(all, func(f figures) time.Duration { return f.p50 }),
		p99:          medianOf(all, func(f figures) time.Duration { return f.p99 }),
		p999:         medianOf(all, func(f figures) time.Duration { return f.p999 }),
		longest:      slices.MaxFunc(all, func(a, b figures) int { return cmp.Compare(a.longest, b.longest) }).longest,
		lost:         medianOf(all, func(f figures) float64 { return f.lost }),
		idleCPU:      medianOf(all, func(f figures) float64 { return f.idleCPU }),
		slowdown:     medianOf(all, func(f figures) float64 { return f.slowdown }),
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
