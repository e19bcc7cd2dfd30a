package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
)

// listener owns one socket, and its connections until they are handed over.
type listener struct {
	// set once
	t      *Transport
	url    string
	scheme string // without the protocol's part
	path   string
	http   bool
	tls    *tls.Config // nil in plaintext
	socket net.Listener
	ctx    context.Context // of every handshake; ends when the actor stops
	cancel context.CancelFunc

	started chan struct{} // closed once the actor owns the socket

	crew crew   // accept loop, HTTP server and handshakes
	stop func() // closes the HTTP server, or nil; the actor's
}

// Receive implements actor.Behavior.
func (l *listener) Receive(c *actor.Context) {
	switch c.Message().(type) {
	case actor.Started:
		close(l.started)
		l.t.cfg.Logger.Info("listening", slog.String("listener", l.url), slog.String("addr", l.socket.Addr().String()))
		if l.http {
			l.serveHTTP()
			return
		}
		l.crew.run(func() { l.accept(l.handshake) }) // ended by the closed socket
	case actor.Stopping:
		l.crew.close()
		l.cancel()
		l.socket.Close() // an error says that it is closed
		if l.stop != nil {
			l.stop()
		}
		l.crew.wait()
	}
}

// accept gives every connection that the limits let in to serve, on a goroutine
// of its own.
func (l *listener) accept(serve func(*conn)) {
	pause := time.Duration(0)
	for {
		nc, err := l.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, or the client has gone already
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.t.complain(l.url, netip.AddrPort{}, err)
			select {
			case <-time.After(pause):
			case <-l.ctx.Done():
			}
			continue
		}
		pause = 0
		if c, ok := l.t.newConn(l, nc); ok {
			if !l.crew.run(func() { serve(c) }) { // ended by the handshake's timeout
				c.drop(nil)
			}
		}
	}
}

// handshake turns a TCP or TLS connection into a session.
func (l *listener) handshake(c *conn) {
	defer c.cancel()
	sc, err := l.secure(c)
	if !c.undo() {
		err = c.ctx.Err()
	}
	if err != nil {
		c.drop(err)
		return
	}
	sc.SetRemoteAddr(c.remote)
	entered, _ := c.handOver() // nobody else can
	l.t.greet(c.ctx, sc, l.url, entered)
}

// secure finds out who the client is and does the TLS handshake.
func (l *listener) secure(c *conn) (*session.Conn, error) {
	if err := c.identify(); err != nil {
		return nil, err
	}
	if l.tls == nil {
		return session.NewConn(c.nc), nil
	}
	tc, err := session.ServerTLS(c.ctx, c.nc, l.tls)
	if err != nil {
		return nil, err
	}
	if err := l.t.checkALPN(tc); err != nil {
		return nil, err
	}
	return session.NewConn(tc), nil
}

func (t *Transport) checkALPN(tc *tls.Conn) error {
	if tc.ConnectionState().NegotiatedProtocol == t.proto.ALPN {
		return nil
	}
	return fmt.Errorf("transport: who came does not name %s in ALPN", t.proto.ALPN)
}

func (t *Transport) broken(url string, remote netip.AddrPort, err error) {
	if errors.Is(err, errThrottled) {
		t.throttled.Add(1)
		return
	}
	t.failed.Add(1)
	t.complain(url, remote, err)
}
