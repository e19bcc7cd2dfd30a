package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// bulkUnder is how many portions may be under way.
const bulkUnder = 8

// hauler sends one portion at a time, and tells which have arrived. Both methods
// belong to one goroutine each.
type hauler interface {
	send() error    // a portion
	arrived() error // waits for the next portion's answer
	interrupt()     // ends both, for ever
	close() error
}

// haulage dials a server's hauler.
type haulage func(ctx context.Context, addr string) (hauler, error)

// udpBulk is the work of one session that sends all it can: reliable messages of
// 1,000 bytes, of which at most 512 are under way. It costs the server's CPU time
// for a message, which it receives; operations per second are kB per second.
func udpBulk() work {
	return work{
		name:      "udpbulk",
		subject:   subject{name: troupeSink, haul: haulTroupe},
		reference: subject{name: kcpSink, haul: haulKCP},
		beside:    []subject{{name: plainSink, haul: haulTCP}},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (figures, error) {
			return haulTo(ctx, "udpbulk", s, o, false)
		},
	}
}

// haulTo runs a server and sends it all that it can take.
func haulTo(ctx context.Context, name string, s subject, o *options, twoServers bool) (f figures, err error) {
	srv, err := start(ctx, name, s, o)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, o.measured+slack)
	defer cancel()
	h, err := s.haul(ctx, srv.addr)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	late := context.AfterFunc(ctx, h.interrupt)
	defer late()
	// The first portion by itself: kcp-go's windows are not the right ones
	// before the server has accepted the session.
	if err := errors.Join(h.send(), h.arrived()); err != nil {
		return figures{}, err
	}
	l := &load{operations: bulkPortion, sampled: 1, cut: h.interrupt, twoServers: twoServers}
	return l.haul(ctx, srv, h, o)
}

// haul keeps portions under way. A lane's block is a portion; its latency is not
// that of a message, and not taken.
func (l *load) haul(ctx context.Context, srv *process, h hauler, o *options) (figures, error) {
	under := make(chan struct{}, bulkUnder)
	a := new(lane)
	l.lanes = append(l.lanes, a)
	sender := func() {
		defer close(under)
		for l.phase.Load() != over {
			select {
			case under <- struct{}{}:
			case <-ctx.Done():
				return
			}
			if err := h.send(); err != nil {
				l.fail(err)
				return
			}
		}
	}
	receiver := func() {
		for range under {
			if err := h.arrived(); err != nil {
				l.fail(err)
				h.interrupt()
				for range under { // lets the sender go
				}
				return
			}
			a.done.Add(1)
		}
	}
	return l.drive(ctx, srv, o, []func(){sender, receiver})
}

// streamHauler is a hauler by what is written and read like a stream.
type streamHauler struct{ net.Conn }

func (h streamHauler) send() error {
	b := bytes.Repeat([]byte{'b'}, bulkSize)
	for range bulkPortion {
		if _, err := h.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (h streamHauler) arrived() error {
	var b [1]byte
	_, err := h.Read(b[:])
	return err
}

func (h streamHauler) interrupt() { h.SetDeadline(time.Unix(1, 0)) } // an error says that it is closed

func (h streamHauler) close() error { return h.Close() }

func haulKCP(_ context.Context, addr string) (hauler, error) {
	s, err := openKCP(addr)
	if err != nil {
		return nil, err
	}
	return streamHauler{s}, nil
}

func haulTCP(ctx context.Context, addr string) (hauler, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return streamHauler{c}, nil
}

// troupeHauler is a client of troupeSink's.
type troupeHauler struct {
	c       *client.Client
	body    wire.Body
	answers chan struct{} // has room for all
	ctx     context.Context
	cancel  context.CancelFunc
}

func haulTroupe(ctx context.Context, addr string) (hauler, error) {
	h := &troupeHauler{body: wire.Payload(bytes.Repeat([]byte{'b'}, bulkSize)), answers: make(chan struct{}, bulkUnder+1)}
	var err error
	h.c, err = dialTroupe(ctx, addr, client.Config{
		Limits:  client.Limits{Pace: transport.Rate{PerSecond: -1}},
		OnEvent: func(wire.Event) { h.answers <- struct{}{} },
	})
	if err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(ctx)
	return h, nil
}

func (h *troupeHauler) send() error {
	for range bulkPortion {
		if err := h.c.Notify(1, h.body, wire.Reliable); err != nil {
			return err
		}
	}
	return nil
}

func (h *troupeHauler) arrived() error {
	select {
	case <-h.answers:
		return nil
	case <-h.c.Done():
		return h.c.Err()
	case <-h.ctx.Done():
		return context.Cause(h.ctx)
	}
}

func (h *troupeHauler) interrupt() { h.cancel() }

func (h *troupeHauler) close() error {
	h.cancel()
	return h.c.Close()
}
