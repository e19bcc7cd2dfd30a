package main

import (
	"context"
	"errors"
)

// udpEcho is echo by UDP, reliable and sealed: each peer asks one operation at a
// time. It costs the server's CPU time for an operation. Beside it is what bare
// datagrams cost.
func udpEcho(name string, peers int) work {
	return work{
		name:      name,
		subject:   subject{name: troupeUDP, voices: dialTroupeVoice},
		reference: subject{name: kcpEcho, voices: dialKCP},
		beside:    []subject{{name: plainUDP, voices: dialPlainUDP}},
		target:    target{value: 0.5, of: "ratio"},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run:       exchangeBy(name, peers),
	}
}

// udpEchoUnreliable is the same with messages that may get lost, as events
// answer notices. kcp-go has nothing like it.
func udpEchoUnreliable(name string, peers int) work {
	return work{
		name:      name,
		subject:   subject{name: troupeUDP, voices: dialUnreliable},
		reference: subject{name: plainUDP, voices: dialPlainUDP},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run:       exchangeBy(name, peers),
	}
}

// exchangeBy runs an echo of so many clients.
func exchangeBy(name string, peers int) func(context.Context, subject, *options) (figures, error) {
	return func(ctx context.Context, s subject, o *options) (f figures, err error) {
		srv, err := start(ctx, name, s, o)
		if err != nil {
			return figures{}, err
		}
		defer func() { err = errors.Join(err, srv.stop()) }()
		ctx, cancel := context.WithTimeout(ctx, o.measured+slack)
		defer cancel()
		voices, err := sing(ctx, srv.addr, s.voices, peers)
		if err != nil {
			return figures{}, err
		}
		defer func() { err = errors.Join(err, silence(voices)) }()
		l := &load{operations: 1, sampled: echoSampled, cut: cancel}
		var tasks []func()
		for _, v := range voices {
			a := new(lane)
			l.lanes = append(l.lanes, a)
			tasks = append(tasks, func() { l.converse(ctx, a, v, payload(1)) })
		}
		return l.drive(ctx, srv, o, tasks)
	}
}

// converse is one client's lane.
func (l *load) converse(ctx context.Context, a *lane, v voice, b []byte) {
	for l.begin(a) {
		if err := v.ask(ctx, b); err != nil {
			l.fail(err)
			return
		}
		l.end(a)
	}
}
