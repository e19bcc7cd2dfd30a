package transport

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"time"

	"github.com/troupe-go/troupe/internal/session"
)

// ServeConn serves a plaintext stream as one that a listener has accepted.
func (t *Transport) ServeConn(nc net.Conn, url string) {
	if !t.limit.accept(time.Now()) {
		nc.Close()
		return
	}
	if !t.crew.run(func() { // ended by the handshake's timeout
		ctx, cancel := context.WithTimeout(t.ctx, t.env.HandshakeTimeout)
		defer cancel()
		t.greet(ctx, session.NewConn(nc), url, netip.Addr{})
	}) {
		nc.Close()
	}
}

// Shakes counts the handshakes by UDP that are under way or said again, and the
// keys of those that are over.
func (t *Transport) Shakes() (under, bygone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.doors {
		d.mu.Lock()
		under += len(d.under)
		bygone += len(d.bygone)
		d.mu.Unlock()
	}
	return under, bygone
}

// Offers counts the rights to attach UDP that are open or used.
func (t *Transport) Offers() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.doors {
		d.mu.Lock()
		n += len(d.offers)
		d.mu.Unlock()
	}
	return n
}

// Doors counts the UDP listeners that are not closed, stopped ones included.
func (t *Transport) Doors() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.doors)
}

// Links counts those of all UDP listeners.
func (t *Transport) Links() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.doors {
		n += d.l.end.Links()
	}
	return n
}

// Ids counts connection ids that are reserved for links to come. Nothing else may
// go on meanwhile.
func (t *Transport) Ids() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.doors {
		n += reflect.ValueOf(d.l.end).Elem().FieldByName("links").Len() - d.l.end.Links()
	}
	return n
}
