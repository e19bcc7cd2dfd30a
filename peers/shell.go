package peers

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/inbox"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// shell is a peer's part of the actor's turn: it lives as long as the actor and
// guards the behaviour.
type shell struct {
	p        *Peer
	ctx      Context
	behavior Behavior
	dirty    []*session.Session // others with something unsent
	pace     inbox.Pace
	why      *CloseError
	path     bool          // what the behaviour knows of Peer.Datagrams
	begun    bool          // Started has been delivered: Closed will be
	ending   bool          // Closed has been delivered
	panics   *actor.Panics // nil until there was one
}

// Receive implements actor.Behavior.
func (sh *shell) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case *inbox.Batch[Operation]:
		defer m.Release()
		c.Charge(m.Len() - 1)
		sh.operations(m)
	case begin:
		sh.begin(c)
	case pathMoved:
		sh.pathMoved()
	case ended:
		sh.becauseOf(m.why)
		sh.p.closing.Store(true)
		c.Stop()
	case actor.Started:
	case actor.Stopping:
		if m.Err != nil { // the shell itself failed, or a behaviour called runtime.Goexit
			sh.becauseOf(&CloseError{Code: wire.CodeInternal, Text: internalText, Err: m.Err})
		}
		sh.stop()
	default:
		now := sh.work()
		sh.deliver(m)
		sh.worked(now)
	}
}

const internalText = "internal error"

// becauseOf notes why it is over; the first reason counts.
func (sh *shell) becauseOf(why *CloseError) {
	if sh.why == nil {
		sh.why = why
	}
}

func (sh *shell) begin(c *actor.Context) {
	p := sh.p
	sh.ctx = Context{Peer: p, Context: *c}
	sh.begun = true
	p.home.stats.opened.Add(1)
	known := p.home.dir.add(p)
	p.mu.Lock()
	early := p.early
	p.mu.Unlock()
	switch {
	case early != nil:
		p.Close(early.Code, early.Text)
	case !known:
		p.Close(wire.CodeShutdown, "the server stops")
	}
	p.read.start() // before Started, in which the client may be asked something
	sh.path = p.session.Datagrams()
	sh.deliver(Started{})
}

// stop is the only place that closes a session.
func (sh *shell) stop() {
	p := sh.p
	p.closing.Store(true)
	if !sh.begun {
		return // begin is still queued: see its Release
	}
	sh.becauseOf(&CloseError{Code: wire.CodeShutdown, Text: "the server stops"})
	p.home.dir.remove(p)
	for _, r := range p.session.SealRoutes() {
		r.Gone(sh.why)
	}
	p.calls.Close(sh.why)
	defer func() { // also when Closed ends in runtime.Goexit
		sh.ending = true
		p.home.dir.release(p)
		sh.flush()
		p.session.Close(sh.why.Code, sh.why.Text) // where the client or the network has not done so
		p.home.stats.closed(sh.why)
	}()
	sh.deliver(Closed{Code: sh.why.Code, Text: sh.why.Text, Remote: sh.why.Remote, Err: sh.why})
}

// BatchEnd implements actor.BatchEnder.
func (sh *shell) BatchEnd() { sh.flush() }

func (sh *shell) flush() {
	sh.pace.Flushed()
	for i, s := range sh.dirty {
		s.Flush()
		sh.dirty[i] = nil
	}
	if sh.dirty = sh.dirty[:0]; cap(sh.dirty) > maxDirty {
		sh.dirty = nil
	}
	sh.p.session.Flush()
}

// work says that the behaviour is about to put something in.
func (sh *shell) work() (now time.Duration) {
	now = sh.p.home.now()
	sh.pace.Begin(now)
	return now
}

// worked says that the behaviour has returned, and flushes what may have waited
// too long: a behaviour that takes its time holds up nothing but its own.
func (sh *shell) worked(begin time.Duration) (now, took time.Duration) {
	now = sh.p.home.now()
	if sh.pace.Late(now, now-begin) {
		sh.flush()
		sh.pace.Begin(now)
	}
	return now, now - begin
}

// operations handles a batch, as long as the peer lives. A panic costs its
// operation alone.
func (sh *shell) operations(b *inbox.Batch[Operation]) {
	observe := sh.p.home.cfg.Observe
	now := sh.p.home.now()
	sh.pace.Batch(now)
	for !sh.p.closing.Load() {
		op := b.Next()
		if op == nil {
			return
		}
		panicked := sh.operation(op)
		if !sh.pace.Look() && observe == nil {
			continue
		}
		var took time.Duration
		if now, took = sh.worked(now); observe != nil {
			result, answered := op.question.Answered()
			sh.observe(Observation{Code: op.Code, Took: took, Answered: answered, Result: result, Panicked: panicked})
		}
	}
}

func (sh *shell) operation(op *Operation) (panicked bool) {
	defer func() {
		if r := recover(); r != nil {
			panicked = true
			sh.panicked(op, r, debug.Stack())
		}
		sh.ctx.message = nil
	}()
	sh.ctx.message = op
	sh.p.home.handle(&sh.ctx, op)
	if op.question.Open() {
		op.Fail(wire.ResultUnanswered, "the server did not answer") // an error says that the session is over
	}
	return false
}

// observe guards the application's metrics: a fault there is not the peer's.
func (sh *shell) observe(o Observation) {
	defer func() {
		if r := recover(); r != nil {
			sh.p.home.caught(r, debug.Stack(), slog.Any("peer", sh.p), slog.Int("operation", int(o.Code)))
		}
	}()
	sh.p.home.cfg.Observe(o)
}

// deliver guards any other message.
func (sh *shell) deliver(msg any) {
	if !sh.begun || sh.ending {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			stack := debug.Stack()
			sh.ctx.Respond(&actor.PanicError{Value: r, Stack: stack}) // where somebody asked
			sh.panicked(nil, r, stack)
		}
		sh.ctx.message = nil
	}()
	sh.ctx.message = msg
	sh.behavior.Receive(&sh.ctx)
}

// panicked deals with a panic of the behaviour.
func (sh *shell) panicked(op *Operation, value any, stack []byte) {
	p := sh.p
	who := []any{slog.Any("peer", p)}
	if op != nil {
		who = append(who, slog.Int("operation", int(op.Code)))
		op.Fail(wire.ResultInternal, internalText) // ErrNotAsked where it has been answered
	}
	p.home.caught(value, stack, who...)
	if p.closing.Load() {
		return
	}
	if p.home.cfg.OnPanic == RestartOnPanic && sh.again() {
		return
	}
	p.Close(wire.CodeInternal, internalText)
}

// again puts a fresh behaviour in the place of one that panicked, unless panics
// come too often. The timers of the old one end with it.
func (sh *shell) again() bool {
	if sh.panics == nil {
		sh.panics = new(actor.Panics)
	}
	if sh.panics.TooMany(time.Now()) {
		return false
	}
	b, _, err := sh.p.home.fresh(sh.p.init)
	if err != nil {
		sh.p.home.cfg.Logger.Error("peer restart", slog.Any("peer", sh.p), slog.Any("err", err))
		return false
	}
	sh.ctx.StopTimers()
	sh.behavior = b
	sh.deliver(Started{})
	return !sh.p.closing.Load()
}
