package transporttest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// Server is a server whose sessions echo operations. When its test ends it
// checks that nothing is left and that nothing vanished.
type Server struct {
	Transport *transport.Transport
	Addr      netip.AddrPort
	URL       string

	// Judge decides on Hellos; nil lets everybody in. Set it before a client is dialled.
	Judge func(context.Context, *transport.Hello) error
	Reply []byte
	Lazy  bool // sessions are never started

	socket func(testing.TB) net.PacketConn // a client's, for servers by UDP

	settled  atomic.Bool // what was set is seen by who admits: a datagram by a kernel's socket orders nothing
	ids      atomic.Uint64
	sessions chan *Session
	hellos   chan *transport.Hello

	mu  sync.Mutex
	all []*Session
}

// NewServer makes a server with no listener yet.
func NewServer(t testing.TB, cfg transport.Config) *Server {
	t.Helper()
	s := &Server{sessions: make(chan *Session, 1<<14), hellos: make(chan *transport.Hello, 1<<14)}
	s.ids.Store(1000)
	sys := actortest.New(t)
	var err error
	if s.Transport, err = transport.New(sys, cfg, s.admit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(t) })
	return s
}

// Listen opens a listener.
func (s *Server) Listen(t testing.TB, url string) *Server {
	t.Helper()
	addr, _, err := s.Transport.Listen(url)
	if err != nil {
		t.Fatal(err)
	}
	s.Addr, s.URL = addr, url
	return s
}

func (s *Server) admit(ctx context.Context, h *transport.Hello) (transport.Admitted, error) {
	s.settled.Load()
	if s.Judge != nil {
		if err := s.Judge(ctx, h); err != nil {
			return nil, err
		}
	}
	s.hellos <- h
	return &Session{server: s, ended: make(chan struct{})}, nil
}

// Next is the next session that came about.
func (s *Server) Next(t testing.TB) *Session {
	t.Helper()
	select {
	case p := <-s.sessions:
		return p
	case <-time.After(patience):
		t.Fatal("no session came about")
		return nil
	}
}

// Hello is the next Hello that was let in.
func (s *Server) Hello(t testing.TB) *transport.Hello {
	t.Helper()
	select {
	case h := <-s.hellos:
		return h
	case <-time.After(patience):
		t.Fatal("no Hello came")
		return nil
	}
}

// Stop closes the listeners and waits for their goroutines.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.Transport.Ref().Kill()
	select {
	case <-s.Transport.Ref().Done():
	case <-time.After(patience):
		t.Error("the transport does not stop")
	}
}

func (s *Server) close(t testing.TB) {
	s.Stop(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		p.Abort()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Transport.Wait(ctx); err != nil {
		t.Errorf("sessions have goroutines left: %v", err)
	}
	if st := s.Transport.Stats(); st.Connections != 0 || st.Handshaking != 0 || st.QueuedBytes != 0 {
		t.Errorf("left over: %d connections, %d handshakes, %d queued bytes", st.Connections, st.Handshaking, st.QueuedBytes)
	}
	for _, p := range s.all {
		if n := p.Sent(); n.Accepted != n.Written+n.Superseded+n.Expired+n.Overflowed+n.Discarded || n.Queued != 0 {
			t.Errorf("frames vanished: %+v", n)
		}
	}
}

// Session is a session that the server has welcomed. It answers an operation
// that asks for it with the same body.
type Session struct {
	*session.Session
	server *Server
	id     wire.ID

	operations atomic.Int64 // handled
	ended      chan struct{}
	why        *session.CloseError // once ended is closed
}

// Welcome implements transport.Admitted.
func (p *Session) Welcome() (wire.ID, []byte) {
	p.id = wire.ID(p.server.ids.Add(1))
	return p.id, p.server.Reply
}

// Start implements transport.Admitted.
func (p *Session) Start(s *session.Session) {
	p.Session = s
	p.server.mu.Lock()
	p.server.all = append(p.server.all, p)
	p.server.mu.Unlock()
	if !p.server.Lazy {
		s.Start(p)
	}
	p.server.sessions <- p
}

// Abandon implements transport.Admitted.
func (p *Session) Abandon() {}

// Frame implements session.Receiver.
func (p *Session) Frame(k wire.Kind, body []byte, _ *session.Buffer) error {
	if k != wire.KindOperation {
		return nil
	}
	var m wire.Operation
	if err := m.Parse(body); err != nil {
		return &session.CloseError{Code: wire.CodeProtocol, Text: err.Error()}
	}
	answer := wire.Response{Code: m.Code, Request: m.Request, Delivery: m.Delivery, Body: m.Body}
	if ok, err := p.Admit(); err != nil {
		return err
	} else if !ok {
		answer.Body, answer.Result = wire.Body{}, wire.ResultRate
	} else {
		p.operations.Add(1)
	}
	if m.Request != 0 {
		p.PutResponse(&answer) // an error says that the session is ending
	}
	return nil
}

// EndRead implements session.Receiver.
func (p *Session) EndRead() error {
	p.Flush()
	return nil
}

// Ended implements session.Receiver.
func (p *Session) Ended(why *session.CloseError) {
	p.why = why
	close(p.ended)
}

// Why waits for the session's end and says why it came.
func (p *Session) Why(t testing.TB) *session.CloseError {
	t.Helper()
	select {
	case <-p.ended:
		return p.why
	case <-time.After(patience):
		t.Fatal("the session does not end")
		return nil
	}
}

// Operations is how many operations were answered or taken.
func (p *Session) Operations() int { return int(p.operations.Load()) }
