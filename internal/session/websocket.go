package session

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/wire"
)

// Subprotocol is the WebSocket subprotocol of version 1.
const Subprotocol = "troupe.v1"

// webSocket is the bottom and the source of a Conn whose frames come in binary
// messages, one or more whole ones in each.
type webSocket struct {
	// set once
	ws    *websocket.Conn
	nb    *Nonblocking // below ws
	local netip.AddrPort

	// the reader's
	limit    int           // bytes of a message
	patience time.Duration // for the rest of a message; 0 leaves that to the deadline
	refused  io.Reader     // what is left of a message that will not do

	status atomic.Int32 // a close code of WebSocket's own for what the other end did, or 0
}

// NewWebSocket makes a Conn of a WebSocket. nb is at the bottom of it: below
// TLS, or, where that is not ours, around the connection that ws writes to.
func NewWebSocket(ws *websocket.Conn, nb *Nonblocking, local, remote netip.AddrPort) *Conn {
	w := &webSocket{ws: ws, nb: nb, local: local, limit: maxHello + 16}
	ws.SetReadLimit(-1) // ours has a code of ours
	nb.Start()
	return &Conn{
		nc: w, in: w, out: &layeredSink{write: w.write, nb: nb},
		ws: w, remote: remote, end: w.goodbye,
	}
}

// SetReadDeadline implements bottom.
func (w *webSocket) SetReadDeadline(t time.Time) error { return w.nb.SetReadDeadline(t) }

// Close implements bottom.
func (w *webSocket) Close() error {
	err := w.nb.abort() // wakes who reads or says goodbye, so that the next line does not wait for them
	w.ws.CloseNow()
	return err
}

// LocalAddr implements bottom.
func (w *webSocket) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(w.local) }

// read implements source. Messages are whole: nothing is carried over.
func (w *webSocket) read(carry *Buffer, hint int) (*Buffer, error) {
	carry.release()
	b, err := w.message(hint)
	if err != nil {
		b.release()
		return nil, webSocketError(err)
	}
	return b, nil
}

func (w *webSocket) message(hint int) (*Buffer, error) {
	if w.refused != nil {
		if _, err := io.Copy(io.Discard, w.refused); err != nil {
			return nil, err
		}
		w.refused = nil
	}
	typ, r, err := w.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	if typ != websocket.MessageBinary {
		w.refused = r
		w.status.Store(int32(websocket.StatusUnsupportedData))
		return nil, protocolError("a text message")
	}
	w.nb.begin(w.patience)
	defer w.nb.finish()
	b := newBuffer(hint)
	for {
		n, err := r.Read(b.room())
		b.w += n
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case b.w > w.limit:
			w.refused = r
			return b, &CloseError{Code: wire.CodeTooLarge, Text: "a message may have 64 KiB, the first one 4"}
		}
		b = withRoom(b, hint)
	}
}

// webSocketError makes an error of ours of one of the library's.
func webSocketError(err error) error {
	var ce websocket.CloseError
	if !errors.As(err, &ce) {
		return err
	}
	switch {
	case ce.Code == websocket.StatusNormalClosure, ce.Code == websocket.StatusGoingAway, ce.Code == websocket.StatusNoStatusRcvd:
		return &CloseError{Code: wire.CodeNormal, Text: ce.Reason, Remote: true}
	case ce.Code >= 4000 && ce.Code < 5000:
		return &CloseError{Code: wire.Code(ce.Code - 4000), Text: ce.Reason, Remote: true}
	case ce.Code == websocket.StatusMessageTooBig:
		return &CloseError{Code: wire.CodeTooLarge, Text: ce.Reason, Remote: true}
	}
	return &CloseError{Code: wire.CodeLost, Remote: true, Err: err}
}

// write writes a message. Behind a goodbye, be it the other end's, there is
// nothing more to say, and the reader knows why the session ends.
func (w *webSocket) write(p []byte) error {
	err := w.ws.Write(context.Background(), websocket.MessageBinary, p)
	var ce *CloseError
	if errors.Is(err, net.ErrClosed) && !errors.As(err, &ce) {
		return nil
	}
	return err
}

// goodbye sends the WebSocket's close code and closes once the other end has
// answered or linger is over.
func (w *webSocket) goodbye(code int, text string, linger time.Duration) {
	if own := w.status.Load(); own != 0 {
		code = int(own)
	}
	if !w.nb.wait() { // nobody reads
		w.nb.abort()
		return
	}
	t := time.AfterFunc(linger, func() { w.nb.abort() })
	defer t.Stop()
	w.ws.Close(websocket.StatusCode(code), clip(strings.ToValidUTF8(text, "\uFFFD"), 120))
}
