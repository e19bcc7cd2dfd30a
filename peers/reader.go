package peers

import (
	"fmt"
	"sync"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

const (
	maxBatch    = 64      // operations in one message to the actor
	batchCharge = 4096    // bytes that a further batch of the same read counts for
	maxBehind   = 1 << 20 // bytes that may wait for a peer whose Call holds the reader's gate open
)

// reader decodes a client's operations in the session's reader and posts them,
// one message for each read, to the peer's actor.
type reader struct {
	p       *Peer
	batch   *batch
	charged bool // the buffer of this read has been charged for
	refused bool // a refusal waits to be flushed
	buckets map[uint16]*session.Bucket
}

func (r *reader) start() { r.p.session.Start(r) }

// batch is the operations of one read, views of one buffer.
type batch struct {
	p      *Peer
	ops    []Operation
	next   int // those before it have been handled
	buf    *session.Buffer
	charge int
}

// batches are re-used by all peers.
var batches = sync.Pool{New: func() any { return &batch{ops: make([]Operation, 0, 16)} }}

// Release implements actor.Releaser: it gives buffer and credit back, and
// counts what was not handled.
func (b *batch) Release() {
	if rest := len(b.ops) - b.next; rest > 0 {
		b.p.home.stats.dropped.Add(uint64(rest))
	}
	b.p.session.Credit(b.charge)
	b.buf.Release()
	b.buf, b.p, b.next = nil, nil, 0
	if session.Poison {
		for i := range b.ops {
			b.ops[i] = Operation{Code: 0xDBDB, Body: b.ops[i].Body}
		}
		return
	}
	clear(b.ops)
	b.ops = b.ops[:0]
	batches.Put(b)
}

// add appends an operation. The room behind ops is cleared.
func (b *batch) add(m *wire.Operation) {
	n := len(b.ops)
	if n == cap(b.ops) {
		b.ops = append(b.ops, Operation{})
	}
	b.ops = b.ops[:n+1]
	o := &b.ops[n]
	o.Code, o.Body, o.peer, o.question = m.Code, m.Body, b.p, b.p.session.Question(m)
}

// Frame implements session.Receiver.
func (r *reader) Frame(k wire.Kind, body []byte, buf *session.Buffer) error {
	if k == wire.KindResponse {
		return r.response(body)
	}
	var m wire.Operation
	if err := m.Parse(body); err != nil {
		return &CloseError{Code: wire.CodeProtocol, Text: err.Error()}
	}
	if ok, err := r.admit(&m); !ok {
		return err
	}
	if r.batch == nil {
		r.batch = batches.Get().(*batch)
		r.batch.p, r.batch.buf = r.p, buf
		buf.Retain()
	}
	b := r.batch
	b.add(&m)
	if len(b.ops) >= maxBatch {
		return r.post(true)
	}
	return nil
}

func (r *reader) response(body []byte) error {
	var m wire.Response
	if err := m.Parse(body); err != nil {
		return &CloseError{Code: wire.CodeProtocol, Text: err.Error()}
	}
	if !r.p.calls.Answer(&m) { // late, or never asked for
		r.p.session.Counts().Late.Add(1)
		if ok, err := r.p.session.Admit(); !ok {
			return err
		}
	}
	return nil
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
	err := r.post(true)
	r.charged = false
	if r.refused {
		r.refused = false
		r.p.session.Flush()
	}
	return err
}

// post gives the actor what was gathered. It passes the mailbox's limit, which
// is there for other actors: the session's gate bounds its own. here says that
// the reader has nothing to do until more comes: it may run the actor itself.
func (r *reader) post(here bool) error {
	b := r.batch
	if b == nil {
		return nil
	}
	r.batch = nil
	b.charge = batchCharge
	if !r.charged {
		b.charge, r.charged = b.buf.Size(), true
	}
	held := r.p.session.Charge(b.charge)
	turn, posted := r.p.ref.ForceTurn(b)
	switch {
	case posted != actor.Accepted:
		b.Release() // the actor has stopped: so does the session
	case turn.IsZero():
	case here:
		r.p.session.Lend(turn)
	default:
		turn.Dispatch()
	}
	if held > maxBehind {
		return &CloseError{Code: wire.CodeOverloaded, Text: "operations pile up behind a call"}
	}
	return nil
}

// Ended implements session.Receiver.
func (r *reader) Ended(why *CloseError) {
	r.post(false) // of a read that ended in an error
	r.p.calls.Close(why)
	r.p.ref.Force(ended{why})
}
