package session

import (
	"math"
	"runtime/debug"
	"sync/atomic"
)

// Budget bounds the memory of all queues of a process together: what waits to be
// sent, and what reliable messages by UDP take until they are acknowledged at one
// end, and whole, in order and taken at the other. Above three quarters of it,
// what one session may queue shrinks to 64 KiB, so that the biggest queues give
// way and nobody else notices. The zero Budget and the nil one count and do not
// limit.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes; 0 means a quarter of the Go memory
// limit where one is set, else 1 GiB; a negative limit is none.
func NewBudget(limit int64) *Budget {
	if limit == 0 {
		limit = 1 << 30
		if m := debug.SetMemoryLimit(-1); m != math.MaxInt64 {
			limit = m / 4
		}
	}
	return &Budget{limit: limit}
}

func (b *Budget) add(n int) {
	if b != nil {
		b.used.Add(int64(n))
	}
}

// exhausted reports whether a session that has queued bytes waiting may not
// queue more.
func (b *Budget) exhausted(queued int) bool {
	return b != nil && b.limit > 0 && queued > chunkSize && b.used.Load() > b.limit/4*3
}

// Used is how many bytes the queues hold.
func (b *Budget) Used() int64 { return b.used.Load() }
