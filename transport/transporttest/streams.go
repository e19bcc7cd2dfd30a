package transporttest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
)

// Listener is the Harness of a listener of package transport: tcp, tls, ws or wss.
func Listener(scheme string) Harness {
	h := Harness{
		Name:     scheme,
		Messages: scheme == "ws" || scheme == "wss",
		TLS:      scheme == "tls" || scheme == "wss",
		Raw:      dialTCP,
	}
	url := scheme + "://127.0.0.1:0"
	if h.Messages {
		url += "/game"
	}
	h.Serve = func(t testing.TB, cfg transport.Config) *Server { return NewServer(t, cfg).Listen(t, url) }
	h.Dial = func(t testing.TB, s *Server) Stream { return h.Climb(t, dialTCP(t, s), nil) }
	h.try = func(t testing.TB, s *Server) (Stream, error) { return h.reach(t, s) }
	return h
}

// Mount is the Harness of Transport.Handler inside an HTTP server, with TLS or
// without.
func Mount(name string, secure bool) Harness {
	h := Harness{Name: name, Messages: true, TLS: secure, Outside: true, Raw: dialTCP}
	h.Serve = func(t testing.TB, cfg transport.Config) *Server {
		s := NewServer(t, cfg)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.Addr, s.URL = session.AddrPort(l.Addr()), "http"
		if secure {
			cert, _, err := transport.DevelopmentCertificate("")
			if err != nil {
				t.Fatal(err)
			}
			l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
		}
		limits := cfg.Limits.WithDefaults()
		srv := &http.Server{
			Handler:     s.Transport.Handler(),
			ReadTimeout: limits.HandshakeTimeout,
			ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, 0),
		}
		done := make(chan struct{})
		go func() { // ended by Close
			defer close(done)
			srv.Serve(l)
		}()
		t.Cleanup(func() {
			srv.Close()
			<-done
		})
		return s
	}
	h.Dial = func(t testing.TB, s *Server) Stream { return h.Climb(t, dialTCP(t, s), nil) }
	h.try = func(t testing.TB, s *Server) (Stream, error) { return h.reach(t, s) }
	return h
}

func dialTCP(t testing.TB, s *Server) *net.TCPConn {
	t.Helper()
	nc, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(s.Addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// Climb does the handshakes of the Harness below the frames, over nc; header is
// for that of HTTP.
func (h Harness) Climb(t testing.TB, nc *net.TCPConn, header http.Header) Stream {
	t.Helper()
	s, err := h.climb(t, nc, header)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h Harness) reach(t testing.TB, s *Server) (Stream, error) {
	nc, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(s.Addr))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { nc.Close() })
	return h.climb(t, nc, nil)
}

func (h Harness) climb(t testing.TB, nc *net.TCPConn, header http.Header) (Stream, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var top net.Conn = nc
	if h.TLS {
		cfg := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{transport.ALPN}}
		if h.Messages {
			cfg.NextProtos = []string{"http/1.1"}
		}
		tc := tls.Client(nc, cfg)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		top = tc
	}
	if !h.Messages {
		return &stream{Conn: top, tcp: nc}, nil
	}
	ws, _, err := Upgrade(ctx, top, "http://"+nc.RemoteAddr().String()+"/game", header)
	if err != nil {
		return nil, err
	}
	return &messages{ws: ws, stream: stream{Conn: top, tcp: nc}}, nil
}

// Upgrade asks for a WebSocket over a connection that is there already. The
// response's body can be read where there is an error.
func Upgrade(ctx context.Context, nc net.Conn, url string, header http.Header) (*websocket.Conn, *http.Response, error) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	opts := &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
		HTTPHeader: header,
	}
	if header.Get("Sec-WebSocket-Protocol") == "" {
		opts.Subprotocols = []string{session.Subprotocol}
	}
	if host := header.Get("Host"); host != "" {
		opts.Host = host
	}
	return websocket.Dial(ctx, url, opts)
}

// stream is TCP, or TLS over it.
type stream struct {
	net.Conn
	tcp *net.TCPConn
}

// CloseWrite implements Stream.
func (s *stream) CloseWrite() error {
	if t, ok := s.Conn.(*tls.Conn); ok {
		return errors.Join(t.CloseWrite(), s.tcp.CloseWrite())
	}
	return s.tcp.CloseWrite()
}

// widen undoes what enterNarrow did.
func (s *stream) widen() { s.tcp.SetReadBuffer(1 << 20) }

// Reset implements Stream.
func (s *stream) Reset() error { return errors.Join(s.tcp.SetLinger(0), s.tcp.Close()) }

// messages is a WebSocket.
type messages struct {
	stream
	ws   *websocket.Conn
	rest []byte
}

// Write implements Stream.
func (m *messages) Write(p []byte) (int, error) {
	return len(p), m.ws.Write(context.Background(), websocket.MessageBinary, p)
}

// Read implements Stream.
func (m *messages) Read(p []byte) (int, error) {
	for len(m.rest) == 0 {
		m.ws.SetReadLimit(1 << 20)
		_, b, err := m.ws.Read(context.Background())
		var ce websocket.CloseError
		switch {
		case errors.As(err, &ce):
			return 0, &Goodbye{Code: int(ce.Code), Text: ce.Reason}
		case errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF // no goodbye
		case err != nil:
			return 0, err
		}
		m.rest = b
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// Close implements Stream.
func (m *messages) Close() error {
	m.tcp.Close() // wakes who reads
	return m.ws.CloseNow()
}

// SetReadDeadline implements Stream.
func (m *messages) SetReadDeadline(t time.Time) error { return m.tcp.SetReadDeadline(t) }

func loopback(a netip.AddrPort) bool { return a.IsValid() && a.Addr().IsLoopback() && a.Port() != 0 }
