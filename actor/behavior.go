package actor

import "time"

// Behavior handles an actor's messages, one at a time. Besides what is sent to
// the actor it gets Started first, Stopping last, and in between Terminated,
// Tick and Failed where it asked for them.
type Behavior interface{ Receive(*Context) }

// Func is a Behavior made of a function, often a method: one for each state.
type Func func(*Context)

// Receive implements Behavior.
func (f Func) Receive(c *Context) { f(c) }

// BatchEnder is a Behavior, the one that the actor's constructor made, that
// wants to know when its mailbox is empty for now or its turn is over: the
// moment to flush what it has gathered. It stays the one to be told when the
// actor Becomes another, until a panic brings a fresh one. Stopping is not
// followed by a BatchEnd, nor always preceded by one.
type BatchEnder interface{ BatchEnd() }

// Props say how an actor is run. The zero value suits any behaviour.
type Props struct {
	Name        string // for logs; a unique suffix is appended; "" means "actor"
	Mailbox     int    // most messages queued, Force apart; 0 means 1024
	OnPanic     OnPanic
	NeverBlocks bool // Receive never waits: the actor runs on the run queue, which is cheaper
}

// OnPanic says what becomes of an actor whose behaviour panicked. Either way
// the panic is logged with its stack and counted, and who asked is answered.
type OnPanic uint8

const (
	// StopOnPanic ends the actor.
	StopOnPanic OnPanic = iota
	// RestartOnPanic goes on with a fresh behaviour and the rest of the
	// queue; the third panic within 10 s ends the actor. Timers and Tickers
	// end with the behaviour that made them. What is the actor's stays:
	// children, watches, functions in Context.Go.
	RestartOnPanic
)

const (
	panicLimit  = 3
	panicWindow = 10 * time.Second
)

// Started is an actor's first message, and the first of each fresh behaviour
// after a panic.
type Started struct{}

// Stopping is an actor's last message. Its children are still there.
type Stopping struct {
	Err error // a *PanicError where that is why, else nil
}

// Terminated tells a watcher that an actor has stopped.
type Terminated struct{ Ref Ref }

// Failed is what comes back from Context.Go when the function panicked.
type Failed struct{ Err error }
