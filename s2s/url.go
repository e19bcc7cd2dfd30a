package s2s

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Scheme is what the schemes of links begin with.
const Scheme = "s2s+"

// parse takes a URL to dial, and judges whether that may be done.
func (c *Config) parse(raw string) (*url.URL, error) {
	bare, ok := strings.CutPrefix(raw, Scheme)
	u, err := url.Parse(bare)
	if err != nil {
		return nil, fmt.Errorf("s2s: %w", err)
	}
	secure := isSecure(raw)
	switch {
	case !ok || !secure && u.Scheme != "tcp" && u.Scheme != "ws":
		return nil, fmt.Errorf("s2s: %s: the schemes are s2s+tls, s2s+tcp, s2s+wss, s2s+ws and s2s+udp", u.Redacted())
	case u.Hostname() == "" || u.Port() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("s2s: %s%s: want a host and a port", Scheme, u.Redacted())
	case u.Path != "" && u.Scheme != "wss" && u.Scheme != "ws":
		return nil, fmt.Errorf("s2s: %s%s: only WebSockets have a path", Scheme, u)
	case secure && c.TLS == nil:
		return nil, fmt.Errorf("s2s: %s%s: %w", Scheme, u, errNoTLS)
	case !secure && !c.AllowPlaintext && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("s2s: %s%s is plaintext and not on this machine: use s2s+tls, or set AllowPlaintext", Scheme, u)
	}
	return u, nil
}

// isSecure reports whether a URL takes a certificate.
func isSecure(raw string) bool {
	scheme, _, _ := strings.Cut(raw, "://")
	return scheme == Scheme+"tls" || scheme == Scheme+"wss" || scheme == Scheme+"udp"
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func address(u *url.URL) string { return net.JoinHostPort(u.Hostname(), u.Port()) }
