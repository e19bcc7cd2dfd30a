package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// idleBytes is what an idle peer may cost, its actor included.
const idleBytes = 6656

// idle is the work of doing nothing: it costs the memory by which the server's
// process has grown for each connection, a while after the last one has come.
// Nothing has collected the garbage but the server itself.
//
// Afterwards each connection does an echo, so that only such as the server
// serves have been counted. The load needs no goroutine for that, and Go has
// raised its limit of descriptors to what the system allows.
func idle() work {
	return work{
		name:      "idle",
		subject:   subject{name: troupeEcho, dialect: troupeDialect()},
		reference: subject{name: plainEcho, dialect: plainDialect()},
		target:    target{value: idleBytes, of: "bytes_per_peer"},
		cost:      func(f figures) float64 { return f.bytesPerPeer },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, "idle", s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			return settle(ctx, srv, s.dialect, o)
		},
	}
}

func settle(ctx context.Context, srv *process, d dialect, o *options) (figures, error) {
	before, err := srv.memory()
	if err != nil {
		return figures{}, err
	}
	conns, err := dial(ctx, srv.addr, d, o.peers, time.Now().Add(o.measured+slack))
	if err != nil {
		return figures{}, err
	}
	defer closeAll(conns)
	if err := sleep(ctx, o.measured); err != nil {
		return figures{}, err
	}
	after, err := srv.memory()
	if err != nil {
		return figures{}, err
	}
	x := d.echo(1)
	for i, c := range conns {
		if err := c.exchange(&x); err != nil {
			return figures{}, fmt.Errorf("connection %d of %d: %w", i+1, len(conns), err)
		}
	}
	return figures{bytesPerPeer: float64(after-before) / float64(len(conns))}, nil
}
