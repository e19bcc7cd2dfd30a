package peers

import (
	"errors"
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
)

var (
	// ErrNotAsked says that the client waits for no answer, or has had it.
	ErrNotAsked = errors.New("peers: no answer is awaited")
	// ErrLent says that an operation was kept after Receive had returned;
	// Clone it, or take a Reply with Later.
	ErrLent = errors.New("peers: operation kept without Clone")
)

// Operation is a client's request or notice. It is lent: it and all that it
// holds belong to the session again once Receive has returned. Sending it to
// another actor copies it; what a behaviour stores it must Clone; who only
// wants to answer later takes Later.
//
// An operation that asks for an answer and gets none fails with
// ResultUnanswered when Receive returns, unless it was cloned, sent on, or
// Later was taken.
type Operation struct {
	Code uint16
	wire.Body

	peer     *Peer
	request  uint32
	delivery wire.Delivery
	clone    bool // not lent: flushes what it answers
	answered bool
	result   int32
	later    *reply
}

// reply is the right to answer, shared by an operation's copies.
type reply struct {
	peer     *Peer
	request  uint32
	delivery wire.Delivery // of the answer
	done     atomic.Bool
}

// Peer is who sent the operation.
func (o *Operation) Peer() *Peer { return o.peer }

// Asks reports whether the client waits for an answer.
func (o *Operation) Asks() bool { return o.request != 0 }

// Delivery is how the client sent it.
func (o *Operation) Delivery() wire.Delivery { return o.delivery }

// Respond answers with success.
func (o *Operation) Respond(b wire.Body) error { return o.answer(wire.ResultOK, "", b) }

// Fail answers with a failure: codes above 0 are the application's, those
// below Troupe's. text is for people.
func (o *Operation) Fail(code int32, text string) error { return o.answer(code, text, wire.Body{}) }

// FailWith is Fail with a body.
func (o *Operation) FailWith(code int32, text string, b wire.Body) error {
	return o.answer(code, text, b)
}

func (o *Operation) answer(result int32, text string, b wire.Body) error {
	switch {
	case o.peer == nil:
		return ErrLent
	case o.request == 0 || o.answered:
		return ErrNotAsked
	case o.later != nil && !o.later.done.CompareAndSwap(false, true):
		return ErrNotAsked
	}
	s := o.peer.session
	err := s.PutResponse(&wire.Response{
		Code: o.Code, Request: o.request, Delivery: answerTo(o.delivery), Result: result, Text: text, Body: b,
	})
	if err == ErrTooLarge { // nothing was sent: another answer may be
		if o.later != nil {
			o.later.done.Store(false)
		}
		return err
	}
	o.answered, o.result = true, result
	if o.clone {
		s.Flush()
	}
	return err
}

// answerTo is how the answer to an operation travels: reliable, on its channel,
// and twice if the operation did.
func answerTo(d wire.Delivery) wire.Delivery {
	a := wire.Reliable.On(d.Channel())
	if d.IsTwice() {
		a = a.Twice()
	}
	return a
}

// Later returns the right to answer after Receive has returned. It holds no
// bytes of the operation.
func (o *Operation) Later() Reply {
	if o.peer == nil || o.request == 0 || o.answered {
		return Reply{}
	}
	return Reply{code: o.Code, r: o.shared()}
}

func (o *Operation) shared() *reply {
	if o.later == nil {
		o.later = &reply{peer: o.peer, request: o.request, delivery: answerTo(o.delivery)}
	}
	return o.later
}

// Clone returns a copy for keeps. Whichever of the two answers first has
// answered.
func (o *Operation) Clone() *Operation {
	c := *o
	c.Body, c.clone = o.Body.Clone(), true
	if o.peer != nil && o.request != 0 && !o.answered {
		c.later = o.shared()
	}
	return &c
}

// Owned implements actor.Lent: sending an operation to an actor copies it.
func (o *Operation) Owned() any {
	if o.clone {
		return o
	}
	return o.Clone()
}

// Reply is the right to answer an operation once, from any goroutine. The zero
// Reply, that of an operation that asks for nothing, answers nobody.
type Reply struct {
	code uint16
	r    *reply
}

// Asks reports whether the client waits for an answer, or did.
func (p Reply) Asks() bool { return p.r != nil }

// Respond answers with success.
func (p Reply) Respond(b wire.Body) error { return p.answer(wire.ResultOK, "", b) }

// Fail answers with a failure, see [Operation.Fail].
func (p Reply) Fail(code int32, text string) error { return p.answer(code, text, wire.Body{}) }

func (p Reply) answer(result int32, text string, b wire.Body) error {
	if p.r == nil || !p.r.done.CompareAndSwap(false, true) {
		return ErrNotAsked
	}
	s := p.r.peer.session
	err := s.PutResponse(&wire.Response{
		Code: p.code, Request: p.r.request, Delivery: p.r.delivery, Result: result, Text: text, Body: b,
	})
	if err == ErrTooLarge {
		p.r.done.Store(false)
	}
	s.Flush()
	return err
}

// Error is a failure with a code for the client: what a handler returns to
// choose it, and what a Call returns when the other end failed.
type Error = wire.ResultError
