package inbox

import (
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

const (
	maxBatch    = 64      // messages in one to the actor
	batchCharge = 4096    // bytes that a further batch of the same read counts for
	maxBehind   = 1 << 20 // bytes that may wait for an actor whose Call holds the reader's gate open
)

// Box gathers what one session reads. Its methods are for the session's Receiver,
// in its calls.
type Box[T any] struct {
	// set once
	Shelf   *Shelf[T]
	Session *session.Session
	Actor   actor.Ref
	Calls   *session.Calls

	batch   *Batch[T]
	charged bool // the buffer of this read has been charged for
}

// Add makes room for a message, whose bytes are views of buf. Behind it Added is
// to be called.
func (x *Box[T]) Add(buf *session.Buffer) *T {
	if x.batch == nil {
		x.batch = x.Shelf.batch()
		x.batch.session, x.batch.buf = x.Session, buf
		buf.Retain()
	}
	return x.batch.add()
}

// Added posts what was gathered if that is much.
func (x *Box[T]) Added() error {
	if x.batch.Len() < maxBatch {
		return nil
	}
	return x.post(true)
}

// Response takes the answer to a call.
func (x *Box[T]) Response(body []byte) error {
	var m wire.Response
	if err := m.Parse(body); err != nil {
		return &session.CloseError{Code: wire.CodeProtocol, Text: err.Error()}
	}
	if !x.Calls.Answer(&m) { // late, or never asked for
		x.Session.Counts().Late.Add(1)
		if ok, err := x.Session.Admit(); !ok {
			return err
		}
	}
	return nil
}

// EndRead posts what was gathered.
func (x *Box[T]) EndRead() error {
	err := x.post(true)
	x.charged = false
	return err
}

// End posts what was gathered by a read that ended in an error, and ends the
// calls.
func (x *Box[T]) End(why *session.CloseError) {
	x.post(false) // an error says once more that it has ended
	x.Calls.Close(why)
}

// post gives the actor what was gathered. It passes the mailbox's limit, which
// is there for other actors: the session's gate bounds its own. here says that
// the reader has nothing to do until more comes: it may run the actor itself.
func (x *Box[T]) post(here bool) error {
	b := x.batch
	if b == nil {
		return nil
	}
	x.batch = nil
	b.charge = batchCharge
	if !x.charged {
		b.charge, x.charged = b.buf.Size(), true
	}
	held := x.Session.Charge(b.charge)
	turn, posted := x.Actor.ForceTurn(b)
	switch {
	case posted != actor.Accepted:
		b.Release() // the actor has stopped: so does the session
	case turn.IsZero():
	case here:
		x.Session.Lend(turn)
	default:
		turn.Dispatch()
	}
	if held > maxBehind {
		return &session.CloseError{Code: wire.CodeOverloaded, Text: "operations pile up behind a call"}
	}
	return nil
}
