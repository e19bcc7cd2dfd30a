package peerstest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// Client is a client in memory, with short ways of doing what tests do; its
// methods besides those of client.Client are for the test's goroutine, and fail
// the test where they can't do their part.
type Client struct {
	*client.Client
	Peer *peers.Peer // the server's end

	t       testing.TB
	arrived chan struct{} // capacity 1: there may be a new event

	mu     sync.Mutex
	events []wire.Event
}

// New starts a server whose peers behave as b, and a client of it.
func New(t testing.TB, b peers.Behavior) *Client {
	t.Helper()
	s := NewServer(t, peers.Config{Peer: func(*peers.Init) (peers.Behavior, error) { return b, nil }})
	return s.Dial(client.Config{})
}

// Dial lets a client in. It returns when the peer is there; its behaviour may
// still be at Started.
func (s *Server) Dial(cfg client.Config) *Client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := s.TryDial(ctx, cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// TryDial is Dial for clients that may be refused. It may be called from any
// goroutine.
func (s *Server) TryDial(ctx context.Context, cfg client.Config) (*Client, error) {
	c := &Client{t: s.t, arrived: make(chan struct{}, 1)}
	onEvent := cfg.OnEvent
	cfg.OnEvent = func(e wire.Event) {
		c.event(e)
		if onEvent != nil {
			onEvent(e)
		}
	}
	cfg.Limits.PingInterval, cfg.Limits.IdleTimeout = -1, -1
	cfg.DialContext = func(context.Context, string, string) (net.Conn, error) { return s.Conn(), nil }
	var err error
	if c.Client, err = client.Dial(ctx, cfg, "tcp://memory:1"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.clients = append(s.clients, c.Client)
	s.mu.Unlock()
	select {
	case c.Peer = <-s.startedOf(c.ID()):
		return c, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.Err())
	}
}

func (c *Client) event(e wire.Event) {
	e.Body = e.Body.Clone()
	c.mu.Lock()
	c.events = append(c.events, e)
	c.mu.Unlock()
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// Ask sends an operation and waits for the answer, be it a failure.
func (c *Client) Ask(code uint16, b wire.Body) wire.Response {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := c.Call(ctx, code, b)
	var failure *client.Error // r has it as well: a test may want it
	if err != nil && !errors.As(err, &failure) {
		c.t.Fatalf("peerstest: operation %d: %v", code, err)
	}
	return r
}

// Tell sends an operation that wants no answer.
func (c *Client) Tell(code uint16, b wire.Body) {
	c.t.Helper()
	if err := c.Notify(code, b, wire.Reliable); err != nil {
		c.t.Fatalf("peerstest: operation %d: %v", code, err)
	}
}

// Send sends the peer's actor a message, as another actor would.
func (c *Client) Send(msg any) {
	c.t.Helper()
	if err := c.Peer.Ref().Send(msg); err != nil {
		c.t.Fatalf("peerstest: send %T: %v", msg, err)
	}
}

// Event takes the oldest event that has not been taken, waiting for one.
func (c *Client) Event() wire.Event {
	c.t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		if len(c.events) > 0 {
			e := c.events[0]
			c.events = c.events[1:]
			c.mu.Unlock()
			return e
		}
		c.mu.Unlock()
		select {
		case <-c.arrived:
		case <-late:
			c.t.Fatal("peerstest: no event within ", patience)
		}
	}
}

// Events takes the events that have come so far. In a bubble, synctest.Wait
// first.
func (c *Client) Events() []wire.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.events
	c.events = nil
	return e
}

// Closed waits until the session has ended and the behaviour has had its
// Closed, and returns the reason as the client was told; CodeLost where it was
// told none.
func (c *Client) Closed() wire.Code {
	c.t.Helper()
	late := time.After(patience)
	for _, done := range []<-chan struct{}{c.Done(), c.Peer.Done()} {
		select {
		case <-done:
		case <-late:
			c.t.Fatal("peerstest: not closed within ", patience)
		}
	}
	why, _ := errors.AsType[*client.CloseError](c.Err())
	return why.Code
}
