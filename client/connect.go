package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/troupe-go/troupe/internal/session"
)

// connect opens what carries a session to u. It returns when ctx ends.
func (cfg *Config) connect(ctx context.Context, u *url.URL) (*session.Conn, error) {
	nc, err := cfg.DialContext(ctx, "tcp", address(u))
	if err != nil {
		return nil, err
	}
	var conn *session.Conn
	switch u.Scheme {
	case "tcp":
		conn = session.NewConn(nc)
	case "tls":
		conn, err = cfg.secure(ctx, u, nc)
	default:
		conn, err = cfg.webSocket(ctx, u, nc)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return conn, nil
}

// address is u's host and port, which ws and wss may leave to HTTP.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (cfg *Config) secure(ctx context.Context, u *url.URL, nc net.Conn) (*session.Conn, error) {
	tc, err := session.ClientTLS(ctx, nc, cfg.tlsConfig(u, session.ALPN))
	if err != nil {
		return nil, err
	}
	if tc.ConnectionState().NegotiatedProtocol != session.ALPN {
		return nil, fmt.Errorf("the server does not name %s in ALPN", session.ALPN)
	}
	return session.NewConn(tc), nil
}

// tlsConfig judges the server by its pin, or else by its certificate.
func (cfg *Config) tlsConfig(u *url.URL, alpn string) *tls.Config {
	t := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{alpn},
		ServerName:         cmp.Or(cfg.ServerName, u.Hostname()),
		RootCAs:            cfg.CA,
		ClientSessionCache: cfg.TLSSessions,
	}
	if cfg.Pin != "" {
		t.InsecureSkipVerify = true // the pin says more than a certificate
		// Not VerifyPeerCertificate, which resumed sessions pass by.
		t.VerifyConnection = func(state tls.ConnectionState) error {
			if got := session.Pin(state.PeerCertificates[0]); got != cfg.Pin {
				return fmt.Errorf("%w: it is %s", ErrPin, got)
			}
			return nil
		}
	}
	return t
}

// webSocket upgrades nc, or TLS over it, by HTTP.
func (cfg *Config) webSocket(ctx context.Context, u *url.URL, nc net.Conn) (*session.Conn, error) {
	nb := session.NewNonblocking(nc)
	var top net.Conn = nb
	if u.Scheme == "wss" {
		tc := tls.Client(nb, cfg.tlsConfig(u, "http/1.1"))
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		top = tc
	}
	ws, err := cfg.upgrade(ctx, u, top)
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != session.Subprotocol {
		ws.CloseNow()
		return nil, fmt.Errorf("the server does not name the WebSocket subprotocol %s", session.Subprotocol)
	}
	return session.NewWebSocket(ws, nb, session.AddrPort(nc.LocalAddr()), session.AddrPort(nc.RemoteAddr())), nil
}

// upgrade makes an HTTP request over a connection that is there already, so
// that dialling and TLS obey ctx and nothing is left of the HTTP client.
func (cfg *Config) upgrade(ctx context.Context, u *url.URL, nc net.Conn) (*websocket.Conn, error) {
	var used atomic.Bool
	dial := func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errors.New("the server closed the connection")
		}
		return nc, nil
	}
	ws, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport: &http.Transport{
				DialContext: dial, DialTLSContext: dial,
				DisableKeepAlives:      true,
				MaxResponseHeaderBytes: 16 << 10,
			},
			// A redirection could lead out of TLS.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:      cfg.HTTPHeader,
		Subprotocols:    []string{session.Subprotocol},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil && resp != nil {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // for people: what there is of it
		return nil, fmt.Errorf("%w: %q", err, why)
	}
	return ws, err
}
