package groups

import (
	"cmp"
	"errors"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// route is one membership as the member's session reader sees it. Its methods
// are called by that reader alone, Gone apart.
type route struct {
	relay   relay
	seat    *seat
	batch   *batch
	charged bool // this read's buffer has been charged for
}

var _ session.Route = (*route)(nil)

// Send implements session.Route.
func (r *route) Send(m wire.GroupSend, buf *session.Buffer) error {
	if err := checkSend(&m, r.relay.g.maxBody()); err != nil {
		return &peers.CloseError{Code: wire.CodeTooLarge, Text: err.Error()}
	}
	if m.Delivery.Class() != wire.ClassReliable {
		r.relay.send(r.seat, &m)
		return nil
	}
	if r.batch == nil {
		r.batch = newBatch(r.seat, buf)
	}
	r.batch.messages = append(r.batch.messages, m)
	if len(r.batch.messages) >= maxBatch {
		if err := r.post(false); err != session.ErrWait { // what there is no room for yet waits for EndRead
			return err
		}
	}
	return nil
}

// EndRead implements session.Route.
func (r *route) EndRead(wait bool) error {
	r.relay.flush()
	err := r.post(wait)
	if err != session.ErrWait {
		r.charged = false
	}
	return err
}

// post gives what was gathered to the group's actor. While that has too much to
// do it waits, where it may: the sender's reader stops, nobody else's.
func (r *route) post(wait bool) error {
	b, g := r.batch, r.relay.g
	if b == nil {
		return nil
	}
	if b.charge == 0 { // else it has been here, and had to wait
		b.charge = batchCharge
		if !r.charged {
			b.charge, r.charged = b.buf.Size(), true
		}
		r.seat.peer.Session().Charge(b.charge)
	}
	if !b.paid && !g.pay(b, wait) {
		return session.ErrWait
	}
	b.paid = true
	posted := g.offer(b)
	if posted == actor.Full {
		if !wait {
			return session.ErrWait
		}
		posted = g.offerPatiently(b)
	}
	r.batch = nil
	switch posted {
	case actor.Dead:
		g.late.Add(uint64(len(b.messages)))
		b.Release()
	case actor.Full:
		b.Release()
		return &peers.CloseError{Code: wire.CodeOverloaded, Text: "the group has too much to do"}
	}
	return nil
}

// pay takes what a batch costs out of the group's budget. Where there is nothing in
// it the sender's reader waits, if it may, as long as for room and no longer.
func (g *Group) pay(b *batch, wait bool) bool {
	copies, bytes := 0, 0
	for i := range b.messages {
		m := &b.messages[i]
		n := cmp.Or(m.To.Len(), g.Len())
		copies += n
		bytes += n * m.Size()
	}
	for left := overloadTime; ; {
		d := g.budget.reliable(copies, bytes, time.Now(), left <= 0)
		switch {
		case d == 0:
			return true
		case !wait:
			return false
		}
		d = min(d, left)
		left -= d
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-g.Done():
			t.Stop()
			return true
		}
	}
}

// offer posts a batch unless as much waits as members may have waiting.
func (g *Group) offer(msg any) actor.Posted {
	if g.ref.Queued() >= maxQueued {
		return actor.Full
	}
	return g.ref.TryPost(msg)
}

func (g *Group) offerPatiently(b *batch) actor.Posted {
	t := time.NewTimer(overloadTime)
	defer t.Stop()
	for {
		room, over := g.room.ask()
		if over {
			return actor.Dead
		}
		if posted := g.offer(b); posted != actor.Full {
			return posted
		}
		select {
		case <-room:
		case <-t.C:
			return actor.Full
		}
	}
}

// Ack implements session.Route. Acknowledgements are cumulative: the actor has at
// most one message of a member about them waiting, so it may be forced.
func (r *route) Ack(position uint64) error {
	s := r.seat
	if position > s.acked.Load() {
		s.acked.Store(position)
		if !s.acking.Swap(true) {
			r.relay.g.ref.Force(ackCall{s})
		}
	}
	return nil
}

// Set implements session.Route.
func (r *route) Set(m *wirepb.GroupSet, wait bool) error {
	if err := r.post(wait); err == session.ErrWait {
		r.seat.answer(m.Request, ErrOverloaded)
		r.seat.peer.Session().Flush()
		return nil
	} else if err != nil { // what was sent before comes before
		return err
	}
	set, err := wire.ParamsPB(m.Set)
	var expect wire.Params
	if err == nil {
		expect, err = wire.ParamsPB(m.Expect)
	}
	if err != nil {
		return &peers.CloseError{Code: wire.CodeProtocol, Text: err.Error()}
	}
	g := r.relay.g
	err = errDenied
	if g.opt.Writable {
		err = postedError(g.offer(&memberSet{r.seat, m.Request, set, expect}))
	}
	if err != nil {
		r.seat.answer(m.Request, err)
		r.seat.peer.Session().Flush()
	}
	return nil
}

// Gone implements session.Route.
func (r *route) Gone(*session.CloseError) {
	r.relay.g.ref.Force(leaveCall{id: r.seat.id, epoch: r.seat.epoch, reason: wire.CodeDisconnected})
}

var (
	errDenied    = errors.New("groups: members may not change the properties")
	errNotMember = errors.New("groups: not a member")
)

func resultOf(err error) int32 {
	switch {
	case errors.Is(err, ErrConflict):
		return wire.ResultConflict
	case errors.Is(err, errDenied):
		return wire.ResultDenied
	case errors.Is(err, errNotMember), errors.Is(err, ErrDestroyed):
		return wire.ResultNotMember
	case errors.Is(err, ErrOverloaded):
		return wire.ResultOverloaded
	}
	return wire.ResultBadRequest
}
