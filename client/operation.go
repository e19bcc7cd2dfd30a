package client

import (
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Operation is what the server asks of this client, or tells it. It and its
// Body are lent until the callback returns. One that asks and has no answer by
// then fails with ResultUnanswered, unless Later was taken.
type Operation struct {
	Code uint16
	wire.Body

	question session.Question
}

// Reply is the right to answer an operation once, from any goroutine. It holds
// no bytes of the operation. The zero Reply answers nobody.
type Reply struct{ r *session.Reply }

// Asks reports whether the server waits for an answer.
func (o *Operation) Asks() bool { return o.question.Asks() }

// Delivery is how the server sent it.
func (o *Operation) Delivery() wire.Delivery { return o.question.Delivery() }

// Respond answers with success. It copies b.
func (o *Operation) Respond(b wire.Body) error { return o.question.Answer(wire.ResultOK, "", b) }

// Fail answers with a failure: codes above 0 are the application's, those below
// Troupe's. text is for people.
func (o *Operation) Fail(code int32, text string) error {
	return o.question.Answer(code, text, wire.Body{})
}

// Later returns the right to answer after the callback has returned.
func (o *Operation) Later() Reply { return Reply{o.question.Later()} }

// Respond answers with success. It copies b.
func (p Reply) Respond(b wire.Body) error { return p.r.Answer(wire.ResultOK, "", b) }

// Fail answers with a failure, see [Operation.Fail].
func (p Reply) Fail(code int32, text string) error { return p.r.Answer(code, text, wire.Body{}) }

// operation hands an operation to the callback.
func (c *Client) operation(f *frame) {
	op := Operation{Code: f.Code, Body: f.Body, question: c.session.Question(&wire.Operation{
		Code: f.Code, Request: f.request, Delivery: f.Delivery,
	}).Owned()}
	if c.cfg.OnOperation == nil {
		op.Fail(wire.ResultUnknown, "this client takes no operations") // ErrNotAsked when it was told
		return
	}
	if !c.begin() {
		return
	}
	c.cfg.OnOperation(&op)
	c.end()
	if op.question.Open() {
		op.Fail(wire.ResultUnanswered, "the client did not answer") // an error says that the session is over
	}
}
