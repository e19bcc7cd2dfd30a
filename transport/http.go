package transport

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"

	"github.com/troupe-go/troupe/internal/session"
)

// connKey finds the httpConn below an HTTP request of a listener of ours.
type connKey struct{}

// httpConn is a connection as the HTTP server sees it, at the bottom of what
// becomes a WebSocket.
type httpConn struct {
	*session.Nonblocking
	c      *conn
	joined bool // the HTTP server's goroutine is in the crew; that goroutine's
}

// Close implements net.Conn.
func (h *httpConn) Close() error {
	defer h.c.gone()
	return h.Nonblocking.Close()
}

// bottomOf finds the httpConn of a connection of the HTTP server.
func bottomOf(nc net.Conn) *httpConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	return nc.(*httpConn)
}

// serveHTTP runs an HTTP server whose only page is the WebSocket. It bounds the
// parts of an upgrade, the connection's own context all of it.
func (l *listener) serveHTTP() {
	t := l.t
	feed := &feed{conns: make(chan net.Conn), addr: l.socket.Addr(), done: l.ctx.Done()}
	mux := http.NewServeMux()
	mux.HandleFunc(pattern(l.path), l.upgrade)
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: t.env.HandshakeTimeout / 2,
		IdleTimeout:       t.env.HandshakeTimeout / 2,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(t.cfg.Logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, bottomOf(nc))
		},
		ConnState: l.follow,
	}
	l.stop = func() { srv.Close() } // it closes what was not handed over
	l.crew.run(func() { srv.Serve(feed) })
	l.crew.run(func() {
		l.accept(func(c *conn) {
			if err := c.identify(); err != nil {
				c.drop(err)
				return
			}
			feed.give(l.httpConn(c))
		})
	})
}

// pattern is the path that a URL without one means: every path.
func pattern(p string) string {
	if p == "" {
		return "/"
	}
	return p
}

// follow keeps the HTTP server's goroutines in the crew; upgrade does so for
// connections that it takes over.
func (l *listener) follow(nc net.Conn, state http.ConnState) {
	h := bottomOf(nc)
	switch state {
	case http.StateNew:
		h.joined = l.crew.join()
	case http.StateClosed:
		h.leave()
	}
}

func (h *httpConn) leave() {
	if h.joined {
		h.c.l.crew.done()
	}
}

func (l *listener) httpConn(c *conn) net.Conn {
	h := &httpConn{Nonblocking: session.NewNonblocking(c.nc), c: c}
	if l.tls != nil {
		return tls.Server(h, l.tls)
	}
	return h
}

// upgrade turns a request to a listener of ours into a session.
func (l *listener) upgrade(w http.ResponseWriter, r *http.Request) {
	h := r.Context().Value(connKey{}).(*httpConn)
	c := h.c
	remote := forwardedFor(r, c.remote, l.t.cfg.TrustedProxies)
	if c.enter(remote.Addr()) != nil { // where it is gone nobody hears
		l.t.tooMany(w)
		return
	}
	sc, ok := l.t.acceptWebSocket(w, r, l.tls != nil, remote)
	if !ok {
		return
	}
	defer h.leave()
	defer c.cancel()
	entered, ok := c.handOver()
	if !ok {
		sc.Close()
		return
	}
	c.undo() // where it is too late, the context says so to greet as well
	l.t.greet(c.ctx, sc, l.url, entered)
}

// feed is a net.Listener of connections that were let in.
type feed struct {
	conns chan net.Conn
	addr  net.Addr
	done  <-chan struct{}
}

func (f *feed) give(nc net.Conn) {
	select {
	case f.conns <- nc:
	case <-f.done:
		nc.Close()
	}
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case nc := <-f.conns:
		return nc, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: the actor closes the socket.
func (f *feed) Close() error { return nil }

// Addr implements net.Listener.
func (f *feed) Addr() net.Addr { return f.addr }
