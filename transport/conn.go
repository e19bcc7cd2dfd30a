package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/session"
)

// conn is a connection that the limits have let in, until it is a session. It
// is counted out once: by gone, or by the end of the session that takes over.
type conn struct {
	// set once
	l      *listener
	nc     net.Conn
	direct netip.AddrPort  // the other end of the socket
	ctx    context.Context // of the handshake, all of it: its end closes the connection
	cancel context.CancelFunc
	undo   func() bool // from now on the end of ctx closes nothing

	remote netip.AddrPort // the client, as far as it is known; the handshake's

	mu      sync.Mutex
	entered netip.Addr // counted under this address; invalid if not
	over    bool
}

var (
	errThrottled = errors.New("transport: too many connections from this address")
	errFull      = errors.New("transport: too many connections")
	errGone      = errors.New("transport: closed meanwhile")
)

// newConn counts a connection that the socket gave; false says that it had no
// room and is closed.
func (t *Transport) newConn(l *listener, nc net.Conn) (*conn, bool) {
	now := time.Now()
	t.accepted.Add(1)
	direct := session.AddrPort(nc.RemoteAddr())
	var entered netip.Addr
	full := false
	if trusted(t.cfg.TrustedProxies, direct.Addr()) { // whom it speaks for shows later
		full = !t.limit.accept(now)
	} else {
		entered = direct.Addr()
		full = t.limit.admit(entered, now) != nil
	}
	if full {
		t.throttled.Add(1)
		if tc, ok := nc.(*net.TCPConn); ok {
			tc.SetLinger(0) // nothing was said: leave no socket in TIME_WAIT
		}
		nc.Close()
		return nil, false
	}
	c := &conn{l: l, nc: nc, direct: direct, remote: direct, entered: entered}
	c.ctx, c.cancel = context.WithDeadline(l.ctx, now.Add(t.env.HandshakeTimeout))
	c.undo = context.AfterFunc(c.ctx, func() { nc.Close() })
	return c, true
}

// identify finds out who the client is and counts it. Behind a proxy that
// speaks for clients in HTTP that is left to the request.
func (c *conn) identify() error {
	t := c.l.t
	if trusted(t.cfg.TrustedProxies, c.direct.Addr()) {
		switch {
		case t.cfg.ProxyProtocol:
			a, err := readProxyHeader(c.nc)
			if err != nil {
				return err
			}
			if a.IsValid() {
				c.remote = a
			}
		case c.l.http:
			return nil
		}
	}
	return c.enter(c.remote.Addr())
}

// enter counts the connection by its address, unless that has been done.
func (c *conn) enter(a netip.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return errGone
	case c.entered.IsValid():
		return nil
	case !c.l.t.limit.enter(a, time.Now()):
		return errThrottled
	}
	c.entered = a
	return nil
}

// drop closes a connection that does not become a session; err is nil where
// that is not the client's doing.
func (c *conn) drop(err error) {
	if err != nil {
		c.l.t.broken(c.l.url, c.remote, err)
	}
	c.nc.Close()
	c.gone()
}

// gone counts a closed connection out, unless a session has taken over.
func (c *conn) gone() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.over = true
		c.l.t.limit.shook(c.entered)
		c.l.t.limit.leave(c.entered)
	}
}

// handOver makes it the caller's to count the connection out; false says that
// it is gone.
func (c *conn) handOver() (entered netip.Addr, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok = !c.over
	c.over = true
	return c.entered, ok
}
