package transport

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/internal/session"
)

// Handler serves the WebSocket inside an HTTP server of the application's: that
// owns the socket, TLS and the timeouts of the upgrade. Once the Transport's
// actor stops nobody is let in any more.
func (t *Transport) Handler() http.Handler { return http.HandlerFunc(t.serveWebSocket) }

func (t *Transport) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	t.accepted.Add(1)
	if !t.crew.join() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	defer t.crew.done()
	remote := forwardedFor(r, remoteOf(r), t.cfg.TrustedProxies)
	entered := remote.Addr()
	switch t.limit.admit(entered, now) {
	case errThrottled:
		t.tooMany(w)
		return
	case errFull:
		t.throttled.Add(1)
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	sc, ok := t.acceptWebSocket(w, r, r.TLS != nil, remote)
	if !ok {
		t.limit.shook(entered)
		t.limit.leave(entered)
		return
	}
	ctx, cancel := context.WithDeadline(t.ctx, now.Add(t.env.HandshakeTimeout))
	defer cancel()
	t.greet(ctx, sc, "http", entered)
}

func (t *Transport) tooMany(w http.ResponseWriter) {
	t.throttled.Add(1)
	http.Error(w, "too many connections from this address", http.StatusTooManyRequests)
}

// acceptWebSocket answers the upgrade if the page it comes from may make it.
func (t *Transport) acceptWebSocket(w http.ResponseWriter, r *http.Request, secure bool, remote netip.AddrPort) (*session.Conn, bool) {
	if why := t.foreign(r, secure); why != "" {
		t.refused.Add(1)
		http.Error(w, why, http.StatusForbidden)
		return nil, false
	}
	if !offers(r, t.proto.Subprotocol) {
		t.refused.Add(1)
		http.Error(w, "want the WebSocket subprotocol "+t.proto.Subprotocol, http.StatusBadRequest)
		return nil, false
	}
	sc, err := session.AcceptWebSocket(w, r, websocket.AcceptOptions{
		Subprotocols:       []string{t.proto.Subprotocol},
		InsecureSkipVerify: true, // foreign has looked already, by more rules
		CompressionMode:    websocket.CompressionDisabled,
	}, localOf(r), remote)
	if err != nil { // the library has answered
		t.broken("websocket", remote, err)
		return nil, false
	}
	return sc, true
}

func offers(r *http.Request, protocol string) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(p) == protocol {
				return true
			}
		}
	}
	return false
}

// foreign says why a page may not open a WebSocket here, or nothing. What sends
// no Origin is not a browser. In plaintext, where no certificate vouches for
// the name, and on loopback, where whoever reads this already is, the Host must
// be one that nobody else can point here.
func (t *Transport) foreign(r *http.Request, secure bool) string {
	host := hostname(r.Host)
	if (!secure || localOf(r).Addr().IsLoopback()) && !t.ownHost(host) {
		return "this server does not go by the name " + host
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return "pages of this origin may not connect here"
	}
	if strings.EqualFold(u.Host, r.Host) || slices.ContainsFunc(t.cfg.Origins, func(p string) bool { return matchHost(p, u) }) {
		return ""
	}
	return "pages of " + u.Host + " may not connect here"
}

// ownHost knows the names that DNS can't rebind.
func (t *Transport) ownHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, "localhost") {
		return true
	}
	return slices.ContainsFunc(t.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// matchHost matches an origin with "host", "host:port" or "scheme://host:port",
// each part of which may have *.
func matchHost(p string, origin *url.URL) bool {
	name := origin.Host
	if strings.Contains(p, "://") {
		name = origin.Scheme + "://" + origin.Host
	} else if !strings.Contains(p, ":") {
		name = origin.Hostname()
	}
	ok, err := path.Match(strings.ToLower(p), strings.ToLower(name))
	return ok && err == nil
}

func hostname(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}
