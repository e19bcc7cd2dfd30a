package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Conn is a stream connection as a session uses it: reads that hold no buffer
// while they wait where the platform allows, writes that do not wait.
type Conn struct {
	nc     bottom // deadlines, addresses, closing
	in     source
	out    sink
	ws     *webSocket           // nil on streams; else a read is one message of whole frames
	tls    *tls.ConnectionState // of a WebSocket over TLS
	remote netip.AddrPort
	ahead  []byte // read beyond the handshake's last frame

	// end says goodbye in the transport's own way; it may take linger to hear one.
	end func(code int, text string, linger time.Duration)
}

// lift lifts the bound of a first frame's size.
func (c *Conn) lift() {
	if c.ws != nil {
		c.ws.limit = largeBuffer
	}
}

// hurry bounds the time that the rest of a message may take.
func (c *Conn) hurry(d time.Duration) {
	if c.ws != nil {
		c.ws.patience = d
	}
}

// bottom is what a Conn needs of a net.Conn besides reading and writing.
type bottom interface {
	SetReadDeadline(time.Time) error
	LocalAddr() net.Addr
	Close() error
}

// source reads. carry holds the beginning of a frame, or is nil; hint is how
// much room a fresh buffer should have. On success the buffer returned holds
// more than carry did; on an error it is what has become of carry, or nil.
type source interface {
	read(carry *Buffer, hint int) (*Buffer, error)
}

// sink writes. tryWrite takes all of p without waiting; p must stay as it is
// until tryWrite has reported done or drain has returned. drain waits until
// what was taken has left.
type sink interface {
	tryWrite(p []byte) (done bool, err error)
	drain(deadline time.Time) error
}

// NewConn makes a Conn of any net.Conn. TCP connections are read and written
// without waiting where the platform allows; so are TLS ones made by ServerTLS
// and ClientTLS. Others are read plainly, and written by a goroutine that the
// session starts when there is something to write.
func NewConn(nc net.Conn) *Conn {
	c := &Conn{nc: nc, remote: AddrPort(nc.RemoteAddr()), end: func(int, string, time.Duration) { closeWrite(nc) }}
	switch t := nc.(type) {
	case *net.TCPConn:
		if in, out, ok := rawTCP(t); ok {
			c.in, c.out = in, out
			return c
		}
	case *tls.Conn:
		c.end = func(int, string, time.Duration) { t.CloseWrite() }
		if nb, ok := t.NetConn().(*Nonblocking); ok {
			c.in, c.out = &plainSource{t}, &layeredSink{write: func(p []byte) error { _, err := t.Write(p); return err }, nb: nb}
			return c
		}
	}
	c.in, c.out = &plainSource{nc}, &blockingSink{write: nc.Write, nc: nc}
	return c
}

// RemoteAddr is the other end's address; SetRemoteAddr changes it where a
// trusted proxy told a better one.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// SetRemoteAddr must be called before the Conn is used.
func (c *Conn) SetRemoteAddr(a netip.AddrPort) { c.remote = a }

// LocalAddr is this end's address.
func (c *Conn) LocalAddr() netip.AddrPort { return AddrPort(c.nc.LocalAddr()) }

// TLS reports the state of the TLS connection below, or false.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	if t, ok := c.nc.(*tls.Conn); ok {
		return t.ConnectionState(), true
	}
	if c.tls != nil {
		return *c.tls, true
	}
	return tls.ConnectionState{}, false
}

// Close ends the connection at once.
func (c *Conn) Close() error { return c.nc.Close() }

// AddrPort is a's address and port, unmapped; the zero AddrPort where a has none.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func closeWrite(nc net.Conn) {
	if w, ok := nc.(interface{ CloseWrite() error }); ok {
		w.CloseWrite() // the connection is about to be closed: an error says that it is
	}
}

// withRoom returns carry if it has room left, else a larger buffer with the
// same bytes, or a fresh one where carry is nil.
func withRoom(carry *Buffer, hint int) *Buffer {
	if carry == nil {
		return newBuffer(hint)
	}
	if len(carry.room()) > 0 {
		return carry
	}
	b := newBuffer(carry.Size() + 1)
	b.w = copy(b.data, carry.unread())
	carry.Release()
	return b
}

// plainSource reads a connection that has to be waited for with a buffer in hand.
type plainSource struct{ nc net.Conn }

func (s *plainSource) read(carry *Buffer, hint int) (*Buffer, error) {
	b := withRoom(carry, hint)
	n, err := s.nc.Read(b.room())
	b.w += n
	if n > 0 {
		return b, nil
	}
	if err == nil {
		err = errors.New("troupe: read of nothing")
	}
	if carry == nil {
		b.Release()
		b = nil
	}
	return b, err
}

// blockingSink leaves all writing to the session's writer goroutine.
type blockingSink struct {
	write func([]byte) (int, error)
	nc    net.Conn
	rest  []byte
}

func (s *blockingSink) tryWrite(p []byte) (bool, error) {
	s.rest = p
	return false, nil
}

func (s *blockingSink) drain(deadline time.Time) error {
	s.nc.SetWriteDeadline(deadline) // fails only on a closed connection, and then write does too
	_, err := s.write(s.rest)
	s.rest = nil
	return err
}

// layeredSink writes through a layer (TLS, WebSocket) whose bytes end up in a
// Nonblocking, so that the layer's own Write never waits.
type layeredSink struct {
	write func([]byte) error
	nb    *Nonblocking
}

func (s *layeredSink) tryWrite(p []byte) (bool, error) {
	if err := s.write(p); err != nil {
		return false, err
	}
	return !s.nb.pending(), nil
}

func (s *layeredSink) drain(deadline time.Time) error { return s.nb.drain(deadline) }

// handshakeTLS runs a TLS handshake over nb, waiting, and leaves nb not waiting.
func handshakeTLS(ctx context.Context, t *tls.Conn, nb *Nonblocking) (*tls.Conn, error) {
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	nb.Start()
	return t, nil
}

// ServerTLS answers a TLS handshake on nc. The result is for NewConn.
func ServerTLS(ctx context.Context, nc net.Conn, cfg *tls.Config) (*tls.Conn, error) {
	nb := NewNonblocking(nc)
	return handshakeTLS(ctx, tls.Server(nb, cfg), nb)
}

// ClientTLS begins a TLS handshake on nc. The result is for NewConn.
func ClientTLS(ctx context.Context, nc net.Conn, cfg *tls.Config) (*tls.Conn, error) {
	nb := NewNonblocking(nc)
	return handshakeTLS(ctx, tls.Client(nb, cfg), nb)
}
