package actor

import (
	"context"
	"errors"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// Context is an actor's view of the runtime. It belongs to the actor's turn:
// it must not be used by other goroutines, nor kept where those reach it.
type Context struct{ s *shell }

// Message is the message being handled.
func (c *Context) Message() any { return c.s.message }

// Self refers to the actor.
func (c *Context) Self() Ref { return Ref{c.s.m} }

// System is what runs the actor.
func (c *Context) System() *System { return c.s.sys }

// Proto is protoactor-go's context of the actor.
func (c *Context) Proto() protoactor.Context { return c.s.proto }

// Become changes the behaviour from the next message on.
func (c *Context) Become(b Behavior) {
	if b == nil {
		panic("actor: Become needs a Behavior")
	}
	c.s.behavior = b
}

// Spawn starts a child. It stops with its parent, whom [Context.Watch] tells if
// it stops earlier. The Ref is good at once, and the child runs at once: its
// parent may wait for it, if it may block.
func (c *Context) Spawn(p Props, fresh func() Behavior) Ref {
	child := c.s.sys.newChild(p, fresh)
	c.s.spawn(child)
	return Ref{child.m}
}

// Stop ends the actor behind this message.
func (c *Context) Stop() { c.s.proto.Stop(c.s.proto.Self()) }

// Watch has a Terminated sent to this actor when r stops, or at once if it has.
// Watching twice is watching once.
func (c *Context) Watch(r Ref) {
	if r.m == nil || !r.m.watch(c.s.m) {
		c.s.m.force(Terminated{r})
		return
	}
	if c.s.watching == nil {
		c.s.watching = make(map[*mailbox]struct{})
	}
	c.s.watching[r.m] = struct{}{}
}

// Unwatch takes a Watch back. A Terminated that is queued already still comes.
func (c *Context) Unwatch(r Ref) {
	if r.m != nil {
		r.m.unwatch(c.s.m)
		delete(c.s.watching, r.m)
	}
}

// Respond answers whoever asked with this message, once; it reports whether
// anybody did and was still waiting.
func (c *Context) Respond(v any) bool { return c.Reply().Send(v) }

// Reply is the right to answer this message later, from any goroutine.
func (c *Context) Reply() Reply {
	if c.s.asked == nil {
		return Reply{}
	}
	c.s.asked.later = true
	return Reply{c.s.asked}
}

// Charge counts n more messages against the actor's turn: a message that
// carried many says so, and others get their turn in time.
func (c *Context) Charge(n int) { c.s.m.charge += n }

// Ctx ends when the actor stops: for what its behaviour waits for, or hands to
// others.
func (c *Context) Ctx() context.Context {
	if c.s.running == nil {
		ctx, cancel := context.WithCancel(context.Background())
		c.s.running = &goGroup{ctx: ctx, cancel: cancel}
	}
	return c.s.running.ctx
}

const maxGo = 64

// ErrBusy says that an actor has 64 functions running in Context.Go.
var ErrBusy = errors.New("actor: too many functions running")

// Go runs fn on a goroutine of its own and sends what it returns to this actor,
// nil included:
// a database's answer becomes a message, and nothing blocks meanwhile. fn must
// not touch the actor's state and should return when ctx, which ends with the
// actor, does. A panic is logged and counted and comes back as [Failed].
func (c *Context) Go(fn func(ctx context.Context) any) error {
	s := c.s
	ctx, m := c.Ctx(), s.m
	if s.running.n >= maxGo {
		return ErrBusy
	}
	s.running.n++
	s.sys.goroutines.Go(func() { // ended by fn; Shutdown waits for it
		r := &goResult{}
		returned := false
		defer func() {
			if !returned {
				err := newPanicError(recover())
				s.sys.panicked(m.name, r, err)
				r.v = Failed{err}
			}
			if m.force(r) != Accepted {
				s.sys.discard(r)
			}
		}()
		r.v = fn(ctx)
		returned = true
	})
	return nil
}

// goResult brings back what a function of Context.Go returned.
type goResult struct{ v any }

// Release implements Releaser.
func (r *goResult) Release() { release(r.v) }
