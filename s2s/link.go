package s2s

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/wire"
)

// Link is what lasts between this server and another one. Its methods may be
// called from any goroutine.
type Link struct {
	// set once
	home *Links
	key  key
	ref  actor.Ref // the keeper's
	user actor.Ref // the behaviour's

	live    atomic.Pointer[live]       // the connection that is up; nil while none is
	closing atomic.Pointer[CloseError] // why the link is being closed, or was; set with mu
	untold  atomic.Int32               // begins and ends that the behaviour has not come to
	faulty  atomic.Bool                // it panics so often that it is given a rest
	failed  atomic.Pointer[Failed]     // the last one, until the behaviour comes to it

	mu      sync.Mutex
	kept    kept
	up      chan struct{} // closed when the link is up; nil while nobody waits
	waiting int           // who do
}

// newLink starts a link, or returns nil: the system has stopped.
func (ls *Links) newLink(k key, fresh func() (Behavior, error), first Behavior) *Link {
	l := &Link{home: ls, key: k}
	sh := &shell{l: l, fresh: fresh, behavior: first}
	l.ref = ls.sys.SpawnUnder(ls.ref, actor.Props{Name: "link", NeverBlocks: true}, func() actor.Behavior { return newKeeper(l) })
	l.user = ls.sys.SpawnUnder(l.ref, actor.Props{Name: "link-behavior", Mailbox: ls.cfg.Mailbox}, func() actor.Behavior { return sh })
	if l.ref.Force(ready{}) != actor.Accepted || l.user.Force(ready{}) != actor.Accepted {
		return nil
	}
	return l
}

// ready is the first message to a link's actors: by then both are known.
type ready struct{}

// Name is the other server's.
func (l *Link) Name() string { return l.key.name }

// App is the application that the link is for.
func (l *Link) App() string { return l.key.app }

// Up reports whether the link is up now.
func (l *Link) Up() bool { return l.live.Load() != nil }

// RTT is the smoothed round-trip time; zero while the link is down, and until the
// first ping is answered.
func (l *Link) RTT() time.Duration {
	lv := l.live.Load()
	if lv == nil {
		return 0
	}
	rtt, _ := lv.session.RTT()
	return rtt
}

// RemoteAddr is the other server's address; invalid while the link is down.
func (l *Link) RemoteAddr() netip.AddrPort {
	lv := l.live.Load()
	if lv == nil {
		return netip.AddrPort{}
	}
	return lv.session.RemoteAddr()
}

// Ref refers to the link's actor: what is sent to it reaches the behaviour.
func (l *Link) Ref() actor.Ref { return l.user }

// Done is closed when the link is over and its behaviour has had its Closed.
func (l *Link) Done() <-chan struct{} { return l.user.Done() }

// String returns the other server's name, and the application's, for logs.
func (l *Link) String() string {
	if l.key.app == "" {
		return l.key.name
	}
	return l.key.name + "/" + l.key.app
}

// LogValue implements slog.LogValuer.
func (l *Link) LogValue() slog.Value { return slog.StringValue(l.String()) }

// Notify tells the other server something that it handles as an operation and
// does not answer. It copies b. nil means queued: see ErrLinkDown and its
// neighbours. In a behaviour, [Context.Notify] is cheaper.
func (l *Link) Notify(code uint16, b wire.Body, d wire.Delivery) error {
	lv, err := l.notify(code, b, d)
	lv.flush()
	return err
}

func (l *Link) notify(code uint16, b wire.Body, d wire.Delivery) (*live, error) {
	m := wire.Operation{Code: code, Delivery: d, Body: b}
	lv, err := l.live.Load(), ErrClosed
	if lv != nil {
		err = lv.session.PutOperation(&m)
	}
	return l.sent(lv, err, d, m.AppendFrame)
}

// Event tells the other server something. It copies b. In a behaviour,
// [Context.Event] is cheaper.
func (l *Link) Event(code uint16, b wire.Body, d wire.Delivery) error {
	lv, err := l.event(code, b, d)
	lv.flush()
	return err
}

func (l *Link) event(code uint16, b wire.Body, d wire.Delivery) (*live, error) {
	m := wire.Event{Code: code, Delivery: d, Body: b}
	lv, err := l.live.Load(), ErrClosed
	if lv != nil {
		err = lv.session.PutEvent(&m)
	}
	return l.sent(lv, err, d, m.AppendFrame)
}

// sent deals with what the connection that is up, if one is, has not taken
// because it is ending.
func (l *Link) sent(lv *live, err error, d wire.Delivery, encode func([]byte) []byte) (*live, error) {
	if err == ErrClosed {
		return l.put(lv, d, encode)
	}
	return lv, err
}

// Call asks the other server something and waits for its answer until ctx ends,
// or until the link is down. The answer, which owns its bytes, does not pass
// through the link's actor, so a behaviour may wait; what comes meanwhile queues,
// and with 1 MiB of it the connection ends as overloaded. A Response whose Result
// is not 0 comes with an *Error.
func (l *Link) Call(ctx context.Context, code uint16, b wire.Body) (wire.Response, error) {
	for {
		lv := l.live.Load()
		if lv != nil {
			r, err := lv.call(ctx, code, b)
			if err != ErrClosed {
				return r, err
			}
		}
		if err := l.await(ctx, lv); err != nil {
			return wire.Response{}, err
		}
	}
}

// Call asks as [Link.Call] does, with req encoded as by [wire.Encode] and the
// answer decoded as by [wire.Decode]. An answer that reports a failure is an
// [*Error].
func Call[Res any](ctx context.Context, l *Link, code uint16, req any) (Res, error) {
	var none Res
	b, err := wire.Encode(req)
	if err != nil {
		return none, err
	}
	r, err := l.Call(ctx, code, b)
	if err != nil {
		return none, err
	}
	return wire.Decode[Res](r.Body)
}

// Close ends the link for good, behind what is queued for the other server, and
// tells it why. It does not wait. Calls that wait fail. Closing again does
// nothing.
func (l *Link) Close(code wire.Code, text string) {
	why := &CloseError{Code: code, Text: text}
	if !l.shut(why) {
		return
	}
	if lv := l.live.Load(); lv != nil { // the behaviour may be waiting in a call
		lv.session.Close(code, text)
		lv.calls.Close(why)
	}
	l.ref.Force(closing{why})
}

// shut lets nothing more in. It reports false when that has been done.
func (l *Link) shut(why *CloseError) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing.CompareAndSwap(nil, why) {
		return false
	}
	l.clearLocked()
	l.wakeLocked()
	return true
}
