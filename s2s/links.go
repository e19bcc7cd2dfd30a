package s2s

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/inbox"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// Links are the links of one server; its actor is the parent of theirs. Its
// methods may be called from any goroutine.
type Links struct {
	// set once
	sys       *actor.System
	cfg       Config
	ref       actor.Ref
	transport *transport.Transport
	epoch     time.Time
	shelf     inbox.Shelf[message]
	stats     counters
	sockets   sockets

	incarnation atomic.Uint64 // of the newest link

	mu     sync.Mutex
	links  map[key]*Link // until they have ended
	closed bool          // none is begun any more
}

// key is what two servers have one link for.
type key struct{ name, app string }

// index finds a system's Links.
type index struct{ links atomic.Pointer[Links] }

func indexOf(sys *actor.System) *index {
	return actor.Extension(sys, func() *index { return new(index) })
}

// New starts the links of a system, which has them once.
func New(sys *actor.System, cfg Config) (*Links, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ls := &Links{sys: sys, cfg: cfg, epoch: time.Now(), links: make(map[key]*Link)}
	ls.shelf.Spoil = spoil
	if !indexOf(sys).links.CompareAndSwap(nil, ls) {
		return nil, errors.New("s2s: this system has links already")
	}
	var err error
	ls.transport, err = transport.NewProtocol(sys, transport.Config{
		Limits: cfg.Limits, TLS: cfg.acceptorTLS(), AllowPlaintext: cfg.AllowPlaintext, Logger: cfg.Logger,
		AcceptRate: cfg.AcceptRate, AcceptRatePerAddress: cfg.AcceptRatePerAddress,
		MaxConnections: cfg.MaxConnections, MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
		MaxHandshakes: cfg.MaxHandshakes, MaxHandshakesPerAddress: cfg.MaxHandshakesPerAddress,
		SecondPort: -1,                 // servers need not know of what kind a NAT is
		Hosts:      []string{cfg.Name}, // of WebSockets, besides IP literals
	}, transport.Protocol{Scheme: Scheme, ALPN: alpn, Subprotocol: subprotocol, Control: tuneSocket, Take: ls.take})
	if err != nil {
		indexOf(sys).links.Store(nil)
		return nil, err
	}
	ls.ref = sys.Spawn(actor.Props{Name: "links", NeverBlocks: true}, func() actor.Behavior {
		return actor.Func(func(*actor.Context) {}) // it is there to be stopped
	})
	return ls, nil
}

// Listen opens a socket for s2s+tls://host:port, s2s+tcp://, s2s+wss://, s2s+ws://
// or s2s+udp://, as transport's Listen does for clients.
func (ls *Links) Listen(url string) (netip.AddrPort, actor.Ref, error) {
	if ls.cfg.TLS == nil && isSecure(url) {
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("s2s: %s: %w", url, errNoTLS)
	}
	return ls.transport.Listen(url)
}

// Dial sees to it that there is a link with another server, until it is closed,
// and returns it at once: whether it is up, the Behavior hears. fresh makes that,
// and makes another after a panic.
//
// A system has one link with a server and application. Where there is one
// already, be it that the other server has dialled, Dial returns that with the
// Behavior that it has; servers that dial each other give both the same. The first
// Target counts: to dial another URL, or with another Payload, Close the link and
// wait until it is Done. Before that Dial fails with ErrClosed.
func Dial(sys *actor.System, t Target, fresh func() Behavior) (*Link, error) {
	ls := indexOf(sys).links.Load()
	if ls == nil {
		return nil, errors.New("s2s: this server has no name: set Config.Links.Name, or call New")
	}
	u, err := ls.cfg.check(&t)
	if err != nil {
		return nil, err
	}
	if fresh == nil {
		return nil, errors.New("s2s: Dial needs somebody to make the Behavior")
	}
	t.Payload = slices.Clone(t.Payload)
	l, begun, err := ls.link(key{t.Name, t.App}, func() (Behavior, error) { return fresh(), nil }, nil)
	if err != nil {
		return nil, err
	}
	if l.ref.Force(dialTo{&route{t, u}}) != actor.Accepted && !begun { // else it is Done already: fresh has made nothing
		return nil, l.errEnds()
	}
	return l, nil
}

// link finds the link for k, or begins it; first may be its first Behavior.
func (ls *Links) link(k key, fresh func() (Behavior, error), first Behavior) (l *Link, begun bool, err error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l = ls.links[k]
	switch {
	case l != nil && l.closing.Load() != nil:
		return nil, false, l.errEnds()
	case l != nil:
		return l, false, nil
	case ls.closed:
		return nil, false, errStops
	}
	if l = ls.newLink(k, fresh, first); l == nil {
		return nil, false, errStops
	}
	ls.links[k] = l
	return l, true, nil
}

// number returns an incarnation that is above all before, those of earlier
// processes included.
func (ls *Links) number() uint64 {
	for {
		last := ls.incarnation.Load()
		next := max(last+1, uint64(time.Now().UnixNano()))
		if ls.incarnation.CompareAndSwap(last, next) {
			return next
		}
	}
}

// remove forgets a link that has ended.
func (ls *Links) remove(l *Link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.links[l.key] == l {
		delete(ls.links, l.key)
	}
}

func (ls *Links) find(k key) *Link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.links[k]
}

func (ls *Links) all() []*Link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return slices.Collect(maps.Values(ls.links))
}

func (ls *Links) isClosed() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.closed
}

// All iterates over the links of a system, those that are down included.
func All(sys *actor.System) iter.Seq[*Link] {
	if ls := indexOf(sys).links.Load(); ls != nil {
		return slices.Values(ls.all())
	}
	return func(func(*Link) bool) {}
}

// Find returns the link with a server for an application, or nil.
func Find(sys *actor.System, name, app string) *Link {
	if ls := indexOf(sys).links.Load(); ls != nil {
		return ls.find(key{name, app})
	}
	return nil
}

// Ref refers to the actor of the listeners: stopping it closes them, and no link.
func (ls *Links) Ref() actor.Ref { return ls.transport.Ref() }

// Shutdown closes every link with CodeShutdown and behind what is queued for it,
// lets none begin, and waits for their behaviours until ctx ends.
func (ls *Links) Shutdown(ctx context.Context) error {
	ls.mu.Lock()
	ls.closed = true
	ls.mu.Unlock()
	all := ls.all()
	for _, l := range all {
		l.Close(wire.CodeShutdown, stopsText)
	}
	for _, l := range all {
		select {
		case <-l.Done():
		case <-ctx.Done():
			return fmt.Errorf("s2s: still closing: %w", ctx.Err())
		}
	}
	return nil
}

const stopsText = "the server stops"

var errStops = fmt.Errorf("s2s: %s: %w", stopsText, ErrClosed)

// Wait waits until no connection has a goroutine left, or ctx ends. It comes
// last: when the system has stopped.
func (ls *Links) Wait(ctx context.Context) error {
	err := ls.transport.Wait(ctx)
	return errors.Join(err, ls.sockets.wait(ctx))
}
