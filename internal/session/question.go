package session

import (
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
)

// Question is what an operation that has come is answered by. It belongs to who
// handles the operation, and is lent like it: the zero Question is that of one
// that was given back.
type Question struct {
	s        *Session
	request  uint32        // 0: it asks for nothing
	delivery wire.Delivery // of the operation
	result   int32         // of the answer
	code     uint16
	answered bool
	owned    bool   // kept by who has it: flushes what it answers
	later    *Reply // shared by copies; nil: there is none
}

// Question makes that of an operation which the session has read.
func (s *Session) Question(m *wire.Operation) Question {
	return Question{s: s, code: m.Code, request: m.Request, delivery: m.Delivery}
}

// Owned is the Question of an operation that is not handled in a turn which
// flushes at its end.
func (q Question) Owned() Question {
	q.owned = true
	return q
}

// Kept reports whether it is Owned.
func (q *Question) Kept() bool { return q.owned }

// Asks reports whether the other end waits for an answer.
func (q *Question) Asks() bool { return q.request != 0 }

// Delivery is how the operation was sent.
func (q *Question) Delivery() wire.Delivery { return q.delivery }

// Open reports whether an answer is awaited that nobody else can give.
func (q *Question) Open() bool { return q.request != 0 && !q.answered && q.later == nil }

// Left reports whether somebody else can answer, or has.
func (q *Question) Left() bool { return q.later != nil }

// Answered reports whether this Question was answered, and with what result.
func (q *Question) Answered() (result int32, ok bool) { return q.result, q.answered }

// Answer answers, once.
func (q *Question) Answer(result int32, text string, b wire.Body) error {
	switch {
	case q.s == nil:
		return ErrLent
	case q.request == 0 || q.answered:
		return ErrNotAsked
	case q.later != nil && !q.later.done.CompareAndSwap(false, true):
		return ErrNotAsked
	}
	err := q.s.PutResponse(&wire.Response{
		Code: q.code, Request: q.request, Delivery: AnswerTo(q.delivery), Result: result, Text: text, Body: b,
	})
	if err == ErrTooLarge { // nothing was sent: another answer may be
		if q.later != nil {
			q.later.done.Store(false)
		}
		return err
	}
	q.answered, q.result = true, result
	if q.owned {
		q.s.Flush()
	}
	return err
}

// Later returns the right to answer when the Question has been given back; nil
// where nothing is to be answered.
func (q *Question) Later() *Reply {
	if q.s == nil || q.request == 0 || q.answered {
		return nil
	}
	if q.later == nil {
		q.later = &Reply{s: q.s, code: q.code, request: q.request, delivery: AnswerTo(q.delivery)}
	}
	return q.later
}

// Clone returns a copy for keeps. Whichever of the two answers first has answered.
func (q *Question) Clone() Question {
	q.Later()
	return q.Owned()
}

// AnswerTo is how the answer to an operation travels: reliable, on its channel,
// and twice if the operation did.
func AnswerTo(d wire.Delivery) wire.Delivery {
	a := wire.Reliable.On(d.Channel())
	if d.IsTwice() {
		a = a.Twice()
	}
	return a
}

// Reply is the right to answer an operation once, from any goroutine. It holds
// no bytes of it. That of an operation which asks for nothing is nil.
type Reply struct {
	s        *Session
	request  uint32
	delivery wire.Delivery // of the answer
	code     uint16
	done     atomic.Bool
}

// Answer answers, once.
func (r *Reply) Answer(result int32, text string, b wire.Body) error {
	if r == nil || !r.done.CompareAndSwap(false, true) {
		return ErrNotAsked
	}
	err := r.s.PutResponse(&wire.Response{
		Code: r.code, Request: r.request, Delivery: r.delivery, Result: result, Text: text, Body: b,
	})
	if err == ErrTooLarge {
		r.done.Store(false)
	}
	r.s.Flush()
	return err
}
