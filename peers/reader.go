package peers

import (
	"fmt"

	"github.com/troupe-go/troupe/internal/inbox"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// reader decodes a client's operations in the session's reader, for the peer's
// actor.
type reader struct {
	p       *Peer
	box     inbox.Box[Operation]
	refused bool // a refusal waits to be flushed
	buckets map[uint16]*session.Bucket
}

func (r *reader) start() {
	p := r.p
	r.box = inbox.Box[Operation]{Shelf: &p.home.shelf, Session: p.session, Actor: p.ref, Calls: &p.calls}
	p.session.Start(r)
}

// spoil makes an operation that was kept show in builds that look for such.
func spoil(o *Operation) { *o = Operation{Code: 0xDBDB, Body: o.Body} }

// Frame implements session.Receiver.
func (r *reader) Frame(k wire.Kind, body []byte, buf *session.Buffer) error {
	if k == wire.KindResponse {
		return r.box.Response(body)
	}
	var m wire.Operation
	if err := m.Parse(body); err != nil {
		return &CloseError{Code: wire.CodeProtocol, Text: err.Error()}
	}
	if ok, err := r.admit(&m); !ok {
		return err
	}
	o := r.box.Add(buf)
	o.Code, o.Body, o.peer, o.question = m.Code, m.Body, r.p, r.p.session.Question(&m)
	return r.box.Added()
}

// admit applies the rates: of the connection and of the operation's code. An
// error ends the session.
func (r *reader) admit(m *wire.Operation) (ok bool, err error) {
	if ok, err = r.p.session.Admit(); !ok {
		if err == nil {
			r.refuse(m, "too many messages")
		}
		return false, err
	}
	if len(r.p.home.cfg.Rates) == 0 {
		return true, nil
	}
	rate, limited := r.p.home.cfg.Rates[m.Code]
	if !limited || r.bucket(m.Code).Take(rate, r.p.session.Now()) {
		return true, nil
	}
	if err = r.p.session.Refuse(); err == nil {
		r.refuse(m, fmt.Sprintf("operation %d: at most %g a second", m.Code, rate.PerSecond))
	}
	return false, err
}

func (r *reader) bucket(code uint16) *session.Bucket {
	b := r.buckets[code]
	if b == nil {
		if r.buckets == nil {
			r.buckets = make(map[uint16]*session.Bucket)
		}
		b = new(session.Bucket)
		r.buckets[code] = b
	}
	return b
}

// refuse answers an operation that is not run, if it asks.
func (r *reader) refuse(m *wire.Operation, text string) {
	r.p.home.stats.limited.Add(1)
	if m.Request == 0 {
		return
	}
	r.p.session.PutResponse(&wire.Response{ // an error says that the session is ending
		Code: m.Code, Request: m.Request, Delivery: session.AnswerTo(m.Delivery),
		Result: wire.ResultRate, Text: text,
	})
	r.refused = true
}

// EndRead implements session.Receiver: it posts what was gathered.
func (r *reader) EndRead() error {
	err := r.box.EndRead()
	if r.refused {
		r.refused = false
		r.p.session.Flush()
	}
	return err
}

// Ended implements session.Receiver.
func (r *reader) Ended(why *CloseError) {
	r.box.End(why)
	r.p.ref.Force(ended{why})
}
