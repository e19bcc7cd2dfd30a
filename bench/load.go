package main

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The phases of a load.
const (
	warming int32 = iota
	measuring
	over
)

// load has connections repeat an exchange, each the next one as soon as it has
// the answer to the last.
type load struct {
	conns      []*conn
	cut        func() // ends the waits of what is no conn; nil where there is none
	lanes      []*lane
	operations int // of a block
	sampled    int // one in how many blocks has its latency taken
	phase      atomic.Int32
	fail       context.CancelCauseFunc
	twoServers bool // this process is one as well: its CPU time counts
}

// lane is blocks that follow each other. It belongs to one goroutine at a time,
// done apart.
type lane struct {
	done  atomic.Int64    // blocks
	begun int             // blocks, since the load is warm: the first is a sample, however few there are
	since time.Time       // when this block began; zero where it is no sample
	took  []time.Duration // latencies
}

// drive runs each task on a goroutine, until the load is over or fails, and
// measures once the server is warm. The figures are those of the measured time
// alone.
func (l *load) drive(ctx context.Context, srv *process, o *options, tasks []func()) (f figures, err error) {
	ctx, l.fail = context.WithCancelCause(ctx)
	defer l.fail(nil)
	interrupt := context.AfterFunc(ctx, l.interrupt) // nothing waits for a server any more
	defer interrupt()
	var wg sync.WaitGroup
	for _, task := range tasks {
		wg.Go(task) // ended by the phase or by an error
	}
	f, err = l.measure(ctx, srv, o)
	l.phase.Store(over)
	wg.Wait()
	if err := cmp.Or(context.Cause(ctx), err); err != nil {
		return figures{}, err
	}
	var took []time.Duration
	for _, lane := range l.lanes {
		took = append(took, lane.took...)
	}
	f.p50, f.p99 = quantile(took, 0.5), quantile(took, 0.99)
	return f, nil
}

// interrupt ends every wait for the server.
func (l *load) interrupt() {
	for _, c := range l.conns {
		c.nc.SetDeadline(time.Unix(1, 0)) // an error says that it is closed
	}
	if l.cut != nil {
		l.cut()
	}
}

// begin begins the lane's next block, unless the load is over.
func (l *load) begin(a *lane) bool {
	phase := l.phase.Load()
	a.since = time.Time{}
	if phase == measuring {
		if a.begun%l.sampled == 0 {
			a.since = time.Now()
		}
		a.begun++
	}
	return phase != over
}

// end ends the lane's block.
func (l *load) end(a *lane) {
	if !a.since.IsZero() {
		a.took = append(a.took, time.Since(a.since))
	}
	a.done.Add(1)
}

// talk has something said every chatPause, until the load is over. counts is
// whether it is measured.
func (l *load) talk(ctx context.Context, first time.Duration, say func(counts bool) error) {
	if sleep(ctx, first) != nil {
		return
	}
	tick := time.NewTicker(chatPause)
	defer tick.Stop()
	for phase := l.phase.Load(); phase != over; phase = l.phase.Load() {
		if err := say(phase == measuring); err != nil {
			l.fail(err)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// measure waits for the load to warm up and compares two moments behind that.
func (l *load) measure(ctx context.Context, srv *process, o *options) (figures, error) {
	if err := sleep(ctx, o.warmUp()); err != nil {
		return figures{}, err
	}
	l.phase.Store(measuring)
	first, err := l.look(srv)
	if err != nil {
		return figures{}, err
	}
	if err := sleep(ctx, o.measured); err != nil {
		return figures{}, err
	}
	last, err := l.look(srv)
	if err != nil {
		return figures{}, err
	}
	n := (last.blocks - first.blocks) * int64(l.operations)
	if n == 0 {
		return figures{}, fmt.Errorf("no answer in %v", o.measured)
	}
	return figures{
		opsPerSecond: float64(n) / last.at.Sub(first.at).Seconds(),
		serverCPU:    (last.cpu - first.cpu) / time.Duration(n),
	}, nil
}

// moment is what has been done so far.
type moment struct {
	at     time.Time
	cpu    time.Duration
	blocks int64
}

func (l *load) look(srv *process) (moment, error) {
	m := moment{at: time.Now()}
	for _, lane := range l.lanes {
		m.blocks += lane.done.Load()
	}
	var err error
	if m.cpu, err = srv.cpu(); err != nil || !l.twoServers {
		return m, err
	}
	own, err := cpuOf("self")
	m.cpu += own
	return m, err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
