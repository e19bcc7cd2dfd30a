package actor

// Turn is the right, and the duty, to run an actor that was idle until a
// message came: exactly one of Run and Dispatch is to be called, once. The zero
// Turn is no turn.
type Turn struct{ m *mailbox }

// ForceTurn is Force by a sender that is willing to run the actor on its own
// goroutine: a wake-up is saved where there is nothing else to do. When the
// actor is not running already the Turn is the sender's.
func (r Ref) ForceTurn(msg any) (Turn, Posted) {
	if r.m == nil {
		return Turn{}, Dead
	}
	if posted := r.m.put(msg); posted != Accepted {
		return Turn{}, posted
	}
	if r.m.claim() {
		return Turn(r), Accepted
	}
	return Turn{}, Accepted
}

// IsZero reports whether it is no turn.
func (t Turn) IsZero() bool { return t.m == nil }

// Run runs the actor here, until it has nothing to do or others are to have
// their turn. Its behaviour may block.
func (t Turn) Run() { t.m.process() }

// Dispatch leaves the actor to the goroutines that run it otherwise.
func (t Turn) Dispatch() { t.m.dispatcher.Schedule(t.m.processFn) }
