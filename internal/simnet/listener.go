package simnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// backlog is how many streams may wait to be accepted; more are refused.
const backlog = 128

// listener accepts a host's streams on a port.
type listener struct {
	// Set once.
	host *Host
	addr netip.AddrPort // without address: all of the host's

	// Owned by host.net.mu.
	ready   *sync.Cond // waiting or closed has changed
	waiting []*stream
	closed  bool
}

// ListenStream accepts streams on a port of all the host's addresses. Port 0
// picks a free one. Only what can be reached without translation inwards can
// dial: routers forward no streams to hosts behind them.
func (h *Host) ListenStream(port uint16) (net.Listener, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	addr, err := bind(h, h.streams, wildcard(port))
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	l := &listener{host: h, addr: addr, ready: sync.NewCond(&n.mu)}
	h.streams[addr] = l
	n.sockets[l] = struct{}{}
	return l, nil
}

// Addr is the host's first address and the port.
func (l *listener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.host.Addr(), l.addr.Port()))
}

// Accept waits for a stream.
func (l *listener) Accept() (net.Conn, error) {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.ready.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	s := l.waiting[0]
	l.waiting = l.waiting[1:]
	return s, nil
}

// Close ends Accept with net.ErrClosed, and closes what nobody has accepted.
func (l *listener) Close() error {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.shutLocked()
	return nil
}

func (l *listener) shutLocked() {
	l.closed = true
	for _, s := range l.waiting {
		s.closeLocked()
	}
	l.waiting = nil
	delete(l.host.streams, l.addr)
	delete(l.host.net.sockets, l)
	l.ready.Broadcast()
}

// dial is an attempt to open a stream.
type dial struct {
	host   *Host
	local  netip.AddrPort
	remote netip.AddrPort
	done   chan struct{} // closed when stream or err is set

	// Owned by host.net.mu.
	stream    *stream
	err       error
	abandoned bool
}

// DialStream opens a stream to a listener, which takes the round trip there. A
// cut on the way delays it, until ctx ends. Nobody listening, or a router in the
// way, is ECONNREFUSED; an address nobody has, EHOSTUNREACH.
func (h *Host) DialStream(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	d := &dial{host: h, remote: unmap(addr), done: make(chan struct{})}
	s, err := d.run(ctx)
	if err != nil {
		return nil, &net.OpError{
			Op: "dial", Net: "tcp",
			Source: net.TCPAddrFromAddrPort(d.local), Addr: net.TCPAddrFromAddrPort(d.remote), Err: err,
		}
	}
	return s, nil
}

func (d *dial) run(ctx context.Context) (*stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := d.host.net
	if err := d.start(); err != nil {
		return nil, err
	}
	var ended error
	select {
	case <-d.done:
	case <-ctx.Done():
		ended = ctx.Err()
	case <-n.quit:
		ended = net.ErrClosed
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if d.stream == nil && d.err == nil {
		d.abandoned = true
		d.err = ended
		d.shutLocked()
	}
	return d.stream, d.err
}

// start takes a port and sends the request.
func (d *dial) start() error {
	h, n := d.host, d.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	addr, ok := h.source(d.remote.Addr())
	if !ok || d.remote.Port() == 0 {
		return fmt.Errorf("no way to %v: %w", d.remote, syscall.ENETUNREACH)
	}
	var err error
	if d.local, err = bind(h, h.streams, netip.AddrPortFrom(addr, 0)); err != nil {
		return err
	}
	h.streams[d.local] = d
	n.pushLocked(&event{at: time.Now(), rank: h.rank(kindDialled, d.local), do: d.departLocked})
	return nil
}

// shutLocked frees the port.
func (d *dial) shutLocked() { delete(d.host.streams, d.local) }

func (d *dial) departLocked(at time.Time) {
	there, src, target, ok := d.host.routeLocked(d.local, d.remote)
	if !ok {
		d.failLocked(syscall.EHOSTUNREACH)
		return
	}
	there.sendLocked(at, func(at time.Time) {
		back := there.back()
		l := target.listenerLocked(d.remote.Port())
		if l == nil {
			back.sendLocked(at, func(time.Time) { d.failLocked(syscall.ECONNREFUSED) })
			return
		}
		near, far := newStreams(d, src, there, back)
		l.waiting = append(l.waiting, far)
		l.ready.Broadcast()
		back.sendLocked(at, func(time.Time) { d.succeedLocked(near) })
	})
}

// listenerLocked is who accepts streams on a port, nil if nobody does.
func (h *Host) listenerLocked(port uint16) *listener {
	if h == nil {
		return nil
	}
	l, _ := h.streams[wildcard(port)].(*listener)
	if l == nil || len(l.waiting) >= backlog {
		return nil
	}
	return l
}

func (d *dial) failLocked(err error) {
	if d.abandoned {
		return
	}
	d.err = err
	d.shutLocked()
	close(d.done)
}

func (d *dial) succeedLocked(s *stream) {
	if d.abandoned { // the other end has accepted, and learns that nobody is here
		s.closeLocked()
		return
	}
	s.host, d.stream = d.host, s // the port is the stream's now
	close(d.done)
}
