package s2s

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/arbiter"
	"github.com/troupe-go/troupe/wire"
)

// keeper is the actor that sees to it that there is a link: it dials, has the
// arbiter decide on connections, and notices who is dead. It never blocks,
// whatever the behaviour does. It owns the link's connections.
type keeper struct {
	l           *Link
	arb         *arbiter.Arbiter
	incarnation uint64
	theirs      uint64 // that of the other end of the last link

	route  *route                 // to dial; nil: the other server does
	own    *attempt               // the last dial
	hello  *hello                 // being decided on
	up     *live                  // the link
	lives  map[arbiter.Conn]*live // up, or held
	unread int                    // connections whose reader has not ended

	closing *CloseError
	alone   bool // the behaviour has had its last message

	timer    *actor.Timer // the arbiter's
	beats    *actor.Timer // the link's pulse
	expiry   *actor.Timer // of the other's certificate
	oblivion *actor.Timer // of a link that nobody dials
}

// route is how the other server is dialled.
type route struct {
	target Target
	url    *url.URL // without s2s+
}

// What the keeper is sent, besides hello and dialled.
type (
	dialTo    struct{ route *route }
	confirmed struct {
		lv         *live
		generation uint64
	}
	ended struct {
		lv  *live
		why *CloseError
	}
	closing  struct{ why *CloseError }
	panicked struct{ lv *live } // the behaviour has, which knew lv
	due      struct{}           // the arbiter has something to do
	beat     struct{ lv *live }
	expired  struct{ lv *live }
	forget   struct{}
)

func newKeeper(l *Link) *keeper {
	cfg := &l.home.cfg
	k := &keeper{l: l, incarnation: l.home.number(), lives: make(map[arbiter.Conn]*live)}
	k.arb = arbiter.New(arbiter.Config{
		Lower: cfg.Name < l.key.name, Incarnation: k.incarnation,
		RedialMin: cfg.RedialMin, RedialMax: cfg.RedialMax, Random: rand.Float64,
		Tentative: cfg.Limits.HandshakeTimeout,
	})
	return k
}

// Receive implements actor.Behavior.
func (k *keeper) Receive(c *actor.Context) {
	now := time.Now()
	switch m := c.Message().(type) {
	case actor.Started:
		return
	case ready:
		c.Watch(k.l.user)
		k.remember(c)
	case dialTo:
		if k.route == nil && k.closing == nil {
			k.route = m.route
			k.oblivion.Stop()
			k.arb.Dial(now)
		}
	case *hello:
		k.greeted(now, m)
	case *dialled:
		k.dialled(now, m)
	case confirmed:
		k.arb.Confirmed(now, m.lv.conn, m.generation)
	case ended:
		k.ended(now, m.lv, m.why)
	case beat:
		k.beat(c, now, m.lv)
	case expired:
		k.cut(now, m.lv, &CloseError{Code: wire.CodeAuth, Text: "the other server's certificate has expired"})
	case panicked:
		k.cut(now, m.lv, &CloseError{Code: wire.CodeInternal, Text: internalText})
	case forget:
		if k.up == nil && k.route == nil {
			k.l.Close(wire.CodeIdle, "the other server has not dialled again")
		}
	case closing:
		k.close(c, now, m.why)
	case actor.Terminated: // the behaviour
		k.alone = true
		k.l.Close(wire.CodeInternal, internalText) // where it has not ended by a close
	case actor.Stopping:
		k.stop()
		return
	}
	k.step(c, now)
	k.hello = nil
	if k.alone && k.unread == 0 { // what was queued has left: another link may be begun
		c.Stop()
	}
}

const internalText = "internal error"

// step does what the arbiter asks for.
func (k *keeper) step(c *actor.Context, now time.Time) {
	for out := k.arb.Step(now); len(out) > 0; out = k.arb.Step(now) {
		for _, o := range out {
			k.do(c, now, o)
		}
	}
	k.timer.Stop()
	if at := k.arb.Due(); !at.IsZero() {
		k.timer = c.After(time.Until(at), due{})
	}
}

func (k *keeper) do(c *actor.Context, now time.Time, o arbiter.Output) {
	switch o.Do {
	case arbiter.Dial:
		k.dial(c, now, o)
	case arbiter.Admit:
		if lv := k.open(now, o); lv != nil {
			k.rise(c, now, lv, o.Generation)
		}
	case arbiter.Hold:
		if lv := k.open(now, o); lv != nil {
			lv.confirm = true
			k.start(lv)
		}
	case arbiter.Refuse:
		k.hello.decide(Refuse(wire.CodeDuplicate, "there is a link with "+k.l.key.name))
	case arbiter.Confirm, arbiter.Establish:
		lv := k.lives[o.Conn]
		if lv == nil {
			lv = k.welcomed(o)
		}
		k.rise(c, now, lv, o.Generation)
	case arbiter.Down:
		k.down(c, o)
	case arbiter.Drop:
		k.drop(o.Conn)
	case arbiter.Fail:
		k.fail(o.Attempt)
	}
}

// greeted has the arbiter decide on another server's dial.
func (k *keeper) greeted(now time.Time, m *hello) {
	switch {
	case !m.claim(): // its handshake is over
	case k.closing != nil:
		m.decide(Refuse(wire.CodeBusy, "the link is being closed"))
	case k.behind():
		m.decide(Refuse(wire.CodeBusy, "the server does not keep up"))
	default:
		k.hello = m
		k.arb.Hello(now, arbiter.Hello{
			Incarnation: m.msg.Incarnation, Generation: m.msg.Generation, Dial: m.msg.Dial, Over: m.msg.Over,
		})
	}
}

// open makes a connection of another server's dial.
func (k *keeper) open(now time.Time, o arbiter.Output) *live {
	m := k.hello
	s, err := m.open(k.incarnation, o.Generation)
	if err != nil {
		k.log(slog.LevelError, "link welcome", slog.Any("err", err))
		m.decide(Refuse(wire.CodeInternal, ""))
		k.arb.Ended(now, o.Conn)
		return nil
	}
	lv := newLive(k.l, s)
	lv.conn, lv.theirs = o.Conn, m.msg.Incarnation
	lv.init = Established{Payload: m.msg.Payload}
	lv.expiry = expiryOf(m.arrival.Conn)
	k.lives[o.Conn] = lv
	m.decide(nil)
	return lv
}

// drop ends a dial, or a connection that has not become the link.
func (k *keeper) drop(conn arbiter.Conn) {
	if k.own != nil && k.own.conn == conn {
		k.own.cancel()
		if k.own.result != nil {
			k.own.result.Release()
		}
		k.own = nil
	}
	if lv := k.lives[conn]; lv != nil {
		lv.session.Abort()
		delete(k.lives, conn)
	}
}

// close ends the link for good.
func (k *keeper) close(c *actor.Context, now time.Time, why *CloseError) {
	k.closing = why
	k.cut(now, k.up, why)
	k.arb.Rest()
	k.step(c, now)
	k.oblivion.Stop()
	k.l.user.Force(finish{why})
}

// stop ends what there is, where it has not ended by a close.
func (k *keeper) stop() {
	k.l.home.remove(k.l)
	k.l.shut(&CloseError{Code: wire.CodeShutdown, Text: stopsText})
	if k.own != nil {
		k.drop(k.own.conn)
	}
	for _, lv := range k.lives {
		lv.session.Close(wire.CodeShutdown, stopsText)
		lv.calls.Close(lv.because(&CloseError{Code: wire.CodeShutdown, Text: stopsText}))
	}
	if k.up != nil {
		k.l.home.stats.up.Add(-1)
	}
}

func (k *keeper) log(level slog.Level, msg string, args ...any) {
	k.l.home.cfg.Logger.Log(context.Background(), level, msg, append([]any{slog.Any("link", k.l)}, args...)...)
}
