package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/troupe-go/troupe/wire"
)

// Router is a Behavior that hands each operation to the handler of its code, as
// [Handle] and [HandleLater] have put it in; one that has none fails with
// ResultUnknown. The zero Router is ready to use. Fill it before the first
// message: after that many peers may share it, as far as its handlers may be
// shared.
type Router struct {
	// Otherwise gets what is no operation, such as Started; nil drops it.
	Otherwise Behavior

	routes map[uint16]func(*Context, *Operation)
}

// Receive implements Behavior.
func (r *Router) Receive(c *Context) {
	op, ok := c.Message().(*Operation)
	if !ok {
		if r.Otherwise != nil {
			r.Otherwise.Receive(c)
		}
		return
	}
	route, ok := r.routes[op.Code]
	if !ok {
		op.Fail(wire.ResultUnknown, fmt.Sprintf("there is no operation %d", op.Code)) // ErrNotAsked for a notice
		return
	}
	route(c, op)
}

func (r *Router) add(code uint16, route func(*Context, *Operation)) {
	if _, ok := r.routes[code]; ok {
		panic(fmt.Sprintf("peers: operation %d has a handler already", code))
	}
	if r.routes == nil {
		r.routes = make(map[uint16]func(*Context, *Operation))
	}
	r.routes[code] = route
}

// Handle has fn handle the operations of a code. The request is decoded as by
// [wire.Decode] and the answer encoded as by [wire.Encode]: protobuf messages
// of either API, wire.Body, []byte, or anything as JSON; struct{} is an empty
// answer. Handle panics when the code has a handler already.
//
// A request that can't be decoded fails with ResultBadRequest. An [*Error] that
// fn returns reaches the client with its code and text; any other error is
// logged, and the client is told no more than ResultInternal. For a notice the
// result is dropped.
//
// What is lent, a request of type wire.Body or wire.Params, is so until fn
// returns. A fn that has sent the operation on, or has taken Later, leaves the
// answer there; see also [HandleLater].
func Handle[Req, Res any](r *Router, code uint16, fn func(*Context, Req) (Res, error)) {
	if fn == nil {
		panic(fmt.Sprintf("peers: operation %d: the handler is nil", code))
	}
	r.add(code, func(c *Context, op *Operation) {
		req, ok := request[Req](c, op)
		if !ok {
			return
		}
		res, err := fn(c, req)
		if err == nil && op.question.Left() {
			return
		}
		conclude(c.Peer, op, op.Code, res, err)
	})
}

// HandleLater is [Handle] for a fn that has no answer yet when it returns: it
// calls answer later, once, from any goroutine. The error of answer is that of
// [Reply]'s methods.
func HandleLater[Req, Res any](r *Router, code uint16, fn func(c *Context, req Req, answer func(Res, error) error)) {
	if fn == nil {
		panic(fmt.Sprintf("peers: operation %d: the handler is nil", code))
	}
	r.add(code, func(c *Context, op *Operation) {
		req, ok := request[Req](c, op)
		if !ok {
			return
		}
		p, reply := c.Peer, op.Later()
		fn(c, req, func(res Res, err error) error { return conclude(p, reply, code, res, err) })
	})
}

// request decodes an operation's body, or fails it.
func request[Req any](c *Context, op *Operation) (Req, bool) {
	req, err := wire.Decode[Req](op.Body)
	if err != nil {
		op.Fail(wire.ResultBadRequest, fmt.Sprintf("operation %d: %v", op.Code, err)) // ErrNotAsked for a notice
		c.Peer.home.cfg.Logger.Debug("bad request", slog.Any("peer", c.Peer), slog.Int("operation", int(op.Code)), slog.Any("err", err))
	}
	return req, err == nil
}

// answerer is an Operation or a Reply.
type answerer interface {
	Respond(wire.Body) error
	Fail(code int32, text string) error
	Asks() bool
}

// conclude answers with what a handler has returned.
func conclude[Res any](p *Peer, to answerer, code uint16, res Res, err error) error {
	var body wire.Body
	if err == nil {
		body, err = encode(res)
	}
	if err == nil {
		if err = to.Respond(body); err != ErrTooLarge {
			return err
		}
	}
	if failure, ok := errors.AsType[*Error](err); ok && failure.Code != wire.ResultOK {
		return to.Fail(failure.Code, failure.Text)
	}
	level := slog.LevelError
	if !to.Asks() {
		level = slog.LevelDebug
	}
	p.home.cfg.Logger.Log(context.Background(), level, "operation failed", slog.Any("peer", p), slog.Int("operation", int(code)), slog.Any("err", err))
	return to.Fail(wire.ResultInternal, internalText)
}

func encode[Res any](res Res) (wire.Body, error) {
	if _, empty := any(res).(struct{}); empty {
		return wire.Body{}, nil
	}
	return wire.Encode(res)
}
