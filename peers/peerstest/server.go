package peerstest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// patience is how long anything may take, in a bubble's time or real time.
const patience = 10 * time.Second

// Server is a server without sockets: peers, and what their sessions share.
type Server struct {
	System *actor.System
	Peers  *peers.Peers

	t   testing.TB
	env *session.Env
	wg  sync.WaitGroup // handshakes

	mu      sync.Mutex
	clients []*client.Client
	started map[wire.ID]chan *peers.Peer // capacity 1
}

// NewServer starts a server that logs to t, if cfg names no Logger, and ends
// with it. It limits no rates but those of cfg, and sends no pings.
func NewServer(t testing.TB, cfg peers.Config) *Server {
	t.Helper()
	s := &Server{
		System:  actortest.New(t),
		t:       t,
		env:     session.NewEnv(session.Limits{Rate: session.Rate{PerSecond: -1}}),
		started: make(map[wire.ID]chan *peers.Peer),
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if fresh := cfg.Peer; fresh != nil {
		cfg.Peer = func(in *peers.Init) (peers.Behavior, error) {
			b, err := fresh(in)
			if b == nil || err != nil {
				return nil, err
			}
			return peers.Func(func(c *peers.Context) { s.first(c, b) }), nil
		}
	}
	var err error
	if s.Peers, err = peers.New(s.System, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

// first takes a behaviour's first message, Started, for who waits in Dial.
func (s *Server) first(c *peers.Context, b peers.Behavior) {
	select {
	case s.startedOf(c.ID()) <- c.Peer:
	default: // a fresh behaviour after a panic
	}
	c.Become(b)
	b.Receive(c)
}

func (s *Server) startedOf(id wire.ID) chan *peers.Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started[id] == nil {
		s.started[id] = make(chan *peers.Peer, 1)
	}
	return s.started[id]
}

func (s *Server) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.Peers.Shutdown(ctx)
	s.mu.Lock()
	clients := s.clients
	s.mu.Unlock()
	for _, c := range clients {
		select {
		case <-c.Done(): // the server has told it
		case <-ctx.Done():
		}
		c.Close() // always nil
	}
	if err = errors.Join(err, s.System.Shutdown(ctx)); err != nil {
		s.t.Errorf("peerstest: %v", err)
	}
	s.wg.Wait()
	if err := s.env.Wait(ctx); err != nil {
		s.t.Errorf("peerstest: sessions are still there: %v", err)
	}
}

// Conn connects, as the clients of Dial do, and returns the client's end before
// the handshake: for tests that say what no client would.
func (s *Server) Conn() net.Conn {
	theirs, ours := net.Pipe()
	s.wg.Go(func() { s.greet(session.NewConn(ours)) }) // ended by its timeout
	return theirs
}

// greet is a listener's part: from Hello to the session.
func (s *Server) greet(sc *session.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	who, err := s.hello(ctx, sc)
	var refused *session.RefusedError
	switch {
	case errors.As(err, &refused):
		sc.Refuse(ctx, refused, s.env.Linger)
		return
	case err != nil:
		sc.Close()
		return
	}
	id, reply := who.Welcome()
	if err := sc.Welcome(ctx, id, reply, s.env, nil); err != nil {
		who.Abandon()
		sc.Close()
		return
	}
	who.Start(session.New(id, sc, s.env, true))
}

func (s *Server) hello(ctx context.Context, sc *session.Conn) (transport.Admitted, error) {
	offer, err := session.ReadHello(ctx, sc)
	if err != nil {
		return nil, err
	}
	who, err := s.Peers.Admit(ctx, &transport.Hello{
		Listener: "peerstest", App: offer.App, SDK: offer.SDK, Auth: offer.Auth, Payload: offer.Payload,
	})
	var refused *session.RefusedError
	if err != nil && !errors.As(err, &refused) {
		err = &session.RefusedError{Code: wire.CodeInternal}
	}
	return who, err
}
