package main

import (
	"bytes"
	"context"
	"errors"
)

// bigPayload is the larger one of what servers tell each other.
const bigPayload = 4 << 10

// s2sCalls is a work of two servers and one link: so many goroutines of one
// server share it, and each calls the other one, again and again. It costs the
// CPU time of both for a call.
func s2sCalls(name string, callers, size int) work {
	w := work{
		name:      name,
		subject:   subject{name: troupeMaster, voices: linkTroupe},
		reference: subject{name: plainCalls, voices: linkPlain},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, name, s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			ctx, cancel := context.WithTimeout(ctx, o.measured+slack)
			defer cancel()
			v, err := s.voices(ctx, srv.addr, 0)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, v.close()) }()
			l := &load{operations: 1, sampled: linkSampled, cut: cancel, twoServers: true}
			var tasks []func()
			for i := range callers {
				a := new(lane)
				l.lanes = append(l.lanes, a)
				tasks = append(tasks, func() { l.converse(ctx, a, v, bytes.Repeat([]byte{byte(i)}, size)) })
			}
			return l.drive(ctx, srv, o, tasks)
		},
	}
	if callers > 1 {
		w.target = target{value: 2, of: "ratio"}
	}
	return w
}

// linkSampled is that one call in so many has its latency taken.
const linkSampled = 16

// s2sEvents is a work of two servers and one link by which one tells the other
// events, in portions of 64, each portion in one turn of a behaviour. It costs the
// CPU time of both for an event.
func s2sEvents(name string, size int) work {
	return work{
		name:      name,
		subject:   subject{name: troupeMaster, haul: haulLink(size)},
		reference: subject{name: plainEvents, haul: haulPlain(size)},
		target:    target{value: 1.7, of: "ratio"},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (figures, error) {
			return haulTo(ctx, name, s, o, true)
		},
	}
}
