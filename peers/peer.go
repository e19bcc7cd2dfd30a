package peers

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Peer is the server's end of one client. Its methods may be called from any
// goroutine.
type Peer struct {
	// set once
	home    *Peers
	id      wire.ID
	init    *Init
	session *session.Session // nil before Start
	ref     actor.Ref

	shell shell  // the actor's turn
	read  reader // the session's reader
	calls session.Calls

	closing atomic.Bool   // no more operations are handled
	moved   atomic.Bool   // a pathMoved is in the mailbox
	gone    chan struct{} // closed when the user's place is free again; nil without a user

	mu      sync.Mutex
	started bool
	early   *CloseError   // closed before it started
	kicked  chan struct{} // closed by that; nil without a user
	values  map[any]any
}

// ID is the peer's id: never used twice by this server.
func (p *Peer) ID() wire.ID { return p.id }

// User is who Auth said it is.
func (p *Peer) User() string { return p.init.User }

// App is the application that the client asked for.
func (p *Peer) App() string { return p.init.App }

// RemoteAddr is the client's address. On udp:// it changes with the client's
// network; [Init] has the one that it came from.
func (p *Peer) RemoteAddr() netip.AddrPort {
	if s := p.session; s != nil {
		if a := s.RemoteAddr(); a.IsValid() {
			return a
		}
	}
	return p.init.Remote
}

// Datagrams reports whether unreliable and sequenced messages go to this client
// by UDP now, as everything does on udp://, or by its stream. A [PathChanged]
// tells when that changes.
func (p *Peer) Datagrams() bool { return p.session.Datagrams() }

// RTT is the smoothed round-trip time, zero until the first ping is answered.
func (p *Peer) RTT() time.Duration {
	rtt, _ := p.session.RTT()
	return rtt
}

// Ref refers to the peer's actor: what is sent to it reaches the behaviour.
func (p *Peer) Ref() actor.Ref { return p.ref }

// Session is for Troupe's own layers.
func (p *Peer) Session() *session.Session { return p.session }

// String returns the peer's id and user, for logs.
func (p *Peer) String() string {
	if p.init.User == "" {
		return p.id.String()
	}
	return p.id.String() + " (" + p.init.User + ")"
}

// LogValue implements slog.LogValuer.
func (p *Peer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", p.id.String()), slog.String("user", p.init.User), slog.Any("addr", p.RemoteAddr()))
}

// Event tells the client something. b is copied. nil means queued: a reliable
// event arrives, in order on its channel, unless the session ends before; others
// may give way to newer ones, or be dropped when they have waited too long.
// ErrOverloaded says that the queue is full: a reliable event then ends the
// session, another is dropped. In a behaviour, [Context.Event] is cheaper.
func (p *Peer) Event(code uint16, b wire.Body, d wire.Delivery) error {
	err := p.session.PutEvent(&wire.Event{Code: code, Delivery: d, Body: b})
	p.session.Flush()
	return err
}

// Call asks the client something and waits for its answer until ctx ends, or
// until the peer does. The answer, which owns its bytes, does not pass through
// the peer's actor, so a behaviour may wait; what the client sends meanwhile
// queues, and with 1 MiB of it the peer ends as overloaded. A Response whose
// Result is not 0 comes with a *Error.
func (p *Peer) Call(ctx context.Context, code uint16, b wire.Body) (wire.Response, error) {
	return p.CallWith(ctx, code, b, wire.Reliable)
}

// CallWith is Call by a delivery other than wire.Reliable. The answer is
// reliable, on the channel of the question, and sent twice if that was.
func (p *Peer) CallWith(ctx context.Context, code uint16, b wire.Body, d wire.Delivery) (wire.Response, error) {
	p.session.LiftGate() // else what is queued could keep the answer out
	defer p.session.LowerGate()
	r, err := p.calls.Do(ctx, func(request uint32) error {
		err := p.session.PutOperation(&wire.Operation{Code: code, Request: request, Delivery: d, Body: b})
		p.session.Flush()
		return err
	})
	if err == nil && r.Result != wire.ResultOK {
		err = &Error{Code: r.Result, Text: r.Text}
	}
	return r, err
}

// Tell sends the client an operation that asks for no answer.
func (p *Peer) Tell(code uint16, b wire.Body, d wire.Delivery) error {
	err := p.session.PutOperation(&wire.Operation{Code: code, Delivery: d, Body: b})
	p.session.Flush()
	return err
}

// Close ends the peer behind what is queued for it and tells the client why. It
// does not wait. Operations that have not been handled yet are dropped, and
// calls that wait fail. Closing again does nothing.
func (p *Peer) Close(code wire.Code, text string) {
	p.end(&CloseError{Code: code, Text: text}, func() { p.session.Close(code, text) })
}

// Abort ends the peer at once, also one that is closing; what is queued for it
// is lost.
func (p *Peer) Abort() {
	p.end(&CloseError{Code: wire.CodeAborted}, func() { p.session.Abort() })
}

func (p *Peer) end(why *CloseError, endSession func()) {
	p.mu.Lock()
	if !p.started {
		if p.early == nil {
			p.early = why
			if p.kicked != nil {
				close(p.kicked)
			}
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	endSession()
	p.calls.Close(why) // the behaviour may be waiting in one
	if !p.closing.Swap(true) {
		p.ref.Force(ended{why})
	}
}

// ended tells the shell that it is over.
type ended struct{ why *CloseError }

// Done is closed when the peer's behaviour has had its Closed.
func (p *Peer) Done() <-chan struct{} { return p.ref.Done() }

// Set keeps a value with the peer, under a key of a type of the caller's own.
func (p *Peer) Set(key, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values == nil {
		p.values = make(map[any]any)
	}
	p.values[key] = value
}

// Value returns what was Set, or nil.
func (p *Peer) Value(key any) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.values[key]
}
