package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/client"
)

// troupeQuiet is troupeUDP for peers that say nothing: it neither pings nor
// minds.
const troupeQuiet = "troupe-quiet"

func serveTroupeQuiet() (addr string, err error) {
	srv := &troupe.Server{
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(mirror), nil },
	}
	srv.Transport.Limits.PingInterval, srv.Transport.Limits.IdleTimeout = -1, -1
	return listenTroupeUDP(srv)
}

const (
	udpIdleBytes   = 6144 // what an idle peer may cost, its actor included
	udpIdlePercent = 0.3  // of a core, what all of them may cost without keep-alives
	udpIdleSlack   = 2 * time.Minute
)

// udpIdle is idle by UDP: it costs the server's memory for each peer.
func udpIdle() work {
	return work{
		name:    "udpidle",
		subject: subject{name: troupeQuiet, rest: restTroupe},
		target:  target{value: udpIdleBytes, of: "bytes_per_peer"},
		cost:    func(f figures) float64 { return f.bytesPerPeer },
		run: func(ctx context.Context, s subject, o *options) (figures, error) {
			f, err := rest(ctx, "udpidle", s, o, quietness{lasts: o.measured})
			return figures{bytesPerPeer: f.bytesPerPeer}, err
		},
	}
}

// udpQuiet is peers without keep-alives: they cost the server's CPU time while
// nothing happens.
func udpQuiet() work {
	return work{
		name:    "udpquiet",
		subject: subject{name: troupeQuiet, rest: restTroupe},
		target:  target{value: udpIdlePercent, of: "idle_cpu_percent"},
		cost:    func(f figures) float64 { return f.idleCPU },
		run: func(ctx context.Context, s subject, o *options) (figures, error) {
			f, err := rest(ctx, "udpquiet", s, o, quietness{lasts: o.idle})
			return figures{idleCPU: f.idleCPU}, err
		},
	}
}

// udpAlive is the same with a keep-alive from each peer, answered, twice in the
// time that is measured.
func udpAlive() work {
	return work{
		name:      "udpalive",
		subject:   subject{name: troupeQuiet, rest: restTroupe},
		reference: subject{name: plainUDP, rest: restPlain},
		target:    target{value: 1.3, of: "ratio"},
		cost:      func(f figures) float64 { return f.idleCPU },
		run: func(ctx context.Context, s subject, o *options) (figures, error) {
			f, err := rest(ctx, "udpalive", s, o, quietness{lasts: o.idle, every: o.idle / 2})
			return figures{idleCPU: f.idleCPU}, err
		},
	}
}

// quietness is how long clients do nothing but keep themselves alive, and how
// often they do that; 0 is never.
type quietness struct{ lasts, every time.Duration }

// resting makes clients that are so quiet.
type resting func(every time.Duration) choir

// rest measures a server whose clients are quiet. Afterwards each does an echo, so that only such as the server serves have been counted.
func rest(ctx context.Context, name string, s subject, o *options, q quietness) (f figures, err error) {
	srv, err := start(ctx, name, s, o)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, q.lasts+udpIdleSlack)
	defer cancel()
	before, err := srv.memory()
	if err != nil {
		return figures{}, err
	}
	voices, err := sing(ctx, srv.addr, s.rest(q.every), o.peers)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, silence(voices)) }()
	if err := sleep(ctx, o.warmUp()); err != nil { // the last handshakes are over
		return figures{}, err
	}
	begin := time.Now()
	busy, err := srv.cpu()
	if err != nil {
		return figures{}, err
	}
	if err := sleep(ctx, q.lasts); err != nil {
		return figures{}, err
	}
	passed := time.Since(begin)
	after, err1 := srv.memory()
	spent, err2 := srv.cpu()
	if err := errors.Join(err1, err2); err != nil {
		return figures{}, err
	}
	for i, v := range voices {
		if err := v.ask(ctx, payload(2)); err != nil {
			return figures{}, fmt.Errorf("client %d of %d: %w", i+1, len(voices), err)
		}
	}
	return figures{
		bytesPerPeer: float64(after-before) / float64(len(voices)),
		idleCPU:      100 * max(spent-busy, clockTick/10).Seconds() / passed.Seconds(), // less than a tick is not to be told from none
	}, nil
}

func restTroupe(every time.Duration) choir {
	return func(ctx context.Context, addr string, _ int) (voice, error) {
		limits := client.Limits{PingInterval: every, IdleTimeout: -1}
		if every == 0 {
			limits.PingInterval = -1
		}
		c, err := dialTroupe(ctx, addr, client.Config{Limits: limits})
		if err != nil {
			return nil, err
		}
		return troupeVoice{c}, nil
	}
}

// keepAlive is as long as a ping of Troupe's with its header and seal.
const keepAlive = 48

// aliveVoice is a plainVoice that keeps itself alive.
type aliveVoice struct {
	mu   sync.Mutex
	v    voice
	stop context.CancelFunc
	wg   sync.WaitGroup
}

func restPlain(every time.Duration) choir {
	return func(ctx context.Context, addr string, i int) (voice, error) {
		v, err := dialPlainUDP(ctx, addr, i)
		if err != nil || every == 0 {
			return v, err
		}
		ctx, cancel := context.WithCancel(ctx)
		a := &aliveVoice{v: v, stop: cancel}
		// Clients come at any time; these come all at once, and would do
		// everything else so.
		first := every * time.Duration(i%spread) / spread
		a.wg.Go(func() { a.keepAlive(ctx, first, every) }) // ended by close
		return a, nil
	}
}

// spread is over how many moments the keep-alives of an interval are spread.
const spread = 1000

func (a *aliveVoice) keepAlive(ctx context.Context, first, every time.Duration) {
	b := payload(3)[:keepAlive]
	for wait := first; sleep(ctx, wait) == nil; wait = every {
		if a.ask(ctx, b) != nil {
			return // the echo at the end notices
		}
	}
}

func (a *aliveVoice) ask(ctx context.Context, payload []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.v.ask(ctx, payload)
}

func (a *aliveVoice) close() error {
	a.stop()
	a.wg.Wait()
	return a.v.close()
}
