package s2s

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/troupe-go/troupe/internal/arbiter"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// dialled is what has come of a dial.
type dialled struct {
	conn    arbiter.Conn
	welcome *wirepb.LinkWelcome
	expiry  time.Time // of the other's certificate; zero: none
	err     error

	stream *session.Conn // nil: it goes by UDP
	socket *socket
}

// open makes a session of it.
func (d *dialled) open(env *session.Env) *session.Session {
	if d.socket != nil {
		return d.socket.open(env)
	}
	return session.New(wire.None, d.stream, env, false)
}

// Release implements actor.Releaser: nobody wants it any more.
func (d *dialled) Release() {
	if d.stream != nil {
		d.stream.Close()
	}
	if d.socket != nil {
		d.socket.close()
	}
}

// dial connects and says hello.
func (ls *Links) dial(ctx context.Context, r *route, conn arbiter.Conn, h arbiter.Hello) *dialled {
	d := &dialled{conn: conn}
	switch {
	case ls.cfg.Allow != nil && !ls.cfg.Allow(r.target.Name):
		d.err = Refuse(wire.CodeAuth, r.target.Name+" is not allowed")
	case r.url.Scheme == "udp":
		d.err = ls.enterUDP(ctx, d, r, h)
	default:
		d.err = ls.enter(ctx, d, r, h)
	}
	if due, _ := ctx.Deadline(); d.err != nil && !time.Now().Before(due) {
		<-ctx.Done() // the connection's clock was first
	}
	if d.err != nil && ctx.Err() != nil {
		d.err = fmt.Errorf("%w (%w)", context.Cause(ctx), d.err)
	}
	return d
}

func (ls *Links) enter(ctx context.Context, d *dialled, r *route, h arbiter.Hello) error {
	c, err := ls.connect(ctx, r)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() }) // wakes whatever waits
	w, err := ls.greet(ctx, c, &r.target, h)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return err
	}
	d.stream, d.welcome, d.expiry = c, w, expiryOf(c)
	return nil
}

// connect opens what carries the link.
func (ls *Links) connect(ctx context.Context, r *route) (*session.Conn, error) {
	nc, err := ls.cfg.DialContext(ctx, "tcp", address(r.url))
	if err != nil {
		return nil, err
	}
	var c *session.Conn
	switch r.url.Scheme {
	case "tcp":
		c = session.NewConn(nc)
	case "tls":
		c, err = ls.secure(ctx, nc, r.target.Name)
	default:
		up := session.Upgrade{URL: r.url, Subprotocol: subprotocol}
		if r.url.Scheme == "wss" {
			up.TLS = ls.cfg.diallerTLS(r.target.Name, "http/1.1")
		}
		c, err = session.DialWebSocket(ctx, nc, up)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

func (ls *Links) secure(ctx context.Context, nc net.Conn, name string) (*session.Conn, error) {
	tc, err := session.ClientTLS(ctx, nc, ls.cfg.diallerTLS(name, alpn))
	if err != nil {
		return nil, err
	}
	if err := checkALPN(tc, name); err != nil {
		return nil, err
	}
	return session.NewConn(tc), nil
}

func checkALPN(tc *tls.Conn, name string) error {
	if tc.ConnectionState().NegotiatedProtocol == alpn {
		return nil
	}
	return fmt.Errorf("s2s: %s does not name %s in ALPN: it is no server's port", name, alpn)
}

// greet says hello and judges the answer.
func (ls *Links) greet(ctx context.Context, c *session.Conn, t *Target, h arbiter.Hello) (*wirepb.LinkWelcome, error) {
	err := c.Send(ctx, wire.KindLinkHello, &wirepb.LinkHello{
		Version: wire.Version, App: t.App, From: ls.cfg.Name, To: t.Name,
		Incarnation: h.Incarnation, Generation: h.Generation, Dial: h.Dial, Over: h.Over,
		Payload: t.Payload, Sdk: sdk,
	})
	if err != nil {
		return nil, err
	}
	k, body, err := c.ReadFirst(ctx, maxHello)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("s2s: %s closed the connection without an answer: %w", t.Name, err)
	case err != nil:
		return nil, asProtocol(err)
	case k == wire.KindRefuse:
		return nil, session.Refusal(body)
	case k != wire.KindLinkWelcome:
		return nil, protocolError("%v comes before %v", k, wire.KindLinkWelcome)
	}
	w := new(wirepb.LinkWelcome)
	if err := wire.Unmarshal(body, w); err != nil {
		return nil, protocolError("%v", err)
	}
	lower := ls.cfg.Name < t.Name
	switch {
	case w.From != t.Name:
		return nil, &CloseError{Code: wire.CodeAuth, Text: fmt.Sprintf("the server is %q, not %s", w.From, t.Name)}
	case w.Incarnation == 0 || lower != (w.Generation == 0):
		return nil, protocolError("a LinkWelcome with wrong numbers")
	}
	return w, nil
}

// asProtocol makes this end's judgement of a first frame what it is: no refusal
// by the other server.
func asProtocol(err error) error {
	if fault, ok := errors.AsType[*RefusedError](err); ok {
		return &CloseError{Code: fault.Code, Text: fault.Text}
	}
	return err
}

func protocolError(format string, args ...any) error {
	return &CloseError{Code: wire.CodeProtocol, Text: fmt.Sprintf(format, args...)}
}

// failure is what a behaviour is told of a dial that has failed.
func failure(err error, attempt int) Failed {
	f := Failed{Code: wire.CodeLost, Text: err.Error(), Attempt: attempt, Err: err}
	var refused *RefusedError
	var closed *CloseError
	switch {
	case errors.As(err, &refused):
		f.Code, f.Text = refused.Code, refused.Text
	case errors.As(err, &closed):
		f.Code, f.Text = closed.Code, closed.Text
	case isTLS(err):
		f.Code = wire.CodeAuth
	}
	return f
}

// isTLS reports whether an error is about certificates, this end's judgement or
// the other's.
func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var wrong certificateError
	var remote *net.OpError
	return errors.As(err, &verification) || errors.As(err, &wrong) || errors.As(err, &remote) && remote.Op == "remote error"
}
