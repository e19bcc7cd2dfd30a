package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Protocol is what is spoken on the connections of a Transport that is not for
// clients. It is for Troupe's own layers.
type Protocol struct {
	Scheme      string // before that of URLs: "s2s+" makes s2s+tls:// of tls://
	ALPN        string
	Subprotocol string                                                 // of WebSockets
	Control     func(network, address string, c syscall.RawConn) error // sets a socket's options before it listens
	// Take decides on a connection: it reads what comes first, and has the
	// connection Opened or returns why not, to be told if it is a RefusedError.
	// It may block until ctx ends.
	Take func(ctx context.Context, a *Arrival) error
}

// NewProtocol is New for connections that speak p.
func NewProtocol(sys *actor.System, cfg Config, p Protocol) (*Transport, error) {
	return start(sys, cfg, &Transport{proto: p})
}

// scheme is a URL's without the protocol's own part.
func (p *Protocol) scheme(s string) (string, error) {
	bare, ok := strings.CutPrefix(s, p.Scheme)
	if !ok {
		return "", p.schemes()
	}
	return bare, nil
}

func (p *Protocol) schemes() error {
	return fmt.Errorf("the schemes are %[1]stcp, %[1]stls, %[1]sws, %[1]swss and %[1]sudp", p.Scheme)
}

// Arrival is a connection that somebody has opened to a listener.
type Arrival struct {
	*session.Conn
	Listener string // its URL, as given to Listen

	t       *Transport
	entered netip.Addr
	shake   *shake                          // nil for streams
	late    func(ctx context.Context) error // says what is to be said before there is a session; nil: nothing
}

// Open makes a session of the connection, which the caller starts and closes.
// welcome makes its first frame; it is given how to speak UDP where that carries
// the session. Open does not block. Take returns an error of it.
func (a *Arrival) Open(k wire.Kind, welcome func(*wirepb.Datagrams) proto.Message) (s *session.Session, err error) {
	if a.shake != nil {
		var dg *wirepb.Datagrams
		if s, dg, err = a.shake.open(wire.None); err != nil {
			return nil, err
		}
		ss := s
		a.late = func(ctx context.Context) error {
			err := a.Send(ctx, k, welcome(dg))
			if err == nil {
				a.shake.session.Store(ss)
			}
			return err
		}
	} else {
		frame, err := wire.MarshalFrame(nil, k, welcome(nil))
		if err != nil {
			return nil, err
		}
		s = session.New(wire.None, a.Conn, a.t.env, true)
		s.PutFrame(frame, wire.Reliable) // nothing else is queued: no error
	}
	t, entered := a.t, a.entered
	s.OnEnd(func() { t.limit.leave(entered) })
	return s, nil
}

// arrive has an arrival decided on, and turns it away if need be.
func (t *Transport) arrive(ctx context.Context, a *Arrival) (ok bool) {
	err := t.take(ctx, a)
	if a.shake == nil {
		t.limit.shook(a.entered)
	}
	if err != nil {
		t.turnAway(a.Conn, a.Listener, err)
		t.limit.leave(a.entered)
		return false
	}
	t.admitted.Add(1)
	if a.late != nil {
		if err := a.late(ctx); err != nil { // who has the session finds that nobody answers
			t.broken(a.Listener, a.RemoteAddr(), err)
		}
	}
	return true
}

// take calls Take, which calls what is the application's.
func (t *Transport) take(ctx context.Context, a *Arrival) (err error) {
	defer func() {
		if r := recover(); r != nil {
			t.cfg.Logger.Error("panic in a handshake", slog.String("listener", a.Listener), slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
			err = &session.RefusedError{Code: wire.CodeInternal}
		}
	}()
	return t.proto.Take(ctx, a)
}
