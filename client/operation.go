package client

import (
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
)

// Operation is what the server asks of this client, or tells it. It and its
// Body are lent until the callback returns. One that asks and has no answer by
// then fails with ResultUnanswered, unless Later was taken.
type Operation struct {
	Code uint16
	wire.Body

	delivery wire.Delivery
	reply    Reply
	later    bool
}

// Reply is the right to answer an operation once, from any goroutine. It holds
// no bytes of the operation. The zero Reply answers nobody.
type Reply struct{ r *reply }

type reply struct {
	c        *Client
	code     uint16
	request  uint32
	delivery wire.Delivery // of the answer
	done     atomic.Bool
}

// Asks reports whether the server waits for an answer.
func (o *Operation) Asks() bool { return o.reply.r != nil }

// Delivery is how the server sent it.
func (o *Operation) Delivery() wire.Delivery { return o.delivery }

// Respond answers with success. It copies b.
func (o *Operation) Respond(b wire.Body) error { return o.reply.Respond(b) }

// Fail answers with a failure: codes above 0 are the application's, those below
// Troupe's. text is for people.
func (o *Operation) Fail(code int32, text string) error { return o.reply.Fail(code, text) }

// Later returns the right to answer after the callback has returned.
func (o *Operation) Later() Reply {
	o.later = true
	return o.reply
}

// Respond answers with success. It copies b.
func (p Reply) Respond(b wire.Body) error { return p.answer(wire.ResultOK, "", b) }

// Fail answers with a failure, see [Operation.Fail].
func (p Reply) Fail(code int32, text string) error { return p.answer(code, text, wire.Body{}) }

func (p Reply) answer(result int32, text string, b wire.Body) error {
	if p.r == nil || !p.r.done.CompareAndSwap(false, true) {
		return ErrNotAsked
	}
	s := p.r.c.session
	err := s.PutResponse(&wire.Response{
		Code: p.r.code, Request: p.r.request, Delivery: p.r.delivery, Result: result, Text: text, Body: b,
	})
	if err == ErrTooLarge { // nothing was sent: another answer may be
		p.r.done.Store(false)
	}
	return p.r.c.flush(err)
}

// answerTo is how the answer to an operation travels: on its channel, and twice
// if the operation did.
func answerTo(d wire.Delivery) wire.Delivery {
	a := wire.Reliable.On(d.Channel())
	if d.IsTwice() {
		a = a.Twice()
	}
	return a
}

// operation hands an operation to the callback.
func (c *Client) operation(f *frame) {
	op := Operation{Code: f.Code, Body: f.Body, delivery: f.Delivery}
	if f.request != 0 {
		op.reply.r = &reply{c: c, code: f.Code, request: f.request, delivery: answerTo(f.Delivery)}
	}
	if c.cfg.OnOperation == nil {
		op.Fail(wire.ResultUnknown, "this client takes no operations") // ErrNotAsked when it was told
		return
	}
	if !c.begin() {
		return
	}
	c.cfg.OnOperation(&op)
	c.end()
	if !op.later {
		op.Fail(wire.ResultUnanswered, "the client did not answer") // ErrNotAsked when it did
	}
}
