package simnet

import (
	"cmp"
	"container/heap"
	"time"
)

// event is something that happens at a time. Arrivals have rank 0. Departures
// have their sender's rank and wait until their instant is over: then all of
// them are known, and their order does not depend on the scheduler.
type event struct {
	at       time.Time
	rank     uint64
	seq      uint64
	datagram bool // carries one, which makes it count as in flight
	do       func(at time.Time)
}

func (e *event) ready(now time.Time) bool {
	return e.at.Before(now) || e.rank == 0 && e.at.Equal(now)
}

// wait is how long until the event is ready, at least a nanosecond.
func (e *event) wait(now time.Time) time.Duration {
	d := e.at.Sub(now)
	if e.rank != 0 {
		d++
	}
	return max(d, 1)
}

func compareEvents(a, b *event) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.rank, b.rank), cmp.Compare(a.seq, b.seq))
}

// queue is a heap of events; use push, first and pop.
type queue struct {
	h   eventHeap
	seq uint64
}

func (q *queue) push(e *event) {
	q.seq++
	e.seq = q.seq
	heap.Push(&q.h, e)
}

// first is the earliest event, or nil.
func (q *queue) first() *event {
	if len(q.h) == 0 {
		return nil
	}
	return q.h[0]
}

func (q *queue) pop() *event { return heap.Pop(&q.h).(*event) }

func (q *queue) datagrams() (n int) {
	for _, e := range q.h {
		if e.datagram {
			n++
		}
	}
	return n
}

type eventHeap []*event

func (h eventHeap) Len() int           { return len(h) }
func (h eventHeap) Less(i, j int) bool { return compareEvents(h[i], h[j]) < 0 }
func (h eventHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)        { *h = append(*h, x.(*event)) }
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
