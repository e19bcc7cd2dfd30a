package s2s

import (
	"context"
	"errors"
	"time"

	"github.com/troupe-go/troupe/internal/arbiter"
	"github.com/troupe-go/troupe/internal/inbox"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// live is one connection with the other server, that is the link or may become
// it. It is the Receiver of its session.
type live struct {
	// set once
	l       *Link
	conn    arbiter.Conn
	session *session.Session
	init    Established // what the behaviour is told of it
	calls   session.Calls
	theirs  uint64    // incarnation of the other end
	expiry  time.Time // of the other's certificate; zero: none

	// the reader's
	box     inbox.Box[message]
	confirm bool // a Confirm must come first

	// the keeper's
	started bool
	pulse   pulse
	why     *CloseError // why it has ended; the first reason counts

	// the behaviour's
	phase phase
}

// phase is what the behaviour knows of a connection.
type phase uint8

const (
	unknown phase = iota
	begun
	over
)

func newLive(l *Link, s *session.Session) *live {
	lv := &live{l: l, session: s}
	lv.box = inbox.Box[message]{Shelf: &l.home.shelf, Session: s, Actor: l.user, Calls: &lv.calls}
	s.BetweenServers()
	return lv
}

// because notes why it ends, and returns why it does: the first reason given.
func (lv *live) because(why *CloseError) *CloseError {
	if lv.why == nil {
		lv.why = why
	}
	return lv.why
}

// sayConfirm puts in, as the first frame, that this connection is the link.
func (lv *live) sayConfirm(generation uint64) {
	lv.session.PutMessage(wire.KindConfirm, &wirepb.Confirm{Generation: generation}) // it fits, and nothing is queued: no error
}

// flush sends what was put in; lv may be nil.
func (lv *live) flush() {
	if lv != nil {
		lv.session.Flush()
	}
}

// Frame implements session.Receiver.
func (lv *live) Frame(k wire.Kind, body []byte, buf *session.Buffer) error {
	early := lv.confirm && lv.session.Datagrams() // what goes on other channels may overtake the Confirm
	if lv.confirm != (k == wire.KindConfirm) && !early {
		return &CloseError{Code: wire.CodeProtocol, Text: k.String() + " is not expected here"}
	}
	switch k {
	case wire.KindConfirm:
		return lv.confirmed(body)
	case wire.KindResponse:
		return lv.box.Response(body)
	case wire.KindOperation:
		var m wire.Operation
		if err := m.Parse(body); err != nil {
			return malformed(err)
		}
		to := lv.box.Add(buf)
		to.from, to.event = lv, false
		to.op = Operation{Code: m.Code, Body: m.Body, link: lv.l, question: lv.session.Question(&m)}
	case wire.KindEvent:
		var m wire.Event
		if err := m.Parse(body); err != nil {
			return malformed(err)
		}
		to := lv.box.Add(buf)
		to.from, to.event = lv, true
		to.ev = Event{Code: m.Code, Delivery: m.Delivery, Body: m.Body, link: lv.l}
	}
	return lv.box.Added()
}

func malformed(err error) error { return &CloseError{Code: wire.CodeProtocol, Text: err.Error()} }

// confirmed takes the other's word that this connection is the link. What comes
// behind it waits with the behaviour until the keeper has agreed.
func (lv *live) confirmed(body []byte) error {
	var m wirepb.Confirm
	if err := wire.Unmarshal(body, &m); err != nil {
		return malformed(err)
	}
	lv.confirm = false
	lv.l.ref.Force(confirmed{lv, m.Generation})
	return nil
}

// EndRead implements session.Receiver.
func (lv *live) EndRead() error { return lv.box.EndRead() }

// Ended implements session.Receiver.
func (lv *live) Ended(why *CloseError) {
	lv.box.End(why)
	lv.l.ref.Force(ended{lv, why})
}

// call asks, and waits for the answer. ErrClosed says that nothing was sent.
func (lv *live) call(ctx context.Context, code uint16, b wire.Body) (wire.Response, error) {
	lv.session.LiftGate() // what the behaviour has not handled yet must not keep the answer out
	defer lv.session.LowerGate()
	asked := false
	r, err := lv.calls.Do(ctx, func(request uint32) error {
		err := lv.session.PutOperation(&wire.Operation{Code: code, Request: request, Body: b})
		asked = err == nil
		lv.session.Flush()
		return err
	})
	if closed, ok := errors.AsType[*CloseError](err); ok {
		if !asked {
			return r, ErrClosed
		}
		return r, downError(closed)
	}
	if err == nil && r.Result != wire.ResultOK {
		err = &Error{Code: r.Result, Text: r.Text}
	}
	return r, err
}
