package actor

import "sync"

// pool runs actors that may block: it re-uses parked goroutines, whose stacks
// have grown already, and starts another when none is parked.
type pool struct {
	throughput int
	maxIdle    int
	workers    sync.WaitGroup

	mu     sync.Mutex
	idle   *worker // last parked first: its stack is warm
	nIdle  int
	closed bool
}

type worker struct {
	work chan func() // capacity 1, sent to by whoever took the worker off the idle list
	next *worker
}

func newPool(throughput, maxIdle int) *pool {
	return &pool{throughput: throughput, maxIdle: maxIdle}
}

// Throughput implements protoactor's Dispatcher.
func (p *pool) Throughput() int { return p.throughput }

// Schedule implements protoactor's Dispatcher. It never blocks. After close it
// does nothing: whoever posts to an actor that stops meanwhile may come late.
func (p *pool) Schedule(fn func()) {
	p.mu.Lock()
	if w := p.idle; w != nil {
		p.idle, w.next = w.next, nil
		p.nIdle--
		p.mu.Unlock()
		w.work <- fn
		return
	}
	if !p.closed {
		w := &worker{work: make(chan func(), 1)}
		p.workers.Go(func() { p.run(w, fn) }) // ended by close, or parked as one too many
	}
	p.mu.Unlock()
}

func (p *pool) run(w *worker, fn func()) {
	for ok := true; ok; fn, ok = <-w.work {
		fn()
		fn = nil // holds an actor
		p.mu.Lock()
		if p.closed || p.nIdle >= p.maxIdle {
			p.mu.Unlock()
			return
		}
		w.next, p.idle = p.idle, w
		p.nIdle++
		p.mu.Unlock()
	}
}

// close ends the parked goroutines and waits for the running ones: the system
// calls it when no actor is left.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle, p.nIdle = nil, 0
	p.mu.Unlock()
	for w := idle; w != nil; w = w.next {
		close(w.work)
	}
	p.workers.Wait()
}
