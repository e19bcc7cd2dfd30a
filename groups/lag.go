package groups

import (
	"sync/atomic"
	"time"
)

// How much and how long messages may wait for the owner.
const (
	maxLag     = 1 << 20
	maxLagTime = 5 * time.Second
)

// lag counts what members have caused to be sent to the owner and the owner has
// not handled yet. Its methods may be called from any goroutine.
type lag struct {
	bytes   atomic.Int64
	begun   atomic.Uint64 // messages
	ended   atomic.Uint64
	watched atomic.Bool // the group's actor looks at it from time to time
}

// waits is one message that waits for the owner.
type waits struct {
	lag  *lag
	size int64
	done atomic.Bool
}

// begin counts a message of n bytes, unless there are too many.
func (l *lag) begin(n int) (*waits, bool) {
	w := &waits{lag: l, size: int64(n + 64)}
	if l.bytes.Add(w.size) > maxLag {
		l.bytes.Add(-w.size)
		return nil, false
	}
	l.begun.Add(1)
	return w, true
}

// end uncounts it, once: the owner may pass a message on.
func (w *waits) end() {
	if w != nil && !w.done.Swap(true) {
		w.lag.bytes.Add(-w.size)
		w.lag.ended.Add(1)
	}
}

// idle reports whether nothing waits.
func (l *lag) idle() bool { return l.ended.Load() >= l.begun.Load() }
