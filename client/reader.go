package client

import (
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// reader is the session's Receiver: it answers calls and queues the rest for
// the callbacks.
type reader struct {
	c     *Client
	from  *session.Session // whose frames these are: what waits for the callbacks holds up this one
	batch *batch           // of the read under way, or nil
}

// Frame implements session.Receiver.
func (r *reader) Frame(k wire.Kind, body []byte, buf *session.Buffer) error {
	f := frame{kind: k}
	var err error
	switch k {
	case wire.KindResponse:
		return r.response(body)
	case wire.KindOperation:
		var m wire.Operation
		err = m.Parse(body)
		f.Code, f.Delivery, f.Body, f.request = m.Code, m.Delivery, m.Body, m.Request
	case wire.KindEvent:
		var m wire.Event
		err = m.Parse(body)
		f.Code, f.Delivery, f.Body = m.Code, m.Delivery, m.Body
	case wire.KindGroupMessage:
		err = f.GroupMessage.Parse(body)
	case wire.KindGroupEntry:
		f.entry = new(wirepb.GroupEntry)
		err = wire.Unmarshal(body, f.entry)
	}
	if err != nil {
		return malformed(err)
	}
	if r.batch == nil {
		r.batch = batches.Get().(*batch)
		r.batch.buf = buf
		buf.Retain()
	}
	r.batch.frames = append(r.batch.frames, f)
	return nil
}

func (r *reader) response(body []byte) error {
	var m wire.Response
	if err := m.Parse(body); err != nil {
		return malformed(err)
	}
	if !r.c.calls.Answer(&m) { // its call has given up, or there was none
		r.c.counts.unmatched.Add(1)
	}
	return nil
}

func malformed(err error) error { return &CloseError{Code: wire.CodeProtocol, Text: err.Error()} }

// EndRead implements session.Receiver.
func (r *reader) EndRead() error {
	b := r.batch
	if b == nil {
		return nil
	}
	r.batch = nil
	b.from = r.from
	b.from.Charge(b.buf.Size())
	if r.c.queue.push(b) > maxBehind {
		return &CloseError{Code: wire.CodeOverloaded, Text: "callbacks do not keep up"}
	}
	return nil
}

// Ended implements session.Receiver.
func (r *reader) Ended(why *CloseError) {
	r.EndRead() // what came in one read with the end
	r.c.calls.Close(why)
	r.c.queue.close(why)
}
