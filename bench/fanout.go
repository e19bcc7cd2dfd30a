package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const fanoutMembers = 500

// fanout is the work of telling many: one of 500 members sends a block of shouts
// in one write, and the next one when every member, itself included, has had all
// of them. It costs the server's CPU time for a delivery.
func fanout() work {
	return work{
		name:      "fanout",
		subject:   subject{name: troupeGroup, dialect: troupeShouts()},
		reference: subject{name: plainFanout, dialect: plainShouts()},
		target:    target{value: 1.15, of: "ratio"},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, "fanout", s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			conns, err := dial(ctx, srv.addr, s.dialect, fanoutMembers, time.Now().Add(o.measured+slack))
			if err != nil {
				return figures{}, err
			}
			defer closeAll(conns)
			return newAudience(conns, s.dialect).drive(ctx, srv, o)
		},
	}
}

// audience is the load of a fan-out. Members have a goroutine each; the last one
// to have had a volley sends the next, so that nobody need be woken for it.
type audience struct {
	load     load
	lane     lane
	volleys  func() *volley // the next one
	missing  atomic.Int64   // members that have not had all of the present volley
	finished atomic.Bool    // there is no next one
}

// volley is a block of shouts. The one behind it is made before it is sent:
// members wait for that as soon as they have had this.
type volley struct {
	exchange
	next *volley
}

func newAudience(conns []*conn, d dialect) *audience {
	a := &audience{load: load{conns: conns, operations: shoutsAtOnce * len(conns), sampled: 1}}
	a.load.lanes = []*lane{&a.lane}
	position := uint64(1)
	for _, c := range conns {
		position = max(position, c.member.epoch+1) // behind all joins
	}
	a.volleys = func() *volley {
		v := &volley{exchange: d.shouts(conns[0].member, position)}
		position += shoutsAtOnce
		return v
	}
	return a
}

func (a *audience) drive(ctx context.Context, srv *process, o *options) (figures, error) {
	first := a.volleys()
	tasks := []func(){func() { a.send(first) }}
	for _, c := range a.load.conns {
		tasks = append(tasks, func() { a.listen(c, first) })
	}
	return a.load.drive(ctx, srv, o, tasks)
}

// listen is one member.
func (a *audience) listen(c *conn, v *volley) {
	for ; ; v = v.next {
		if err := c.await(v.answer); err != nil {
			if !a.finished.Load() {
				a.load.fail(err)
			}
			return
		}
		if a.missing.Add(-1) == 0 {
			a.load.end(&a.lane)
			a.send(v.next)
		}
	}
}

// send sends a volley, or lets everybody go when the load is over.
func (a *audience) send(v *volley) {
	if !a.load.begin(&a.lane) {
		a.finished.Store(true)
		a.load.interrupt()
		return
	}
	v.next = a.volleys()
	a.missing.Store(int64(len(a.load.conns)))
	if _, err := a.load.conns[0].nc.Write(v.ask); err != nil {
		a.load.fail(err)
	}
}
