package s2s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/arbiter"
	"github.com/troupe-go/troupe/wire"
)

// maxUntold is how many begins and ends of connections may wait for a behaviour.
const maxUntold = 16

var errBehind = errors.New("s2s: the behaviour does not keep up with the link, or panics")

// behind reports whether the behaviour could not do anything with a link.
func (k *keeper) behind() bool { return k.l.untold.Load() >= maxUntold || k.l.faulty.Load() }

// attempt is a dial.
type attempt struct {
	conn   arbiter.Conn
	cancel context.CancelFunc
	result *dialled // nil until it has been welcomed
	err    error
}

// dial begins a dial.
func (k *keeper) dial(c *actor.Context, now time.Time, o arbiter.Output) {
	k.own = &attempt{conn: o.Conn, cancel: func() {}}
	if k.behind() {
		k.failed(now, errBehind)
		return
	}
	ls, route, h := k.l.home, k.route, o.Hello
	ls.stats.dials.Add(1)
	ctx, cancel := context.WithTimeoutCause(c.Ctx(), ls.cfg.DialTimeout, fmt.Errorf("s2s: no answer within %v", ls.cfg.DialTimeout))
	k.own.cancel = cancel
	h.Incarnation = k.incarnation
	err := c.Go(func(context.Context) any { // ended by ctx
		defer cancel()
		return ls.dial(ctx, route, o.Conn, h)
	})
	if err != nil { // dials were dropped faster than they ended
		cancel()
		k.failed(now, err)
	}
}

// dialled takes what has come of a dial.
func (k *keeper) dialled(now time.Time, m *dialled) {
	switch {
	case k.own == nil || m.conn != k.own.conn: // dropped meanwhile
		m.Release()
	case m.err != nil:
		k.failed(now, m.err)
	default:
		k.own.result = m
		k.arb.Welcomed(now, m.conn, arbiter.Welcome{Incarnation: m.welcome.Incarnation, Generation: m.welcome.Generation})
	}
}

func (k *keeper) failed(now time.Time, err error) {
	k.own.err = err
	refused, ok := errors.AsType[*RefusedError](err)
	k.arb.DialFailed(now, k.own.conn, ok && refused.Code == wire.CodeDuplicate)
}

// fail tells the behaviour of the dial that has failed. One that does not keep up
// hears of the last.
func (k *keeper) fail(attempt int) {
	f := failure(k.own.err, attempt)
	k.l.home.stats.failed.Add(1)
	level := slog.LevelDebug
	if attempt&(attempt-1) == 0 {
		level = slog.LevelWarn
	}
	k.log(level, "link not made", slog.String("url", Scheme+k.route.url.String()), slog.Int("attempt", attempt), slog.Any("err", f.Err))
	if k.l.failed.Swap(&f) == nil {
		k.l.user.Force(failed{})
	}
}

// welcomed makes a connection of this server's own dial.
func (k *keeper) welcomed(o arbiter.Output) *live {
	m := k.own.result
	k.own = nil
	lv := newLive(k.l, m.open(k.l.home.transport.Env()))
	lv.conn, lv.theirs = o.Conn, m.welcome.Incarnation
	lv.init = Established{Dialled: true, Reply: m.welcome.Reply}
	lv.expiry = m.expiry
	if o.Do == arbiter.Confirm {
		lv.sayConfirm(o.Generation)
	}
	k.lives[o.Conn] = lv
	return lv
}
