package session

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/wire"
)

// AcceptWebSocket answers a request for a WebSocket and makes a Conn of it,
// with nothing of opts' callbacks. After an error the request has been answered.
func AcceptWebSocket(w http.ResponseWriter, r *http.Request, opts websocket.AcceptOptions, local, remote netip.AddrPort) (*Conn, error) {
	h := &hijacker{ResponseWriter: w}
	var control Bucket // the reader's, whom the library calls back from
	admit := func() bool {
		if control.Take(controlRate, time.Now()) {
			return true
		}
		h.nb.cut(&CloseError{Code: wire.CodeRate, Text: "too many WebSocket pings"})
		return false
	}
	opts.OnPingReceived = func(context.Context, []byte) bool { return admit() && !h.nb.pending() }
	opts.OnPongReceived = func(context.Context, []byte) { admit() }
	ws, err := websocket.Accept(h, r, &opts)
	if err != nil {
		return nil, err
	}
	c := NewWebSocket(ws, h.nb, local, remote)
	c.tls = r.TLS
	return c, nil
}

// controlRate bounds WebSocket pings and pongs: browsers can't send them, and
// proxies do so seldom. Our own pings are frames.
var controlRate = Rate{PerSecond: 5, Burst: 50}

// sendBuffer bounds what the kernel queues for a slow client, in bytes: the
// queue that knows delivery classes is ours.
const sendBuffer = 128 << 10

// hijacker takes a connection over from its HTTP server, with a Nonblocking
// around it unless there is one at its bottom.
type hijacker struct {
	http.ResponseWriter
	nb *Nonblocking
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	nc.SetDeadline(time.Time{}) // those of the HTTP server
	bottom := nc
	if t, ok := nc.(*tls.Conn); ok {
		bottom = t.NetConn()
	}
	if b, ok := bottom.(interface{ nonblocking() *Nonblocking }); ok {
		h.nb = b.nonblocking()
		return nc, rw, nil
	}
	if t, ok := bottom.(*net.TCPConn); ok {
		t.SetWriteBuffer(sendBuffer) // an error leaves it as it is
	}
	h.nb = NewNonblocking(nc)
	rw.Writer.Reset(h.nb)
	return h.nb, rw, nil
}
