package peers

import (
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

var (
	// ErrNotAsked says that the client waits for no answer, or has had it.
	ErrNotAsked = session.ErrNotAsked
	// ErrLent says that an operation was kept after Receive had returned;
	// Clone it, or take a Reply with Later.
	ErrLent = session.ErrLent
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
	question session.Question
}

// Peer is who sent the operation.
func (o *Operation) Peer() *Peer { return o.peer }

// Asks reports whether the client waits for an answer.
func (o *Operation) Asks() bool { return o.question.Asks() }

// Delivery is how the client sent it.
func (o *Operation) Delivery() wire.Delivery { return o.question.Delivery() }

// Respond answers with success.
func (o *Operation) Respond(b wire.Body) error { return o.question.Answer(wire.ResultOK, "", b) }

// Fail answers with a failure: codes above 0 are the application's, those
// below Troupe's. text is for people.
func (o *Operation) Fail(code int32, text string) error {
	return o.question.Answer(code, text, wire.Body{})
}

// FailWith is Fail with a body.
func (o *Operation) FailWith(code int32, text string, b wire.Body) error {
	return o.question.Answer(code, text, b)
}

// Later returns the right to answer after Receive has returned. It holds no
// bytes of the operation.
func (o *Operation) Later() Reply { return Reply{o.question.Later()} }

// Clone returns a copy for keeps. Whichever of the two answers first has
// answered.
func (o *Operation) Clone() *Operation {
	return &Operation{Code: o.Code, Body: o.Body.Clone(), peer: o.peer, question: o.question.Clone()}
}

// Owned implements actor.Lent: sending an operation to an actor copies it.
func (o *Operation) Owned() any {
	if o.question.Kept() {
		return o
	}
	return o.Clone()
}

// Reply is the right to answer an operation once, from any goroutine. The zero
// Reply, that of an operation that asks for nothing, answers nobody.
type Reply struct{ r *session.Reply }

// Asks reports whether the client waits for an answer, or did.
func (p Reply) Asks() bool { return p.r != nil }

// Respond answers with success.
func (p Reply) Respond(b wire.Body) error { return p.r.Answer(wire.ResultOK, "", b) }

// Fail answers with a failure, see [Operation.Fail].
func (p Reply) Fail(code int32, text string) error { return p.r.Answer(code, text, wire.Body{}) }

// Error is a failure with a code for the client: what a handler returns to
// choose it, and what a Call returns when the other end failed.
type Error = wire.ResultError
