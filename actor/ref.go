package actor

import (
	"errors"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

var (
	// ErrFull says that a mailbox is at its limit; the message was not queued.
	ErrFull = errors.New("actor: mailbox full")
	// ErrStopped says that the actor is gone; the message was not queued, or
	// was still queued when the actor stopped.
	ErrStopped = errors.New("actor: stopped")
	// ErrNobody says that the Ref is the zero Ref.
	ErrNobody = errors.New("actor: nobody")
)

// Ref refers to an actor. Refs are comparable; the zero Ref is nobody. A Ref
// never comes to mean another actor. Its methods may be called from any
// goroutine, actors included: none of them waits.
type Ref struct{ m *mailbox }

// Lent is a message that its owner takes back when Receive returns. Whatever
// passes a message on takes Owned, a copy for keeps, in its place.
type Lent interface{ Owned() any }

// Send queues msg. Order is kept between one sender and one receiver. nil means
// queued, not handled: the actor may stop before. Otherwise the error is
// ErrFull, ErrStopped or ErrNobody and msg has been released.
func (r Ref) Send(msg any) error {
	if l, ok := msg.(Lent); ok {
		msg = l.Owned()
	}
	if r.m == nil {
		release(msg)
		return ErrNobody
	}
	switch r.m.tryPost(msg) {
	case Full:
		release(msg)
		return ErrFull
	case Dead:
		release(msg)
		return ErrStopped
	}
	return nil
}

// TryPost queues msg as it is, also a lent one. Unless it is Accepted, msg
// stays the caller's.
func (r Ref) TryPost(msg any) Posted {
	if r.m == nil {
		return Dead
	}
	return r.m.tryPost(msg)
}

// Force queues msg even when the mailbox is full. It is meant for what a sender
// says at most once in its life, so that the queue stays bounded all the same.
func (r Ref) Force(msg any) Posted {
	if r.m == nil {
		return Dead
	}
	return r.m.force(msg)
}

// Stop ends the actor behind what is queued.
func (r Ref) Stop() { r.Force(&protoactor.PoisonPill{}) }

// Kill ends the actor behind the message that it is handling. What is queued is
// released; askers get ErrStopped. An actor that is killed before it could start
// never makes its behaviour.
func (r Ref) Kill() {
	if r.m != nil {
		r.m.PostSystemMessage(&protoactor.Stop{})
	}
}

// Done is closed once the actor and its children have stopped. That of nobody
// is closed.
func (r Ref) Done() <-chan struct{} {
	if r.m == nil {
		return closedChan()
	}
	return r.m.done()
}

// IsZero reports whether r is nobody.
func (r Ref) IsZero() bool { return r.m == nil }

// Queued is how many messages wait in the mailbox.
func (r Ref) Queued() int {
	if r.m == nil {
		return 0
	}
	return r.m.UserMessageCount()
}

// PID is protoactor-go's address of the actor; nil for nobody and for an actor
// that has not been started yet.
func (r Ref) PID() *PID {
	if r.m == nil {
		return nil
	}
	return r.m.pid.Load()
}

// String returns the actor's name, for logs.
func (r Ref) String() string {
	if r.m == nil {
		return "nobody"
	}
	return r.m.name
}

func closedChan() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
