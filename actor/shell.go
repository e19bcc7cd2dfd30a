package actor

import (
	"context"
	"log/slog"
	"strings"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// shell is what protoactor runs: it lives as long as its actor, guards the
// behaviour, and owns its timers and goroutines.
type shell struct {
	// set once
	sys   *System
	m     *mailbox
	props Props
	fresh func() Behavior

	// the actor's turn
	ctx      Context // given to every Receive
	proto    protoactor.Context
	behavior Behavior   // nil: none could be made, or the actor has stopped
	ender    BatchEnder // the behaviour that fresh made, if it is one
	message  any
	asked    *request // the message's asker, or nil
	failure  error    // the panic that ends the actor
	stopping bool     // Stopping is being delivered, or has been
	panics   *Panics
	timers   map[stopper]struct{}
	watching map[*mailbox]struct{}
	running  *goGroup
	children *nursery
}

// newShellProps are protoactor's for the actors that next names, one at a time.
func newShellProps(d protoactor.Dispatcher, next func() *spawnChild) *protoactor.Props {
	return protoactor.PropsFromProducer(
		func() protoactor.Actor {
			child := next()
			return &shell{sys: child.m.sys, m: child.m, props: child.props, fresh: child.fresh}
		},
		protoactor.WithDispatcher(d),
		protoactor.WithMailbox(func() protoactor.Mailbox { return next().m }),
		protoactor.WithSupervisor(stopOnFault),
	)
}

// nursery makes a parent's children: they share protoactor's Props, of which
// each actor would else have its own.
type nursery struct {
	child      *spawnChild // being made, in the parent's turn
	fast, slow *protoactor.Props
}

func (n *nursery) props(s *System, child *spawnChild) *protoactor.Props {
	n.child = child
	next := func() *spawnChild { return n.child }
	if child.props.NeverBlocks {
		if n.fast == nil {
			n.fast = newShellProps(s.fast, next)
		}
		return n.fast
	}
	if n.slow == nil {
		n.slow = newShellProps(s.slow, next)
	}
	return n.slow
}

// Receive implements protoactor's Actor.
func (s *shell) Receive(c protoactor.Context) {
	switch msg := c.Message().(type) {
	case *protoactor.Started:
		s.start(c)
	case *protoactor.Stopping:
		s.stop()
	case *protoactor.Stopped:
		if s.proto != nil { // else killed before it could start
			s.sys.stats.stopped.Add(1)
		}
		s.m.close()
	case *protoactor.Terminated:
		if !strings.HasPrefix(msg.Who.GetId(), c.Self().Id+"/") { // a child's end comes unasked
			s.deliver(msg)
		}
	case *spawnChild:
		s.spawn(msg)
	case *firing:
		if msg.arrive(s) {
			s.deliver(msg.message())
		}
	case *request:
		s.asked = msg
		s.deliver(msg.msg)
		msg.handled()
		s.asked = nil
	case *goResult:
		s.running.n--
		s.deliver(msg.v)
	case Terminated:
		delete(s.watching, msg.Ref.m)
		s.deliver(msg)
	default:
		s.deliver(msg)
		if m, ok := msg.(Settler); ok {
			m.Settle()
		}
	}
}

func (s *shell) start(c protoactor.Context) {
	s.sys.stats.spawned.Add(1)
	s.proto = c
	s.ctx = Context{s}
	s.m.pid.Store(c.Self()) // before the behaviour asks for it
	if s.incarnate() {
		s.deliver(Started{})
	}
}

// incarnate makes a fresh behaviour. A constructor that panics is a behaviour
// that panicked.
func (s *shell) incarnate() (ok bool) {
	defer func() {
		if !ok {
			s.failed(newPanicError(recover()))
		}
	}()
	s.behavior, s.ender, s.m.batchEnd = nil, nil, nil
	b := s.fresh()
	if b == nil {
		panic("actor: the constructor returned no Behavior")
	}
	s.behavior = b
	if s.ender, ok = b.(BatchEnder); ok {
		s.m.batchEnd = s.endBatch
	}
	return true
}

// deliver guards one message.
func (s *shell) deliver(msg any) {
	if s.behavior == nil {
		s.sys.discard(msg)
		return
	}
	s.message = msg
	returned := false
	defer func() {
		if !returned {
			s.failed(newPanicError(recover()))
		}
		s.message = nil
	}()
	s.behavior.Receive(&s.ctx)
	returned = true
}

// endBatch guards the behaviour's BatchEnd.
func (s *shell) endBatch() {
	if s.ender == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			s.failed(newPanicError(recover()))
			s.endBatch() // what a fresh behaviour has gathered; at most twice, see panicLimit
		}
	}()
	s.ender.BatchEnd()
	returned = true
}

// failed deals with a panic of the behaviour.
func (s *shell) failed(err *PanicError) {
	s.sys.panicked(s.m.name, s.message, err)
	if s.asked != nil {
		s.asked.fail(err)
		s.asked = nil
	}
	if s.stopping || s.failure != nil {
		return // its end is decided
	}
	if s.props.OnPanic == RestartOnPanic && !s.tooMany() {
		s.endTimers()
		if s.incarnate() {
			s.deliver(Started{})
		}
		return
	}
	s.failure = err
	s.ender, s.m.batchEnd = nil, nil
	s.proto.Stop(s.proto.Self())
}

func (s *shell) tooMany() bool {
	if s.panics == nil {
		s.panics = new(Panics)
	}
	return s.panics.TooMany(time.Now())
}

// stop is the only place that ends what the actor owns.
func (s *shell) stop() {
	s.stopping = true
	returned := false
	defer func() {
		s.letGo()
		if !returned {
			s.stopAnyway()
		}
	}()
	s.deliver(Stopping{Err: s.failure})
	returned = true
}

func (s *shell) letGo() {
	s.behavior, s.ender, s.m.batchEnd = nil, nil, nil // a Ref may outlive us: hold nothing
	s.fresh, s.failure = nil, nil
	s.endTimers()
	for m := range s.watching {
		m.unwatch(s.m)
	}
	s.watching = nil
	if s.running != nil {
		s.running.cancel()
	}
	s.m.refuse()
}

// stopAnyway does protoactor's part behind Stopping, where runtime.Goexit has
// kept it from going on: it stops the children and looks again once.
func (s *shell) stopAnyway() {
	for _, child := range s.proto.Children() {
		s.proto.Stop(child)
	}
	s.m.PostSystemMessage(&protoactor.Terminated{Who: &PID{}})
}

func (s *shell) endTimers() {
	for t := range s.timers {
		t.end()
	}
	s.timers = nil
}

// spawn starts a child, in the actor's turn.
func (s *shell) spawn(child *spawnChild) {
	if s.behavior == nil {
		child.m.close()
		return
	}
	if s.children == nil {
		s.children = new(nursery)
	}
	pid, err := s.proto.SpawnNamed(s.children.props(s.sys, child), child.m.name)
	s.children.child = nil
	if err != nil { // the name is unique
		s.sys.Logger().Error("actor spawn", slog.String("actor", child.m.name), slog.Any("err", err))
		child.m.close()
		return
	}
	child.m.pid.Store(pid) // it may have stopped before it started
}

// goGroup is what Context.Go has running for one actor.
type goGroup struct {
	ctx    context.Context
	cancel context.CancelFunc
	n      int
}
