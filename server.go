package troupe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/transport"
)

// Server serves clients, and links with other servers. Set its fields before the
// first method is called; the methods may be called from any goroutine.
type Server struct {
	// Auth decides who a client is and sets Init.User; nil lets everybody in.
	// Return peers.Refuse(wire.CodeAuth, "…") for a client that is wrong; any
	// other error is a fault of the server's: it is logged, and the client is
	// told no more than an internal error. Auth may block for 3 s.
	Auth func(context.Context, *Init) error
	// Peer makes the behaviour of a client, or refuses it with peers.Refuse. A
	// server without clients, which has but links, has none.
	Peer func(*Init) (Behavior, error)
	// Link makes the behaviour of a link that another server has dialled, or
	// refuses it with s2s.Refuse. Links of this server's own dialling need none:
	// see s2s.Dial.
	Link func(*s2s.Init) (s2s.Behavior, error)
	Config

	// set by start
	once      sync.Once
	err       error
	sys       *actor.System
	peers     *peers.Peers // nil without Peer, as transport is
	transport *transport.Transport
	links     *s2s.Links    // nil without Config.Links.Name
	stopped   chan struct{} // closed when Shutdown begins
	down      chan struct{} // closed when a Shutdown has returned

	stopping, ending sync.Once // close stopped and down

	mu    sync.Mutex
	addrs []netip.AddrPort
}

// ErrServerClosed is what Serve returns after Shutdown, and Listen from then on.
var ErrServerClosed = fmt.Errorf("troupe: server closed: %w", http.ErrServerClosed)

// System is the actor system that the server runs in, made on first use. That
// of a server which can't start has been shut down.
func (s *Server) System() *actor.System {
	s.start() // an error is told by the methods that return one
	return s.sys
}

// start makes the parts, once.
func (s *Server) start() error {
	s.once.Do(func() {
		s.stopped, s.down = make(chan struct{}), make(chan struct{})
		p := s.parts()
		s.sys = actor.NewSystem(p.actors)
		if s.err = s.assemble(p); s.err != nil {
			s.sys.Shutdown(context.Background()) // nothing in it blocks: no error
		}
	})
	return s.err
}

func (s *Server) assemble(p parts) (err error) {
	if err = p.check(); err != nil {
		return err
	}
	if p.links.Name != "" {
		if s.links, err = s2s.New(s.sys, p.links); err != nil {
			return err
		}
	}
	if p.peers.Peer == nil {
		return nil
	}
	if s.peers, err = peers.New(s.sys, p.peers); err != nil {
		return err
	}
	s.transport, err = transport.New(s.sys, p.transport, s.peers.Admit)
	return err
}

// Listen opens sockets without waiting: tcp://, tls://, ws://, wss:// and udp://
// URLs for clients, and for servers the same (save udp://) with s2s+ before them,
// on ports of their own; port 0 for any. It returns the addresses in the order of
// the URLs. When one fails, none stays open.
//
// A game listens on both tls://:4530 and udp://:4530. Clients that come by a
// stream are told of the udp:// listener that has been open longest, and what
// need not be reliable goes by UDP as far as their networks let it through.
// Clients that come by udp:// have no stream at all.
func (s *Server) Listen(urls ...string) ([]netip.AddrPort, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	var addrs []netip.AddrPort
	var refs []actor.Ref
	for _, u := range urls {
		addr, ref, err := s.listen(u)
		if err != nil {
			for _, r := range refs {
				r.Kill()
				<-r.Done()
			}
			if s.isStopped() {
				return nil, ErrServerClosed
			}
			return nil, err
		}
		addrs, refs = append(addrs, addr), append(refs, ref)
	}
	s.mu.Lock()
	s.addrs = append(s.addrs, addrs...)
	s.mu.Unlock()
	return addrs, nil
}

func (s *Server) listen(url string) (netip.AddrPort, actor.Ref, error) {
	forServers := strings.HasPrefix(url, s2s.Scheme)
	switch {
	case forServers && s.links == nil:
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("troupe: %s needs Config.Links.Name, which this server has among servers", url)
	case forServers:
		return s.links.Listen(url)
	case s.transport == nil:
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("%w: %s is for clients", errNoPeer, url)
	}
	return s.transport.Listen(url)
}

func (s *Server) isStopped() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// ListenAndServe listens, as Listen does, and serves until Shutdown. The error
// is never nil; after Shutdown it is ErrServerClosed.
func (s *Server) ListenAndServe(urls ...string) error {
	if len(urls) == 0 {
		return errors.New("troupe: ListenAndServe needs a URL such as tls://:4530")
	}
	if _, err := s.Listen(urls...); err != nil {
		return err
	}
	return s.Serve(context.Background())
}

// Serve waits until ctx ends, and then shuts the server down within 10 s, or
// until a Shutdown called elsewhere has returned. The error is never nil, and
// matches ErrServerClosed once the server had started.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.start(); err != nil {
		return err
	}
	select {
	case <-s.stopped:
		<-s.down
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrServerClosed, err)
		}
	}
	return ErrServerClosed
}

// ServeHTTP serves the WebSocket inside an HTTP server of the application's. It
// makes Server an http.Handler. Its sessions end with Shutdown as well; the HTTP
// server's own Shutdown does not know them.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.start(); err != nil {
		http.Error(w, "not running", http.StatusInternalServerError)
		return
	}
	if s.isStopped() {
		http.Error(w, "the server stops", http.StatusServiceUnavailable)
		return
	}
	if s.transport == nil {
		http.Error(w, "no clients here", http.StatusNotFound)
		return
	}
	s.transport.Handler().ServeHTTP(w, r)
}

// Addrs are the addresses that the server has listened on.
func (s *Server) Addrs() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]netip.AddrPort(nil), s.addrs...)
}

// Shutdown closes the listeners, then the peers and then the links, with
// CodeShutdown and behind what is queued for them, then stops every actor, and
// waits for all of it until ctx ends. What a behaviour holds up is then left to
// it. Shutdown may be called again, to wait again; a behaviour that calls it waits
// for itself.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.start() != nil { // then nothing runs
		return nil
	}
	s.stopping.Do(func() { close(s.stopped) })
	defer s.ending.Do(func() { close(s.down) })
	var closing, waiting []func(context.Context) error
	if s.transport != nil {
		s.transport.Ref().Kill()
		closing, waiting = append(closing, s.peers.Shutdown), append(waiting, s.transport.Wait)
	}
	if s.links != nil {
		s.links.Ref().Kill()
		closing, waiting = append(closing, s.links.Shutdown), append(waiting, s.links.Wait)
	}
	var first error // a behaviour that blocks holds up every step: the first says most
	for _, step := range slices.Concat(closing, []func(context.Context) error{s.sys.Shutdown}, waiting) {
		if err := step(ctx); err != nil && first == nil {
			first = fmt.Errorf("troupe: shutdown: %w", err)
		}
	}
	return first
}

// Stats is what the parts count.
type Stats struct {
	Actors    actor.Stats
	Transport transport.Stats
	Peers     peers.Stats
	Links     s2s.Stats
}

// Stats may be called at any time.
func (s *Server) Stats() (st Stats) {
	if s.start() != nil {
		return st
	}
	st.Actors = s.sys.Stats()
	if s.transport != nil {
		st.Transport, st.Peers = s.transport.Stats(), s.peers.Stats()
	}
	if s.links != nil {
		st.Links = s.links.Stats()
	}
	return st
}
