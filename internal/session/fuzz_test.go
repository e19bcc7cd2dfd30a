package session

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

// FuzzServerBytes has a client send arbitrary bytes, before and after Welcome,
// on a stream and below a WebSocket. Whatever they are, the session ends with
// the connection, gives its memory back, and takes no more than a multiple of
// what was sent.
func FuzzServerBytes(f *testing.F) {
	hello := mustFrame(f, wire.KindHello, &wirepb.Hello{Version: wire.Version, App: "test", Auth: []byte("auth")})
	var all []byte
	for _, frame := range [][]byte{
		(&wire.Operation{Code: 1, Request: 2, Body: wire.Text("payload")}).AppendFrame(nil),
		(&wire.Response{Code: 1, Request: 2}).AppendFrame(nil),
		(&wire.Ping{Time: 1}).AppendFrame(nil),
		(&wire.Pong{Time: 1}).AppendFrame(nil),
		(&wire.GroupSend{Group: fuzzGroup, Body: wire.Text("all")}).AppendFrame(nil),
		(&wire.GroupAck{Group: fuzzGroup, Position: 7}).AppendFrame(nil),
		mustFrame(f, wire.KindGroupSet, &wirepb.GroupSet{Group: fuzzGroup}),
		wire.AppendFrame(nil, 0x90, []byte("later")),
		mustFrame(f, wire.KindClose, &wirepb.Close{Code: 1, Text: "bye"}),
	} {
		all = append(all, frame...)
	}
	for _, b := range [][]byte{hello, append(hello, all...), all, all[:len(all)-3], {0}, {0x80, 0x80, 0x80, 0x80, 8}, {0xFF, 0xFF, 0xFF, 0x7F}} {
		f.Add(b, uint8(0), uint16(0))
		f.Add(b, uint8(1), uint16(3))
		f.Add(masked(0x82, b), uint8(2), uint16(0))
		f.Add(append(masked(0x82, b), masked(0x89, []byte("x"))...), uint8(3), uint16(5))
	}
	f.Add(append(masked(0x02, all[:5]), masked(0x80, all[5:])...), uint8(3), uint16(1))
	f.Add(masked(0x81, []byte("text")), uint8(3), uint16(0))
	f.Add(masked(0x88, []byte{0x0F, 0xA1}), uint8(3), uint16(0))

	f.Fuzz(func(t *testing.T, b []byte, how uint8, piece uint16) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		env := NewEnv(Limits{
			Linger: time.Millisecond, CloseTimeout: time.Millisecond, PingInterval: -1, IdleTimeout: -1,
			HandshakeTimeout: 5 * time.Second,
		})
		server, client := net.Pipe()
		go io.Copy(io.Discard, client) // both end with the pipe
		go func() {
			defer client.Close()
			for size := int(piece) + 1; len(b) > 0; {
				n := min(size, len(b))
				if _, err := client.Write(b[:n]); err != nil {
					return
				}
				b = b[n:]
			}
		}()
		sent := uint64(len(b))
		serveFuzz(t, env, server, how)
		if err := env.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if used := env.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget were not given back", used)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20+512*sent {
			t.Errorf("%d bytes made the server allocate %d", sent, took)
		}
	})
}

// serveFuzz serves one connection to its end.
func serveFuzz(t *testing.T, env *Env, nc net.Conn, how uint8) {
	c := NewConn(nc)
	if how&2 != 0 {
		c = acceptPipe(t, nc)
	}
	if how&1 == 0 {
		ctx, cancel := context.WithTimeout(t.Context(), env.HandshakeTimeout)
		defer cancel()
		_, err := ReadHello(ctx, c)
		var refused *RefusedError
		if errors.As(err, &refused) {
			c.Refuse(ctx, refused, env.Linger)
			return
		}
		if err != nil {
			c.Close()
			return
		}
		if err := c.Welcome(ctx, 2, nil, env, nil); err != nil {
			c.Close()
			return
		}
	}
	s := New(2, c, env, true)
	if ok, _ := s.AddRoute(fuzzGroup, fuzzRoute{}, 1); !ok {
		t.Fatal("no route")
	}
	r := &fuzzReceiver{s: s}
	s.Start(r)
	<-s.Done()
	if r.ended != 1 {
		t.Errorf("the receiver was told %d times", r.ended)
	}
}

// acceptPipe is a WebSocket whose handshake is over.
func acceptPipe(t *testing.T, nc net.Conn) *Conn {
	r := httptest.NewRequest("GET", "http://127.0.0.1/", nil)
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(k, v)
	}
	c, err := AcceptWebSocket(pipeWriter{httptest.NewRecorder(), nc}, r, websocket.AcceptOptions{}, netip.AddrPort{}, netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pipeWriter is a ResponseWriter whose connection can be taken over.
type pipeWriter struct {
	http.ResponseWriter
	nc net.Conn
}

func (w pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}

// masked is a client's WebSocket frame, masked with zeros; head is its first byte.
func masked(head byte, payload []byte) []byte {
	b := []byte{head, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	if len(payload) < 126 {
		b = []byte{head, 0x80 | byte(len(payload))}
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

func mustFrame(f *testing.F, k wire.Kind, m proto.Message) []byte {
	b, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

const fuzzGroup = 77

// fuzzRoute takes what a group would.
type fuzzRoute struct{}

func (fuzzRoute) Send(m wire.GroupSend, _ *Buffer) error { _ = m.Clone(); return nil }
func (fuzzRoute) Ack(uint64) error                       { return nil }
func (fuzzRoute) Set(*wirepb.GroupSet, bool) error       { return nil }
func (fuzzRoute) EndRead(bool) error                     { return nil }
func (fuzzRoute) Gone(*CloseError)                       {}

// fuzzReceiver reads as a peer does, and echoes.
type fuzzReceiver struct {
	s     *Session
	ended int
}

func (r *fuzzReceiver) Frame(k wire.Kind, body []byte, _ *Buffer) error {
	var err error
	switch k {
	case wire.KindOperation:
		var m wire.Operation
		if err = m.Parse(body); err == nil && m.Request != 0 {
			r.s.PutResponse(&wire.Response{Code: m.Code, Request: m.Request, Delivery: m.Delivery, Body: m.Body})
		}
	case wire.KindResponse:
		var m wire.Response
		err = m.Parse(body)
	}
	if err != nil {
		return &CloseError{Code: wire.CodeProtocol, Err: err}
	}
	return nil
}

func (r *fuzzReceiver) EndRead() error {
	r.s.Flush()
	return nil
}

func (r *fuzzReceiver) Ended(*CloseError) { r.ended++ }
