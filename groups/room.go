package groups

import "sync"

// room wakes senders that wait for a place in the group's mailbox.
type room struct {
	mu     sync.Mutex
	waits  chan struct{} // closed by the next wake; nil while nobody asks
	closed bool
}

// ask returns a channel that is closed when there may be room, or reports that
// the group is over. It is asked before the attempt, so that no wake is missed.
func (r *room) ask() (wake <-chan struct{}, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waits == nil && !r.closed {
		r.waits = make(chan struct{})
	}
	return r.waits, r.closed
}

func (r *room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeLocked()
}

func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.wakeLocked()
}

func (r *room) wakeLocked() {
	if r.waits != nil {
		close(r.waits)
		r.waits = nil
	}
}
