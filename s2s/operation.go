package s2s

import (
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Operation is a request or notice of the other server's. It is lent: it and all
// that it holds belong to the link again once Receive has returned. Sending it to
// another actor copies it; what a behaviour stores it must Clone; who only wants
// to answer later takes Later.
//
// An operation that asks for an answer and gets none fails with
// ResultUnanswered when Receive returns, unless it was cloned, sent on, or Later
// was taken. An answer goes by the connection that brought the question, or
// nowhere.
type Operation struct {
	Code uint16
	wire.Body

	link     *Link
	question session.Question
}

// Link is what it has come by.
func (o *Operation) Link() *Link { return o.link }

// Asks reports whether the other server waits for an answer.
func (o *Operation) Asks() bool { return o.question.Asks() }

// Delivery is how it was sent.
func (o *Operation) Delivery() wire.Delivery { return o.question.Delivery() }

// Respond answers with success. It copies b.
func (o *Operation) Respond(b wire.Body) error { return o.question.Answer(wire.ResultOK, "", b) }

// Fail answers with a failure: codes above 0 are the application's, those below
// Troupe's. text is for people.
func (o *Operation) Fail(code int32, text string) error {
	return o.question.Answer(code, text, wire.Body{})
}

// Later returns the right to answer after Receive has returned. It holds no
// bytes of the operation.
func (o *Operation) Later() Reply { return Reply{o.question.Later()} }

// Clone returns a copy for keeps. Whichever of the two answers first has
// answered.
func (o *Operation) Clone() *Operation {
	return &Operation{Code: o.Code, Body: o.Body.Clone(), link: o.link, question: o.question.Clone()}
}

// Owned implements actor.Lent.
func (o *Operation) Owned() any {
	if o.question.Kept() {
		return o
	}
	return o.Clone()
}

// Reply is the right to answer an operation once, from any goroutine. The zero
// Reply, that of an operation that asks for nothing, answers nobody.
type Reply struct{ r *session.Reply }

// Respond answers with success. It copies b.
func (p Reply) Respond(b wire.Body) error { return p.r.Answer(wire.ResultOK, "", b) }

// Fail answers with a failure, see [Operation.Fail].
func (p Reply) Fail(code int32, text string) error { return p.r.Answer(code, text, wire.Body{}) }

// Event is what the other server tells. It is lent as an Operation is.
type Event struct {
	Code     uint16
	Delivery wire.Delivery
	wire.Body

	link *Link
	kept bool
}

// Link is what it has come by.
func (e *Event) Link() *Link { return e.link }

// Clone returns a copy for keeps.
func (e *Event) Clone() *Event {
	return &Event{Code: e.Code, Delivery: e.Delivery, Body: e.Body.Clone(), link: e.link, kept: true}
}

// Owned implements actor.Lent.
func (e *Event) Owned() any {
	if e.kept {
		return e
	}
	return e.Clone()
}

// message is either, as it lies in a batch.
type message struct {
	from  *live
	event bool
	op    Operation
	ev    Event
}

// spoil makes a message that was kept show in builds that look for such.
func spoil(m *message) {
	m.op = Operation{Code: 0xDBDB, Body: m.op.Body}
	m.ev = Event{Code: 0xDBDB, Body: m.ev.Body}
}
