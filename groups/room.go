package groups

import "sync"

// room wakes senders that wait for a place in the group's mailbox.
type room struct {
	mu     sync.Mutex
	waits  chan struct{} // closed by the next wake; nil while nobody asks
	closed bool
}

// ask returns a channel that is closed when there may be room. It is asked for
// before the attempt, so that no wake is missed.
func (r *room) ask() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waits == nil {
		r.waits = make(chan struct{})
		if r.closed {
			close(r.waits)
		}
	}
	return r.waits
}

func (r *room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waits != nil && !r.closed {
		close(r.waits)
		r.waits = nil
	}
}

func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		if r.waits != nil {
			close(r.waits)
		}
	}
}
