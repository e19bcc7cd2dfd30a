package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"

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
		conn, err = session.DialWebSocket(ctx, nc, session.Upgrade{
			URL: u, TLS: cfg.tlsConfig(u, "http/1.1"), Header: cfg.HTTPHeader, Subprotocol: session.Subprotocol,
		})
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
