package session

import (
	"cmp"
	"context"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// Limits tune the sessions of a server or a client. Zero is the default,
// negative is off where that makes sense.
type Limits struct {
	FrameLimit       int           // largest frame, kind included; 0 means 64 KiB, which is also the most
	HandshakeTimeout time.Duration // from the first byte to Welcome; 0 means 10 s
	AuthTimeout      time.Duration // for the authenticator and a replaced peer; 0 means 3 s
	FrameTimeout     time.Duration // for the rest of a frame that was begun; 0 means 10 s
	PingInterval     time.Duration // 0 means 15 s, negative sends none
	IdleTimeout      time.Duration // silence that ends a session; 0 means 45 s, negative never
	CloseTimeout     time.Duration // for what is queued when a session is closed; 0 means 5 s
	Linger           time.Duration // for the other end to read a last frame; 0 means 1 s
	QueueSoft        int           // queued bytes at which unreliable messages are refused; 0 means 256 KiB
	QueueHard        int           // queued bytes at which a session is closed as slow; 0 means 1 MiB
	Budget           int64         // bytes of all queues of the process; 0 means a quarter of GOMEMLIMIT, else 1 GiB
	Rate             Rate          // messages from one connection; zero means 5,000/s with bursts of 10,000
	Pace             Rate          // bytes that one session sends by UDP; zero means 4 MiB/s with bursts of 256 KiB
	Relay            Rate          // packets that the server relays for one client to others; zero means 256/s with bursts of 512
	RelayPace        Rate          // likewise bytes; zero means 512 KiB/s with bursts of 1 MiB
}

// WithDefaults fills a copy.
func (l Limits) WithDefaults() Limits {
	l.FrameLimit = min(cmp.Or(l.FrameLimit, wire.MaxFrame), wire.MaxFrame)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, 10*time.Second)
	l.AuthTimeout = cmp.Or(l.AuthTimeout, 3*time.Second)
	l.FrameTimeout = cmp.Or(l.FrameTimeout, 10*time.Second)
	l.PingInterval = cmp.Or(l.PingInterval, 15*time.Second)
	l.IdleTimeout = cmp.Or(l.IdleTimeout, 45*time.Second)
	l.CloseTimeout = cmp.Or(l.CloseTimeout, 5*time.Second)
	l.Linger = cmp.Or(l.Linger, time.Second)
	l.QueueSoft = cmp.Or(l.QueueSoft, 256<<10)
	l.QueueHard = cmp.Or(l.QueueHard, 1<<20)
	if l.Rate == (Rate{}) {
		l.Rate = Rate{PerSecond: 5000, Burst: 10000}
	}
	if l.Pace == (Rate{}) {
		l.Pace = Rate{PerSecond: 4 << 20, Burst: 256 << 10}
	}
	if l.Relay == (Rate{}) {
		l.Relay = Rate{PerSecond: 256, Burst: 512}
	}
	if l.RelayPace == (Rate{}) {
		l.RelayPace = Rate{PerSecond: 512 << 10, Burst: 1 << 20}
	}
	return l
}

func (e *Env) pace() Rate { return e.Pace }

// Env is what the sessions of one server or one client share.
type Env struct {
	Limits // with defaults
	Budget *Budget

	sweeper sweeper
	relief  relief
	wg      tasks // every goroutine of every session
}

// NewEnv makes an Env.
func NewEnv(l Limits) *Env {
	l = l.WithDefaults()
	return &Env{Limits: l, Budget: NewBudget(l.Budget)}
}

// Wait waits until no session has a goroutine left, or ctx ends.
func (e *Env) Wait(ctx context.Context) error { return e.wg.wait(ctx) }
