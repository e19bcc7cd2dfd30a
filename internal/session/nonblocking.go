package session

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// maxKept is what a layer may write beyond what the kernel takes: a chunk, its
// overhead, and the answers to a moderate number of WebSocket pings.
const maxKept = 4 * chunkSize

// Nonblocking is a net.Conn whose Write, once Start has been called, never
// waits: what the kernel does not take is kept until the session's writer
// drains it. The session gives the layer above (TLS, WebSocket) no more before
// that, so what is kept is at most one chunk, its overhead, and what the layer
// says by itself.
type Nonblocking struct {
	net.Conn
	try func(p []byte) (int, error) // nil where there is no write that does not wait

	patience atomic.Int64 // nanoseconds that the rest of a message may take, until a read has to wait for it
	armed    atomic.Bool  // a read has had to: a deadline is set
	fault    atomic.Pointer[CloseError]
	behind   func() // told when something is kept; set before anyone writes who must not wait

	linger time.Duration // how long Close waits for what is kept; set before the layer may close

	mu       sync.Mutex
	started  bool
	closing  bool // nothing that fails from now on says why the session ends
	draining bool // drain is writing; it does not hold the lock all the time
	drained  sync.Cond
	kept     []byte
}

// NewNonblocking wraps a connection. Where it is no TCP connection, or the
// platform has no write that does not wait, everything is kept for drain.
func NewNonblocking(nc net.Conn) *Nonblocking {
	n := &Nonblocking{Conn: nc}
	n.drained.L = &n.mu
	if t, ok := nc.(*net.TCPConn); ok {
		if w, ok := rawWriter(t); ok {
			n.try = w.writeSome
		}
	}
	return n
}

// nonblocking finds the Nonblocking of a net.Conn that embeds one.
func (n *Nonblocking) nonblocking() *Nonblocking { return n }

// Start ends the waiting: up to now Write waited, as a handshake needs it.
func (n *Nonblocking) Start() {
	n.mu.Lock()
	n.started = true
	n.mu.Unlock()
}

// wait has Write wait again, for last words. It reports false where something
// is kept: words would have to stand behind it.
func (n *Nonblocking) wait() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.kept) > 0 || n.draining {
		return false
	}
	n.started = false
	return true
}

// Write implements net.Conn.
func (n *Nonblocking) Write(p []byte) (int, error) {
	k, kept, err := n.write(p)
	if kept && n.behind != nil {
		n.behind()
	}
	return k, err
}

func (n *Nonblocking) write(p []byte) (k int, kept bool, err error) {
	n.mu.Lock()
	if !n.started {
		n.mu.Unlock() // it may wait long
		k, err = n.Conn.Write(p)
		return k, false, err
	}
	defer n.mu.Unlock()
	rest := p
	if n.try != nil && len(n.kept) == 0 && !n.draining {
		if k, err = n.try(p); err != nil {
			return k, false, err
		}
		rest = p[k:]
	}
	if len(n.kept)+len(rest) > maxKept { // the layer answers a flood, and nobody reads the answers
		return 0, false, &CloseError{Code: wire.CodeSlow, Text: "answers are asked for and not read"}
	}
	n.kept = append(n.kept, rest...)
	return len(p), len(rest) > 0 && !n.draining, nil
}

func (n *Nonblocking) pending() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.kept) > 0
}

// drain waits until nothing is kept. What is written meanwhile is kept, too.
// Once the layer above has closed it reports no error: whoever reads knows why.
func (n *Nonblocking) drain(deadline time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.draining {
		n.drained.Wait()
	}
	n.draining = true
	n.Conn.SetWriteDeadline(deadline) // fails only on a closed connection, and then Write does too
	defer func() {
		n.Conn.SetWriteDeadline(time.Time{}) // else the next try is late
		n.draining = false
		n.drained.Broadcast()
	}()
	for len(n.kept) > 0 {
		p := n.kept
		n.kept = nil
		n.mu.Unlock()
		_, err := n.Conn.Write(p)
		n.mu.Lock()
		if n.closing && err != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SetWriteDeadline implements net.Conn. Once the waiting has ended it does
// nothing: the deadlines are drain's.
func (n *Nonblocking) SetWriteDeadline(t time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.started {
		return nil
	}
	return n.Conn.SetWriteDeadline(t)
}

// Read implements net.Conn.
func (n *Nonblocking) Read(p []byte) (int, error) {
	if ce := n.fault.Load(); ce != nil {
		return 0, ce
	}
	if d := n.patience.Swap(0); d > 0 {
		n.armed.Store(true)
		n.Conn.SetReadDeadline(time.Now().Add(time.Duration(d))) // fails only on a closed connection: Read tells
	}
	return n.Conn.Read(p)
}

// begin says that a message has begun whose rest may take d. That costs a
// deadline only where the rest is not there yet.
func (n *Nonblocking) begin(d time.Duration) { n.patience.Store(int64(d)) }

// finish says that the message is over.
func (n *Nonblocking) finish() {
	n.patience.Store(0)
	if n.armed.Swap(false) {
		n.Conn.SetReadDeadline(time.Time{})
	}
}

// cut has every further read fail, for what the other end has done.
func (n *Nonblocking) cut(ce *CloseError) { n.fault.CompareAndSwap(nil, ce) }

// Close implements net.Conn. The layer's last words, such as the answer to a
// goodbye, have linger to leave.
func (n *Nonblocking) Close() error {
	n.mu.Lock()
	n.closing = true
	words := len(n.kept) > 0 || n.draining
	n.mu.Unlock()
	if words && n.linger > 0 {
		deadline := time.Now().Add(n.linger)
		n.Conn.SetWriteDeadline(deadline) // also of a write that has begun
		n.drain(deadline)
	}
	return n.abort()
}

// abort closes at once. It does not wait, as TLS would with its last alert.
func (n *Nonblocking) abort() error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	if t, ok := n.Conn.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return n.Conn.Close()
}

// CloseWrite passes the half-close on.
func (n *Nonblocking) CloseWrite() error {
	closeWrite(n.Conn)
	return nil
}
