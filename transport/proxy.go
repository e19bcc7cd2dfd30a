package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"
	"github.com/troupe-go/troupe/internal/session"
)

func trusted(list []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

const (
	proxyHeader  = 16  // bytes of a PROXY v2 header before its addresses
	maxProxyTail = 536 // addresses and TLVs of a sane proxy
)

// readProxyHeader reads a PROXY protocol header, version 2, and not a byte
// more. The address is invalid where the proxy speaks for itself (LOCAL).
//
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2
func readProxyHeader(r io.Reader) (netip.AddrPort, error) {
	head := make([]byte, proxyHeader, proxyHeader+maxProxyTail)
	if _, err := io.ReadFull(r, head); err != nil {
		return netip.AddrPort{}, fmt.Errorf("transport: PROXY header: %w", err)
	}
	if !bytes.Equal(head[:12], proxyproto.SIGV2) {
		return netip.AddrPort{}, fmt.Errorf("transport: PROXY header: %w", proxyproto.ErrNoProxyProtocol)
	}
	n := int(binary.BigEndian.Uint16(head[14:]))
	if n > maxProxyTail {
		return netip.AddrPort{}, fmt.Errorf("transport: PROXY header of %d bytes", n)
	}
	head = head[:proxyHeader+n]
	if _, err := io.ReadFull(r, head[proxyHeader:]); err != nil {
		return netip.AddrPort{}, fmt.Errorf("transport: PROXY header: %w", err)
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("transport: PROXY header: %w", err)
	}
	if h.Command.IsLocal() {
		return netip.AddrPort{}, nil
	}
	return session.AddrPort(h.SourceAddr), nil
}

// forwardedFor is the client's address as trusted proxies tell it: the last one
// in X-Forwarded-For that is not a trusted proxy's own.
func forwardedFor(r *http.Request, direct netip.AddrPort, proxies []netip.Prefix) netip.AddrPort {
	if !trusted(proxies, direct.Addr()) {
		return direct
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return direct // nothing before it can be trusted either
		}
		if !trusted(proxies, a) {
			return netip.AddrPortFrom(a.Unmap(), 0)
		}
	}
	return direct
}

// remoteOf is the address of an HTTP request's connection.
func remoteOf(r *http.Request) netip.AddrPort {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// localOf is the address that an HTTP request came to.
func localOf(r *http.Request) netip.AddrPort {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return session.AddrPort(a)
	}
	return netip.AddrPort{}
}
