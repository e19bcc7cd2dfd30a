package transporttest

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

// Stream carries a client's bytes. Where there are messages, a Write is one;
// Read gives the bytes of all of them. A Read at the end of a transport that
// says why it closes returns a Goodbye.
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	// CloseWrite ends the bytes to the server, Reset the connection.
	CloseWrite() error
	Reset() error
}

// Goodbye is a transport's own code of closing.
type Goodbye struct {
	Code int
	Text string
}

func (g *Goodbye) Error() string { return "closed by the server" }

// Client speaks frames over a Stream.
type Client struct {
	t      testing.TB
	Stream Stream
	buf    []byte
}

// NewClient speaks over s, which it closes when t ends.
func NewClient(t testing.TB, s Stream) *Client {
	t.Cleanup(func() { s.Close() })
	return &Client{t: t, Stream: s}
}

// Frame encodes a message of package wirepb.
func Frame(t testing.TB, k wire.Kind, m proto.Message) []byte {
	t.Helper()
	b, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Hello is a Hello that is let in.
func Hello(t testing.TB) []byte {
	return Frame(t, wire.KindHello, &wirepb.Hello{Version: wire.Version, App: "test"})
}

// hello is a Hello that says by what it goes.
func (h Harness) hello(t testing.TB, m *wirepb.Hello) []byte {
	if h.Datagrams {
		m.Suite = packet.SuiteAES256GCM
	}
	return Frame(t, wire.KindHello, m)
}

// usual is a Hello that is let in.
func (h Harness) usual(t testing.TB) []byte {
	return h.hello(t, &wirepb.Hello{Version: wire.Version, App: "test"})
}

// Ask is an operation that asks for an answer.
func Ask(request uint32, payload []byte) []byte {
	return (&wire.Operation{Code: 7, Request: request, Body: wire.Payload(payload)}).AppendFrame(nil)
}

// Send sends bytes at once. A server that has closed does not fail the test:
// reading tells why.
func (c *Client) Send(p []byte) { c.Stream.Write(p) }

// next reads a frame; err is that of the Stream.
func (c *Client) next() (wire.Kind, []byte, error) {
	for {
		k, body, n, err := wire.ParseFrame(c.buf, wire.MaxFrame)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			c.buf = c.buf[n:]
			return k, body, nil
		}
		if err := c.fill(); err != nil {
			return 0, nil, err
		}
	}
}

func (c *Client) fill() error {
	p := make([]byte, 64<<10)
	n, err := c.Stream.Read(p)
	c.buf = append(c.buf, p[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// Next is the next frame that is no ping.
func (c *Client) Next() (wire.Kind, []byte) {
	c.t.Helper()
	c.Stream.SetReadDeadline(time.Now().Add(patience))
	for {
		k, body, err := c.next()
		if err != nil {
			c.t.Fatalf("want a frame: %v", err)
		}
		if k != wire.KindPing {
			return k, body
		}
	}
}

// Expect is the next frame, of kind k.
func (c *Client) Expect(k wire.Kind) []byte {
	c.t.Helper()
	got, body := c.Next()
	if got != k {
		c.t.Fatalf("got %v %x, want %v", got, body, k)
	}
	return body
}

// Enter says Hello and is welcomed.
func (c *Client) Enter() *Client {
	c.t.Helper()
	h := Harness{}
	_, h.Datagrams = c.Stream.(*Guest)
	c.Send(h.usual(c.t))
	var m wirepb.Welcome
	if err := wire.Unmarshal(c.Expect(wire.KindWelcome), &m); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// Echo has an operation echoed.
func (c *Client) Echo(request uint32, payload []byte) {
	c.t.Helper()
	c.Send(Ask(request, payload))
	c.ExpectEcho(request, payload)
}

// ExpectEcho is what is left of Echo when it has been sent.
func (c *Client) ExpectEcho(request uint32, payload []byte) {
	c.t.Helper()
	var m wire.Response
	if err := m.Parse(c.Expect(wire.KindResponse)); err != nil {
		c.t.Fatal(err)
	}
	if m.Request != request || m.Result != wire.ResultOK || string(m.Payload) != string(payload) {
		c.t.Fatalf("response %d, result %d, %d bytes; want %d with %d bytes", m.Request, m.Result, len(m.Payload), request, len(payload))
	}
}

// Refused reads a Refuse and the end behind it.
func (c *Client) Refused() (wire.Code, string) {
	c.t.Helper()
	var m wirepb.Refuse
	if err := wire.Unmarshal(c.Expect(wire.KindRefuse), &m); err != nil {
		c.t.Fatal(err)
	}
	c.expectEnd(m.Code)
	return wire.Code(m.Code), m.Text
}

// Closed reads up to a Close and the end behind it.
func (c *Client) Closed() (wire.Code, string) {
	c.t.Helper()
	for {
		k, body := c.Next()
		if k != wire.KindClose {
			continue
		}
		var m wirepb.Close
		if err := wire.Unmarshal(body, &m); err != nil {
			c.t.Fatal(err)
		}
		c.expectEnd(m.Code)
		return wire.Code(m.Code), m.Text
	}
}

// expectEnd reads the end of the stream, with the transport's own word.
func (c *Client) expectEnd(code uint32) {
	c.t.Helper()
	k, _, err := c.next()
	var g *Goodbye
	switch {
	case err == nil:
		c.t.Errorf("%v comes behind the last frame", k)
	case errors.As(err, &g):
		if g.Code != 4000+int(code) {
			c.t.Errorf("goodbye with %d, want %d", g.Code, 4000+code)
		}
	case !errors.Is(err, io.EOF):
		c.t.Errorf("%v comes behind the last frame, want the end", err)
	}
}

// Gone reads until the connection has ended, in whatever way.
func (c *Client) Gone() {
	c.t.Helper()
	gone(c.t, c.Stream)
}

// gone reads until the connection has ended, in whatever way.
func gone(t testing.TB, s interface {
	io.Reader
	SetReadDeadline(time.Time) error
}) (got []byte) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	p := make([]byte, 4<<10)
	for {
		n, err := s.Read(p)
		got = append(got, p[:n]...)
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("the connection is still there; it said %q", got)
		}
		if err != nil {
			return got
		}
	}
}
