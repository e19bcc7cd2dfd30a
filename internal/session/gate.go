package session

import "sync"

// maxInbound is how many bytes of read buffers may wait with their receivers
// before the reader stops: two large buffers, or 32 small ones.
const maxInbound = 2 * largeBuffer

// gate counts what of the reader's buffers is with receivers, and stops the
// reader at the limit.
type gate struct {
	mu      sync.Mutex
	held    int
	lifted  int // callers of lift
	closed  bool
	missed  bool          // pass has said no since it last opened
	opened  func()        // called when it opens after that, outside of mu; set before anyone charges
	stopped bool          // the reader waits, or is about to go on
	waiting chan struct{} // closed to wake the reader; nil while it does not wait
}

func (g *gate) charge(n int) (held int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += n
	return g.held
}

func (g *gate) credit(n int) {
	g.mu.Lock()
	g.held -= n
	g.wakeLocked()
	g.unlock()
}

// pass reports whether there is room. Where there is none, opened is called
// once there is.
func (g *gate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.missed = !g.openLocked()
	return !g.missed
}

// unlock unlocks mu, and tells whom pass has turned away that it is open.
func (g *gate) unlock() {
	tell := g.missed && g.opened != nil && g.openLocked()
	if tell {
		g.missed = false
	}
	g.mu.Unlock()
	if tell {
		g.opened()
	}
}

// lift lets the reader pass at the limit until as many lower have been called.
func (g *gate) lift() {
	g.mu.Lock()
	g.lifted++
	g.wakeLocked()
	g.unlock()
}

func (g *gate) lower() {
	g.mu.Lock()
	g.lifted--
	g.mu.Unlock()
}

func (g *gate) isLifted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lifted > 0
}

func (g *gate) openLocked() bool { return g.held < maxInbound || g.lifted > 0 || g.closed }

func (g *gate) wakeLocked() {
	if g.waiting != nil && g.openLocked() {
		close(g.waiting)
		g.waiting = nil
	}
}

// wait returns once there is room; at once after close. When it had to wait it
// calls resume, and the reader counts as stuck until that has returned.
func (g *gate) wait(resume func()) {
	g.mu.Lock()
	if g.openLocked() {
		g.mu.Unlock()
		return
	}
	wake := make(chan struct{})
	g.waiting, g.stopped = wake, true
	g.mu.Unlock()
	<-wake
	resume()
	g.mu.Lock()
	g.stopped = false
	g.mu.Unlock()
}

// stuck reports whether the reader waits here.
func (g *gate) stuck() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.wakeLocked()
	g.unlock()
}
