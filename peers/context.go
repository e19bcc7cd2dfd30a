package peers

import (
	"context"
	"iter"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Behavior handles a peer's messages, one at a time.
type Behavior interface{ Receive(*Context) }

// Func is a Behavior made of a function, often a method: one for each state.
type Func func(*Context)

// Receive implements Behavior.
func (f Func) Receive(c *Context) { f(c) }

// Started is a behaviour's first message.
type Started struct{}

// Closed is a behaviour's last message. The peer is in no group and directory
// any more, and what is sent to it goes nowhere.
type Closed struct {
	Code   wire.Code
	Text   string
	Remote bool  // the client closed, or vanished
	Err    error // the cause, a *CloseError
}

// Context is a behaviour's view of its peer and of the actor runtime. Like
// every actor.Context it belongs to the peer's turn.
type Context struct {
	*Peer
	actor.Context
	message any
}

// Message is the message being handled.
func (c *Context) Message() any { return c.message }

// Become changes the behaviour from the next message on: the next operation
// goes to b.
func (c *Context) Become(b Behavior) {
	if b == nil {
		panic("peers: Become needs a Behavior")
	}
	c.Peer.shell.behavior = b
}

// Stop is Close with CodeNormal.
func (c *Context) Stop() { c.Peer.Close(wire.CodeNormal, "") }

// Call asks the client something and waits, see [Peer.Call]. What this turn has
// put in so far is sent first.
func (c *Context) Call(ctx context.Context, code uint16, b wire.Body) (wire.Response, error) {
	c.Flush()
	return c.Peer.Call(ctx, code, b)
}

// CallWith is Call by another delivery, see [Peer.CallWith].
func (c *Context) CallWith(ctx context.Context, code uint16, b wire.Body, d wire.Delivery) (wire.Response, error) {
	c.Flush()
	return c.Peer.CallWith(ctx, code, b, d)
}

// Event tells the client something, see [Peer.Event]. What one turn of the
// behaviour sends leaves together when it ends; Flush sends it now.
func (c *Context) Event(code uint16, b wire.Body, d wire.Delivery) error {
	return c.Peer.session.PutEvent(&wire.Event{Code: code, Delivery: d, Body: b})
}

// Flush sends what this turn has put in so far: for behaviours that go on to
// block.
func (c *Context) Flush() { c.Peer.shell.flush() }

// Broadcast is [Broadcast] whose events leave when this turn of the behaviour
// ends: several broadcasts cost each client one packet.
func (c *Context) Broadcast(to iter.Seq[*Peer], code uint16, b wire.Body, d wire.Delivery) error {
	sh := &c.Peer.shell
	return broadcast(to, code, b, d, func(s *session.Session) {
		if sh.dirty = append(sh.dirty, s); len(sh.dirty) >= maxDirty {
			sh.flush()
		}
	})
}

// maxDirty is how many sessions a turn remembers to flush.
const maxDirty = 4096

// Broadcast tells many clients the same; it is encoded once. An error says that
// it can't be sent to anybody. Where one client's queue is full, or it is
// closing, only it misses out, as Peer.Event describes.
func Broadcast(to iter.Seq[*Peer], code uint16, b wire.Body, d wire.Delivery) error {
	return broadcast(to, code, b, d, (*session.Session).Flush)
}

func broadcast(to iter.Seq[*Peer], code uint16, b wire.Body, d wire.Delivery, put func(*session.Session)) error {
	m := wire.Event{Code: code, Delivery: d, Body: b}
	if size := m.Size(); size+1 > wire.MaxFrame {
		return ErrTooLarge
	}
	if !d.Valid() {
		return ErrNoSuchChannel
	}
	frame := m.AppendFrame(nil)
	var err error
	for p := range to {
		switch p.session.PutFrame(frame, d) {
		case nil:
			put(p.session)
		case ErrTooLarge: // above the limit of the server: the same for all
			err = ErrTooLarge
		}
	}
	return err
}
