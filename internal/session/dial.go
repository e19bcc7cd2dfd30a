package session

import (
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
)

// Upgrade is how a WebSocket is asked for.
type Upgrade struct {
	URL         *url.URL // ws or wss
	TLS         *tls.Config
	Header      http.Header
	Subprotocol string
}

// DialWebSocket makes a WebSocket of nc, by HTTP over it or over TLS. nc is the
// caller's to close after an error.
func DialWebSocket(ctx context.Context, nc net.Conn, up Upgrade) (*Conn, error) {
	nb := NewNonblocking(nc)
	var top net.Conn = nb
	if up.URL.Scheme == "wss" {
		tc := tls.Client(nb, up.TLS)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		top = tc
	}
	ws, err := up.ask(ctx, top)
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != up.Subprotocol {
		ws.CloseNow()
		return nil, fmt.Errorf("the server does not name the WebSocket subprotocol %s", up.Subprotocol)
	}
	c := NewWebSocket(ws, nb, AddrPort(nc.LocalAddr()), AddrPort(nc.RemoteAddr()))
	if tc, ok := top.(*tls.Conn); ok {
		state := tc.ConnectionState()
		c.tls = &state
	}
	return c, nil
}

// ask makes an HTTP request over a connection that is there already, so that
// dialling and TLS obey ctx and nothing is left of the HTTP client.
func (up *Upgrade) ask(ctx context.Context, nc net.Conn) (*websocket.Conn, error) {
	var used atomic.Bool
	dial := func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errors.New("the server closed the connection")
		}
		return nc, nil
	}
	ws, resp, err := websocket.Dial(ctx, up.URL.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport: &http.Transport{
				DialContext: dial, DialTLSContext: dial,
				DisableKeepAlives:      true,
				MaxResponseHeaderBytes: 16 << 10,
			},
			// A redirection could lead out of TLS.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:      up.Header,
		Subprotocols:    []string{up.Subprotocol},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil && resp != nil {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // for people: what there is of it
		return nil, fmt.Errorf("%w: %q", err, why)
	}
	return ws, err
}
