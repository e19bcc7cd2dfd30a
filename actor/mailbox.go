package actor

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// Posted says what became of a message.
type Posted uint8

const (
	Accepted Posted = iota // queued
	Full                   // not queued: the mailbox is at its limit
	Dead                   // not queued: the actor has stopped
)

// Releaser is a message that holds something (a buffer, a credit) which must be
// given back also when the actor stops before it has handled the message.
type Releaser interface{ Release() }

// Settler is a message whose sender wants to know when it has been handled: how
// much of what it sent still waits. Settle is called behind Receive, in the
// actor's turn; for a message that is dropped Release is called instead.
type Settler interface{ Settle() }

const (
	defaultMailbox = 1024
	keepBusy       = 2048 // a drained queue with room for more gives it back at once
	keepIdle       = 64   // and with room for more than this, once its bursts are over
)

const (
	mailboxIdle int32 = iota
	mailboxRunning
)

// mailbox is a bounded queue that never blocks and never spins. It implements
// protoactor's Mailbox, and outlives its actor so that a Ref can always tell
// that the actor is gone. It may be posted to before its actor exists: nothing
// runs until Start.
type mailbox struct {
	// set once
	sys   *System
	limit int64
	name  string
	pid   atomic.Pointer[PID] // nil until the actor has been started

	// set before Start by the spawner
	invoker    protoactor.MessageInvoker
	dispatcher protoactor.Dispatcher
	processFn  func() // m.process bound once: a method value allocates

	users     atomic.Int64
	systems   atomic.Int64
	status    atomic.Int32
	started   atomic.Bool
	suspended atomic.Bool

	mu       sync.Mutex
	in       []any // user messages
	system   []any
	watchers map[*mailbox]struct{}
	refusing bool          // nothing is queued any more
	closed   bool          // the actor has gone
	dead     chan struct{} // closed by close; nil until somebody waits for it

	// the running goroutine's
	out      []any
	outPos   int
	spare    int    // room in the queue that in began with
	peak     int    // messages that were queued at once, fading with each look
	charge   int    // work done in this turn beyond one unit per message
	batchEnd func() // the shell's, while its behaviour is a BatchEnder
}

func newMailbox(s *System, name string, limit int) *mailbox {
	if limit <= 0 {
		limit = defaultMailbox
	}
	m := &mailbox{sys: s, name: name, limit: int64(limit)}
	m.processFn = m.process
	return m
}

// tryPost queues msg unless the mailbox is full or dead.
func (m *mailbox) tryPost(msg any) Posted { return m.post(msg, m.limit) }

// force queues msg beyond the limit: for what its sender posts once in its
// life, such as a timer, a child or the end of a session.
func (m *mailbox) force(msg any) Posted { return m.post(msg, math.MaxInt64) }

func (m *mailbox) post(msg any, limit int64) Posted {
	posted := m.enqueue(msg, limit)
	if posted == Accepted {
		m.schedule()
	}
	return posted
}

// put is force that leaves it to the caller to have the actor run.
func (m *mailbox) put(msg any) Posted { return m.enqueue(msg, math.MaxInt64) }

func (m *mailbox) enqueue(msg any, limit int64) Posted {
	m.mu.Lock()
	switch {
	case m.refusing:
		m.mu.Unlock()
		m.sys.stats.dead.Add(1)
		return Dead
	case m.users.Load() >= limit:
		m.mu.Unlock()
		m.sys.stats.full.Add(1)
		return Full
	}
	m.in = append(m.in, msg)
	m.users.Add(1) // behind the append: who sees the count finds the message
	m.mu.Unlock()
	return Accepted
}

// PostUserMessage implements protoactor's Mailbox: for messages sent to the PID.
func (m *mailbox) PostUserMessage(msg any) {
	if _, stop := msg.(*protoactor.PoisonPill); stop {
		m.force(msg)
		return
	}
	if m.tryPost(msg) != Accepted {
		m.sys.discard(msg)
	}
}

// PostSystemMessage implements protoactor's Mailbox. System messages are posted
// by the runtime alone, a few in an actor's life. When the actor has gone only a
// late watcher is answered: nothing is scheduled any more.
func (m *mailbox) PostSystemMessage(msg any) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		if w, ok := msg.(*protoactor.Watch); ok {
			m.sys.tellTerminated(w.Watcher, m.pid.Load())
		}
		return
	}
	m.system = append(m.system, msg)
	m.systems.Add(1)
	m.mu.Unlock()
	m.schedule()
}

// RegisterHandlers implements protoactor's Mailbox.
func (m *mailbox) RegisterHandlers(inv protoactor.MessageInvoker, d protoactor.Dispatcher) {
	m.invoker, m.dispatcher = inv, d
}

// Start implements protoactor's Mailbox. Until it has been called messages are
// only queued: the PID may be known before the dispatcher is set.
func (m *mailbox) Start() {
	m.started.Store(true)
	m.schedule()
}

// UserMessageCount implements protoactor's Mailbox.
func (m *mailbox) UserMessageCount() int { return int(m.users.Load()) }

func (m *mailbox) schedule() {
	if m.claim() {
		m.dispatcher.Schedule(m.processFn)
	}
}

// claim reports whether the actor was idle: now it is the caller's to run.
func (m *mailbox) claim() bool {
	return m.started.Load() && m.status.CompareAndSwap(mailboxIdle, mailboxRunning)
}

func (m *mailbox) process() {
	again := true // also when a behaviour has ended this goroutine by runtime.Goexit
	defer func() {
		if again {
			m.dispatcher.Schedule(m.processFn)
		}
	}()
	for !m.run() { // until the turn is used up: to the back of the dispatcher's queue
		m.status.Store(mailboxIdle)
		ready := m.systems.Load() > 0 || !m.suspended.Load() && m.users.Load() > 0
		if !ready || !m.status.CompareAndSwap(mailboxIdle, mailboxRunning) {
			again = false
			return
		}
	}
}

// run handles messages until there are none (false) or the turn is used up (true).
func (m *mailbox) run() (more bool) {
	var msg any
	defer func() {
		if r := recover(); r != nil { // of the shell: behaviours are guarded by it
			m.sys.panicked(m.name, msg, newPanicError(r))
			m.invoker.EscalateFailure(r, msg)
		}
	}()
	for left := m.dispatcher.Throughput(); ; left-- {
		if left <= 0 {
			m.endBatch()
			return true
		}
		var ok bool
		if msg = m.popSystem(); msg != nil {
			m.invokeSystem(msg)
			continue
		}
		if m.suspended.Load() {
			return false
		}
		if msg, ok = m.popUser(); !ok {
			m.endBatch()
			m.trim()
			return false
		}
		m.charge = 0
		m.invoker.InvokeUserMessage(msg)
		left -= m.charge
	}
}

func (m *mailbox) endBatch() {
	if m.batchEnd != nil {
		m.batchEnd()
	}
}

func (m *mailbox) invokeSystem(msg any) {
	switch msg.(type) {
	case *protoactor.SuspendMailbox:
		m.suspended.Store(true)
	case *protoactor.ResumeMailbox:
		m.suspended.Store(false)
	default:
		m.invoker.InvokeSystemMessage(msg)
	}
}

func (m *mailbox) popSystem() any {
	if m.systems.Load() == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	msg := m.system[0]
	m.system[0] = nil
	if m.system = m.system[1:]; len(m.system) == 0 {
		m.system = nil
	}
	m.systems.Add(-1)
	return msg
}

func (m *mailbox) popUser() (msg any, ok bool) {
	if m.users.Load() == 0 {
		return nil, false
	}
	if m.outPos == len(m.out) {
		if cap(m.out) > keepBusy {
			m.out = nil
		}
		m.spare = cap(m.out)
		m.mu.Lock()
		m.out, m.in = m.in, m.out[:0]
		m.mu.Unlock()
		m.outPos = 0
		m.peak = max(len(m.out), m.peak-m.peak/8-1)
	}
	msg = m.out[m.outPos]
	m.out[m.outPos] = nil
	m.outPos++
	m.users.Add(-1)
	return msg, true
}

// trim gives a burst's memory back when the queue has been drained: at once if
// it is much, else when a dozen small batches have followed, so that an actor
// under load does not allocate.
func (m *mailbox) trim() {
	room := cap(m.out) + m.spare
	if room <= keepIdle || room <= 2*keepBusy && m.peak > room/8 {
		return
	}
	m.out, m.outPos, m.spare, m.peak = nil, 0, 0, 0
	m.mu.Lock()
	if len(m.in) == 0 {
		m.in = nil
	}
	m.mu.Unlock()
}

// refuse lets nothing more in and discards what is queued. It is called in the
// actor's turn, or by close where the actor never started.
func (m *mailbox) refuse() {
	m.mu.Lock()
	m.refusing = true
	rest := slices.Concat(m.out[m.outPos:], m.in)
	m.in, m.out, m.outPos = nil, nil, 0
	m.users.Add(-int64(len(rest)))
	m.mu.Unlock()
	for _, msg := range rest {
		switch msg.(type) {
		case *protoactor.PoisonPill, *firing: // the runtime's own
		default:
			m.sys.stats.discarded.Add(1)
			m.sys.discard(msg)
		}
	}
}

// close makes the mailbox dead and tells the watchers. It is called in the
// actor's turn, or by its parent where the actor never started.
func (m *mailbox) close() {
	m.refuse()
	m.mu.Lock()
	watchers, dead := m.watchers, m.dead
	m.closed, m.watchers, m.dead = true, nil, nil
	m.mu.Unlock()
	if dead != nil {
		close(dead)
	}
	for w := range watchers {
		w.force(Terminated{Ref{m}})
	}
}

// done returns a channel that is closed once the actor has gone.
func (m *mailbox) done() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return closedChan()
	}
	if m.dead == nil {
		m.dead = make(chan struct{})
	}
	return m.dead
}

// watch reports false when the actor has stopped already.
func (m *mailbox) watch(by *mailbox) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	if m.watchers == nil {
		m.watchers = make(map[*mailbox]struct{})
	}
	m.watchers[by] = struct{}{}
	return true
}

func (m *mailbox) unwatch(by *mailbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watchers, by)
}

func release(msg any) {
	if r, ok := msg.(Releaser); ok {
		r.Release()
	}
}
