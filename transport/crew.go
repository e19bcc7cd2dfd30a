package transport

import "sync"

// crew is goroutines that are waited for. The zero value is ready to use.
type crew struct {
	mu   sync.Mutex
	left bool // no more may join
	wg   sync.WaitGroup
}

// join counts the goroutine, or one about to start, until done; false says
// that it is too late.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left {
		c.wg.Add(1)
	}
	return !c.left
}

func (c *crew) done() { c.wg.Done() }

// run runs f on a goroutine of the crew, unless it is too late.
func (c *crew) run(f func()) bool {
	if !c.join() {
		return false
	}
	go func() {
		defer c.done()
		f()
	}()
	return true
}

// close lets none join.
func (c *crew) close() {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
}

// wait waits for all that have joined; after close.
func (c *crew) wait() { c.wg.Wait() }
