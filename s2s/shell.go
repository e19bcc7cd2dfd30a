package s2s

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/inbox"
	"github.com/troupe-go/troupe/wire"
)

// shell is the link's part of the behaviour's actor: it lives as long as the
// actor and guards the behaviour.
type shell struct {
	l        *Link
	fresh    func() (Behavior, error)
	ctx      Context
	behavior Behavior                // nil before Started, unless it came with the link
	live     *live                   // what the behaviour knows to be the link; nil: it is down
	early    []*inbox.Batch[message] // of a connection that the keeper may yet make the link
	pace     inbox.Pace
	panics   actor.Panics
	ending   bool // Closed has been delivered
}

// What the keeper tells, in order with the batches.
type (
	begin struct{ lv *live }
	end   struct {
		lv  *live
		why *CloseError
	}
	failed struct{} // Link.failed has been set
	finish struct{ why *CloseError }
	revive struct{}
)

// Receive implements actor.Behavior.
func (sh *shell) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case *inbox.Batch[message]:
		sh.batch(c, m)
	case actor.Started:
	case ready:
		sh.ctx = Context{Link: sh.l, Context: *c, sh: sh}
		sh.start()
	case begin:
		sh.begin(c, m.lv)
	case end:
		sh.end(m.lv, m.why)
	case failed:
		if f := sh.l.failed.Swap(nil); f != nil {
			sh.deliver(*f)
		}
	case revive:
		sh.start()
	case finish:
		sh.finish(m.why)
		c.Stop()
	case actor.Stopping:
		why := &CloseError{Code: wire.CodeShutdown, Text: stopsText}
		if m.Err != nil { // the shell itself failed, or a behaviour called runtime.Goexit
			why = &CloseError{Code: wire.CodeInternal, Text: internalText, Err: m.Err}
		}
		sh.end(sh.live, why)
		sh.finish(why)
		sh.flush()
	default:
		now := sh.now()
		sh.pace.Begin(now)
		sh.deliver(m)
		sh.worked(now)
	}
}

// now is a time of day that costs half as much as time.Now.
func (sh *shell) now() time.Duration { return time.Since(sh.l.home.epoch) }

// begin tells of a connection, and of what has come by it already.
func (sh *shell) begin(c *actor.Context, lv *live) {
	sh.l.untold.Add(-1)
	lv.phase = begun
	if sh.behavior == nil {
		sh.cut(lv)
		return
	}
	sh.live = lv
	sh.deliver(lv.init)
	early := sh.early
	sh.early = nil
	for _, b := range early {
		if of := b.First().from; of != lv { // it never became the link
			of.phase = over
		}
		sh.batch(c, b)
	}
}

// end tells that a connection is no more; nil: there is none.
func (sh *shell) end(lv *live, why *CloseError) {
	if lv == nil {
		return
	}
	sh.l.untold.Add(-1)
	known := sh.live == lv // else the behaviour that knew it has panicked
	lv.phase = over
	sh.live = nil
	if known {
		sh.deliver(downOf(why))
	}
}

// finish delivers the last message.
func (sh *shell) finish(why *CloseError) {
	if !sh.ending {
		sh.deliver(Closed{Code: why.Code, Text: why.Text, Err: why})
		sh.ending = true
	}
	for _, b := range sh.early {
		b.Release()
	}
	sh.early = nil
}

// BatchEnd implements actor.BatchEnder.
func (sh *shell) BatchEnd() { sh.flush() }

func (sh *shell) flush() {
	sh.pace.Flushed()
	sh.live.flush() // what was answered
	if lv := sh.l.live.Load(); lv != sh.live {
		lv.flush() // what was sent
	}
}

// worked says that the behaviour has returned, and flushes what may have waited
// too long.
func (sh *shell) worked(begin time.Duration) (now time.Duration) {
	now = sh.now()
	if sh.pace.Late(now, now-begin) {
		sh.flush()
		sh.pace.Begin(now)
	}
	return now
}

// batch handles what one read has brought. That of a connection which is not up
// yet waits, that of one which is over is dropped.
func (sh *shell) batch(c *actor.Context, b *inbox.Batch[message]) {
	lv := b.First().from
	if lv.phase == unknown && !sh.ending {
		sh.early = append(sh.early, b) // the session's gate bounds them
		return
	}
	defer b.Release()
	c.Charge(b.Len() - 1)
	now := sh.now()
	sh.pace.Batch(now)
	for lv.phase == begun && sh.l.closing.Load() == nil {
		m := b.Next()
		if m == nil {
			return
		}
		if m.event {
			sh.deliver(&m.ev)
		} else {
			sh.operation(&m.op)
		}
		if sh.pace.Look() {
			now = sh.worked(now)
		}
	}
}

func (sh *shell) operation(op *Operation) {
	if !sh.deliver(op) {
		op.Fail(wire.ResultInternal, internalText) // ErrNotAsked where it has been answered
		return
	}
	if op.question.Open() {
		op.Fail(wire.ResultUnanswered, "the server did not answer") // an error says that the connection is over
	}
}

// deliver guards one message; false says that the behaviour has panicked.
func (sh *shell) deliver(msg any) (ok bool) {
	if sh.behavior == nil || sh.ending || sh.ctx.sh == nil { // given a rest; over; not begun
		return true
	}
	defer func() {
		if r := recover(); r != nil {
			stack := debug.Stack()
			sh.ctx.Respond(&actor.PanicError{Value: r, Stack: stack}) // where somebody asked
			sh.panicked(r, stack)
		}
		sh.ctx.message = nil
	}()
	sh.ctx.message = msg
	sh.behavior.Receive(&sh.ctx)
	return true
}

// restTime is how long a behaviour is given a rest that panics often.
const restTime = 10 * time.Second

// panicked cuts the link and puts a fresh behaviour in the place of the one that
// has panicked, the third time within 10 s after a rest in which the link is
// down. The timers of the old one end with it.
func (sh *shell) panicked(value any, stack []byte) {
	sh.l.home.caught(value, stack, slog.Any("link", sh.l))
	sh.cut(sh.live)
	if sh.l.closing.Load() != nil {
		return
	}
	sh.ctx.StopTimers()
	if sh.behavior = nil; sh.panics.TooMany(time.Now()) {
		sh.l.faulty.Store(true)
		sh.ctx.After(restTime, revive{})
		return
	}
	sh.start()
}

// cut has the keeper end a connection, of which the behaviour hears no more.
func (sh *shell) cut(lv *live) {
	sh.live = nil
	if lv != nil {
		lv.phase = over
		sh.l.ref.Force(panicked{lv})
	}
}

// start makes a behaviour, unless there is one, and begins it. A link that has
// none is over.
func (sh *shell) start() {
	if sh.behavior == nil && !sh.again() {
		sh.l.Close(wire.CodeInternal, "no behaviour could be made")
		return
	}
	sh.l.faulty.Store(false)
	sh.deliver(Started{})
}

func (sh *shell) again() (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			sh.l.home.caught(r, debug.Stack(), slog.Any("link", sh.l))
		}
	}()
	b, err := sh.fresh()
	if err != nil || b == nil {
		sh.l.home.cfg.Logger.Error("link behaviour", slog.Any("link", sh.l), slog.Any("err", err))
		return false
	}
	sh.behavior = b
	return true
}
