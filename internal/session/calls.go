package session

import (
	"context"
	"sync"

	"github.com/troupe-go/troupe/wire"
)

// maxCalls is how many calls of one session may wait for their answer.
const maxCalls = 1024

// Calls matches responses with the operations that asked for them. The zero
// value is ready to use.
type Calls struct {
	mu      sync.Mutex
	last    uint32
	waiting map[uint32]chan wire.Response
	closed  *CloseError
}

// Do sends an operation by way of send, which is given its request number, and
// waits for the answer until ctx ends. The answer owns its bytes.
func (c *Calls) Do(ctx context.Context, send func(request uint32) error) (wire.Response, error) {
	if err := ctx.Err(); err != nil {
		return wire.Response{}, err
	}
	answer := make(chan wire.Response, 1)
	request, err := c.add(answer)
	if err != nil {
		return wire.Response{}, err
	}
	if err := send(request); err != nil {
		c.drop(request)
		return wire.Response{}, err
	}
	select {
	case r, ok := <-answer:
		if !ok {
			return wire.Response{}, c.reason()
		}
		return r, nil
	case <-ctx.Done():
		c.drop(request)
		return wire.Response{}, ctx.Err()
	}
}

func (c *Calls) add(answer chan wire.Response) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return 0, c.closed
	}
	if len(c.waiting) >= maxCalls {
		return 0, ErrOverloaded
	}
	if c.waiting == nil {
		c.waiting = make(map[uint32]chan wire.Response)
	}
	for {
		c.last++
		if _, used := c.waiting[c.last]; c.last != 0 && !used {
			break
		}
	}
	c.waiting[c.last] = answer
	return c.last, nil
}

func (c *Calls) drop(request uint32) {
	c.mu.Lock()
	delete(c.waiting, request)
	c.mu.Unlock()
}

func (c *Calls) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Answer takes a response, a view; one that nobody waits for any more is
// dropped and reported false.
func (c *Calls) Answer(r *wire.Response) bool {
	c.mu.Lock()
	answer, ok := c.waiting[r.Request]
	delete(c.waiting, r.Request)
	c.mu.Unlock()
	if !ok {
		return false
	}
	owned := *r
	owned.Body = r.Body.Clone()
	answer <- owned // capacity 1, and only this one
	return true
}

// Close fails all that wait and all that come.
func (c *Calls) Close(err *CloseError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = err
	}
	for request, answer := range c.waiting {
		delete(c.waiting, request)
		close(answer)
	}
}
