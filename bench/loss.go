package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/troupe-go/troupe/wire"
)

const (
	lossTalkers = 50
	lossTime    = 6 // the measured time is so much longer than that of other works
)

// loss is the work of being in time over a link that loses 5 % each way and
// takes 60 ms there and back: 50 sessions say 20 times a second something that
// the server answers, all of it reliable. It costs the slowest hundredth's time.
//
// Everything by UDP goes by a link of this process, kernel TCP by a TUN device,
// where there may be one.
func loss() work {
	w := lossy("loss", wire.Reliable, 185*time.Millisecond)
	w.reference = subject{name: kcpEcho, meet: meetKCP}
	w.beside = []subject{{name: plainTUN, meet: meetTCP, tun: true}}
	return w
}

// lossTwice is the same with every packet sent a second time.
func lossTwice() work {
	return lossy("losstwice", wire.Reliable.Twice(), 85*time.Millisecond)
}

func lossy(name string, how wire.Delivery, limit time.Duration) work {
	return work{
		name:    name,
		subject: subject{name: troupeUDP, meet: meetTroupe(how)},
		target:  target{value: microseconds(limit), of: "p99_us"},
		cost:    func(f figures) float64 { return microseconds(f.p99) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			ctx, cancel := context.WithTimeout(ctx, lossTime*o.measured+2*slack)
			defer cancel()
			if s.tun {
				t, err := openTUN()
				if err != nil {
					return figures{}, err
				}
				defer func() { err = errors.Join(err, t.close()) }()
			}
			srv, err := start(ctx, name, s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			return suffer(ctx, srv, s, o)
		},
	}
}

// suffer measures a server over bad links.
func suffer(ctx context.Context, srv *process, s subject, o *options) (f figures, err error) {
	c := chat{meet: s.meet}
	server, rest, pinned := strings.Cut(srv.addr, " ")
	if pinned {
		rest = " " + rest
	}
	switch {
	case s.tun:
		for range lossTalkers {
			c.addrs = append(c.addrs, beyondTUN(server))
		}
	default:
		var shut func() error
		if c.addrs, shut, err = openBadLinks(server, rest, lossTalkers); err != nil {
			return figures{}, err
		}
		defer func() { err = errors.Join(err, shut()) }()
	}
	lines, err := c.dial(ctx)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, part(lines)) }()
	if _, err := converseAll(ctx, lines, o.warmUp()); err != nil {
		return figures{}, err
	}
	took, err := converseAll(ctx, lines, lossTime*o.measured)
	if err != nil {
		return figures{}, err
	}
	return figures{p50: quantile(took, 0.5), p99: quantile(took, 0.99), p999: quantile(took, 0.999)}, nil
}
