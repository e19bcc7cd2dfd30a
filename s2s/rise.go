package s2s

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/arbiter"
	"github.com/troupe-go/troupe/wire"
)

// start begins to read.
func (k *keeper) start(lv *live) {
	if !lv.started {
		lv.started = true
		k.unread++
		lv.session.Start(lv)
	}
	lv.session.Flush()
}

// rise makes a connection the link.
func (k *keeper) rise(c *actor.Context, now time.Time, lv *live, generation uint64) {
	lv.init.Restarted = k.theirs != 0 && lv.theirs != k.theirs
	k.theirs, k.up = lv.theirs, lv
	k.oblivion.Stop()
	stats := &k.l.home.stats
	stats.established.Add(1)
	stats.up.Add(1)
	k.log(slog.LevelInfo, "link up", slog.Any("addr", lv.session.RemoteAddr()), slog.Bool("dialled", lv.init.Dialled), slog.Uint64("generation", generation))
	k.l.establish(lv) // before the behaviour hears of it, and may want to send
	k.l.untold.Add(1)
	k.l.user.Force(begin{lv})
	k.start(lv)
	cfg := &k.l.home.cfg
	lv.pulse = pulse{every: cfg.KeepAlive, dead: cfg.DeadAfter, alive: now, asked: now}
	lv.session.Ping() // an error says that it is ending
	k.beats = c.After(cfg.KeepAlive, beat{lv})
	if !lv.expiry.IsZero() {
		k.expiry = c.After(time.Until(lv.expiry), expired{lv})
	}
}

// beat looks whether the other server is alive.
func (k *keeper) beat(c *actor.Context, now time.Time, lv *live) {
	if lv != k.up {
		return
	}
	ping, dead := lv.pulse.step(now, lv.session.Echoed())
	if dead {
		lv.because(&CloseError{Code: wire.CodeTimeout, Text: fmt.Sprintf("no ping was answered for %v", lv.pulse.dead)})
		lv.session.Abort()
		k.arb.Ended(now, lv.conn)
		return
	}
	if ping {
		lv.session.Ping() // an error says that it is ending
	}
	k.beats = c.After(time.Until(lv.pulse.due()), beat{lv})
}

// cut ends the link's connection, behind what is queued for the other server.
func (k *keeper) cut(now time.Time, lv *live, why *CloseError) {
	if lv == nil || lv != k.up {
		return
	}
	lv.because(why)
	lv.session.Close(why.Code, why.Text)
	k.arb.Ended(now, lv.conn)
}

// ended notes that nothing more comes by a connection.
func (k *keeper) ended(now time.Time, lv *live, why *CloseError) {
	k.unread--
	lv.because(why)
	k.arb.Ended(now, lv.conn)
	delete(k.lives, lv.conn)
}

// down takes the link down.
func (k *keeper) down(c *actor.Context, o arbiter.Output) {
	lv := k.up
	if lv == nil || lv.conn != o.Conn { // it could not be opened
		return
	}
	switch {
	case lv.why != nil: // it has ended, or been ended
	case o.Reason == arbiter.Restarted:
		lv.because(&CloseError{Code: wire.CodeReplaced, Text: "another process of that name has come"})
		lv.session.Close(lv.why.Code, lv.why.Text)
	default:
		lv.because(&CloseError{Code: wire.CodeLost, Text: "the other server has lost the connection"})
		lv.session.Abort()
	}
	why := lv.why
	lv.calls.Close(why)
	k.l.fall()
	k.up = nil
	delete(k.lives, lv.conn)
	k.beats.Stop()
	k.expiry.Stop()
	stats := &k.l.home.stats
	stats.down.Add(1)
	stats.up.Add(-1)
	level := slog.LevelWarn
	if why.Code == wire.CodeNormal || why.Code == wire.CodeShutdown { // somebody wants it so
		level = slog.LevelInfo
	}
	k.log(level, "link down", slog.Any("addr", lv.session.RemoteAddr()), slog.Any("err", why))
	k.l.untold.Add(1)
	k.l.user.Force(end{lv, why})
	k.remember(c)
}

// remember gives a link that this server does not dial some time to come back.
func (k *keeper) remember(c *actor.Context) {
	if k.route == nil {
		k.oblivion = c.After(k.l.home.cfg.Forget, forget{})
	}
}
