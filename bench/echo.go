package main

import (
	"context"
	"errors"
	"time"
)

const (
	echoPeers   = 50
	echoSampled = 4                // one block in as many has its latency taken
	slack       = 20 * time.Second // a run that takes so much longer has failed
)

// echo is a work of request and answer: each of 50 peers sends a block of
// operations in one write, and the next one when the last answer is in. It
// costs the server's CPU time for an operation.
func echo(name string, inFlight int, ratio float64) work {
	return work{
		name:      name,
		subject:   subject{name: troupeEcho, dialect: troupeDialect()},
		reference: subject{name: plainEcho, dialect: plainDialect()},
		target:    target{value: ratio, of: "ratio"},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, name, s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			conns, err := dial(ctx, srv.addr, s.dialect, echoPeers, time.Now().Add(o.measured+slack))
			if err != nil {
				return figures{}, err
			}
			defer closeAll(conns)
			x := s.dialect.echo(inFlight)
			l := &load{conns: conns, operations: x.operations, sampled: echoSampled}
			var tasks []func()
			for _, c := range conns {
				a := new(lane)
				l.lanes = append(l.lanes, a)
				tasks = append(tasks, func() { l.repeat(a, c, &x) })
			}
			return l.drive(ctx, srv, o, tasks)
		},
	}
}

// repeat is one connection's lane.
func (l *load) repeat(a *lane, c *conn, x *exchange) {
	for l.begin(a) {
		if err := c.exchange(x); err != nil {
			l.fail(err)
			return
		}
		l.end(a)
	}
}
