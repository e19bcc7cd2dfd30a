package s2s

import (
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/wire"
)

// Context is a behaviour's view of its link and of the actor runtime. Like every
// actor.Context it belongs to the actor's turn.
type Context struct {
	*Link
	actor.Context
	sh      *shell
	message any
}

// Message is the message being handled.
func (c *Context) Message() any { return c.message }

// Become changes the behaviour from the next message on.
func (c *Context) Become(b Behavior) {
	if b == nil {
		panic("s2s: Become needs a Behavior")
	}
	c.sh.behavior = b
}

// Stop is Close with CodeNormal.
func (c *Context) Stop() { c.Link.Close(wire.CodeNormal, "") }

// Notify is [Link.Notify]. What one turn of the behaviour sends leaves together
// when it ends; Flush sends it now.
func (c *Context) Notify(code uint16, b wire.Body, d wire.Delivery) error {
	_, err := c.Link.notify(code, b, d)
	return err
}

// Event is [Link.Event], and leaves as Notify does.
func (c *Context) Event(code uint16, b wire.Body, d wire.Delivery) error {
	_, err := c.Link.event(code, b, d)
	return err
}

// Flush sends what this turn has put in so far: for behaviours that go on to
// block.
func (c *Context) Flush() { c.sh.flush() }
