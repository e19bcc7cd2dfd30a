package actor

import "sync"

// runQueue runs actors on a fixed set of goroutines behind one queue: the
// cheapest wake-up there is, but an actor that blocks holds up a worker. Its
// length is bounded by the number of actors: each stands in it at most once.
type runQueue struct {
	throughput int
	workers    sync.WaitGroup

	mu      sync.Mutex
	ready   sync.Cond
	ring    []func() // length is a power of two
	head, n int
	waiting int
	closed  bool
}

func newRunQueue(workers, throughput int) *runQueue {
	r := &runQueue{throughput: throughput, ring: make([]func(), 64)}
	r.ready.L = &r.mu
	for range workers {
		r.workers.Go(r.work) // ended by close
	}
	return r
}

// Throughput implements protoactor's Dispatcher.
func (r *runQueue) Throughput() int { return r.throughput }

// Schedule implements protoactor's Dispatcher. It never blocks.
func (r *runQueue) Schedule(fn func()) {
	r.mu.Lock()
	if r.n == len(r.ring) {
		ring := make([]func(), 2*r.n)
		k := copy(ring, r.ring[r.head:])
		copy(ring[k:], r.ring[:r.head])
		r.ring, r.head = ring, 0
	}
	r.ring[(r.head+r.n)&(len(r.ring)-1)] = fn
	r.n++
	wake := r.waiting > 0
	r.mu.Unlock()
	if wake {
		r.ready.Signal()
	}
}

func (r *runQueue) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.ready.Broadcast()
	r.workers.Wait()
}

func (r *runQueue) work() {
	var batch [32]func()
	var i, n int
	ended := false
	defer func() {
		if !ended { // an actor has called runtime.Goexit: another goroutine goes on
			for _, fn := range batch[min(i+1, n):n] {
				r.Schedule(fn)
			}
			r.workers.Go(r.work) // ended by close
		}
	}()
	for {
		if n = r.take(batch[:]); n == 0 {
			ended = true
			return
		}
		for i = range n {
			batch[i]()
			batch[i] = nil
		}
	}
}

// take waits for work and moves at most half of what is queued into batch, so
// that the other workers find some as well. It returns 0 once closed and empty.
func (r *runQueue) take(batch []func()) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.n == 0 {
		if r.closed {
			return 0
		}
		r.waiting++
		r.ready.Wait()
		r.waiting--
	}
	n := min((r.n+1)/2, len(batch))
	for i := range n {
		batch[i] = r.ring[r.head]
		r.ring[r.head] = nil
		r.head = (r.head + 1) & (len(r.ring) - 1)
	}
	r.n -= n
	return n
}
