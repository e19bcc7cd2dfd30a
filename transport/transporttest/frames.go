package transporttest

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// unlimited is for tests that send more than a client should.
var unlimited = transport.Config{Limits: transport.Limits{Rate: transport.Rate{PerSecond: -1}}}

// enter dials and is welcomed.
func enter(t *testing.T, h Harness, s *Server) (*Client, *Session) {
	t.Helper()
	c := NewClient(t, h.Dial(t, s)).Enter()
	return c, s.Next(t)
}

func testEchoSizes(t *testing.T, h Harness) {
	c, _ := enter(t, h, h.Serve(t, transport.Config{}))
	overhead := len((&wire.Operation{Code: 7, Request: 1, Body: wire.Payload(make([]byte, 60000))}).Append(nil)) - 60000
	largest := wire.MaxFrame - 1 - overhead
	for _, n := range []int{0, 1, 2, 100, 127, 128, 4000, 4095, 4096, 4097, 16383, 16384, 16385, 32768, 60000, largest} {
		c.Echo(1, bytes.Repeat([]byte{byte(n)}, n))
	}
}

// testSplitFrames sends a frame in two writes, split at every byte.
func testSplitFrames(t *testing.T, h Harness) {
	c, _ := enter(t, h, h.Serve(t, transport.Config{}))
	frame := Ask(9, []byte("in two pieces"))
	if h.whole() {
		c.Send(frame[:5])
		if code, _ := c.Closed(); code != wire.CodeProtocol {
			t.Errorf("half a frame in a message: %v, want %v", code, wire.CodeProtocol)
		}
		return
	}
	for i := range frame {
		c.Send(frame[:i])
		c.Send(frame[i:])
		c.ExpectEcho(9, []byte("in two pieces"))
	}
	for i := range frame {
		c.Send(frame[i : i+1])
	}
	c.ExpectEcho(9, []byte("in two pieces"))
}

func testManyInOneWrite(t *testing.T, h Harness) {
	c, _ := enter(t, h, h.Serve(t, transport.Config{}))
	var b []byte
	for i := range uint32(1000) {
		b = append(b, Ask(i+1, []byte("one of many"))...)
	}
	c.Send(b)
	for i := range uint32(1000) {
		c.ExpectEcho(i+1, []byte("one of many"))
	}
}

func testOrder(t *testing.T, h Harness) {
	c, p := enter(t, h, h.Serve(t, unlimited))
	const n = 10_000
	go func() { // ended by the connection
		var b []byte
		for i := range uint32(n) {
			b = append(b, Ask(i+1, make([]byte, i%97))...)
			if len(b) > 8000 || i == n-1 {
				c.Send(b)
				b = b[:0]
			}
		}
	}()
	for i := range uint32(n) {
		c.ExpectEcho(i+1, make([]byte, i%97))
	}
	if got := p.Operations(); got != n {
		t.Errorf("%d operations, want %d", got, n)
	}
	if in := p.Counts().FramesIn.Load(); in < n {
		t.Errorf("%d frames counted", in)
	}
}

// testKinds sends every kind that a client may not send, and some it may, once
// it is in.
func testKinds(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	operation := (&wire.Operation{Code: 1}).Append(nil)
	for k, body := range map[wire.Kind][]byte{
		wire.KindHello: {}, wire.KindWelcome: {}, wire.KindRefuse: {}, wire.KindEvent: operation, wire.KindGroupEntry: {},
		wire.KindGroupMessage: {}, 0: {}, 7: {}, 11: {}, 21: {}, 0x7F: {},
		// Known kinds with bodies that are none.
		wire.KindPing: {0xFF}, wire.KindPong: {0xFF}, wire.KindClose: {0xFF}, wire.KindOperation: {0xFF},
		wire.KindGroupSend: {0xFF}, wire.KindGroupAck: {0xFF}, wire.KindGroupSet: {0xFF},
	} {
		c, p := enter(t, h, s)
		c.Send(append(wire.AppendFrame(nil, k, body), Ask(1, nil)...))
		if code, _ := c.Closed(); code != wire.CodeProtocol {
			t.Errorf("%v: closed with %v, want %v", k, code, wire.CodeProtocol)
		}
		if why := p.Why(t); why.Code != wire.CodeProtocol || why.Remote {
			t.Errorf("%v: the server says %v", k, why)
		}
		if p.Operations() != 0 {
			t.Errorf("%v: what came behind it was handled", k)
		}
	}
	c, p := enter(t, h, s)
	for k := 0x80; k <= 0xFF; k++ {
		c.Send(wire.AppendFrame(nil, wire.Kind(k), []byte("from a later version")))
	}
	for _, frame := range [][]byte{ // they are late, or nobody asked: no reason to close
		(&wire.Response{Code: 1, Request: 99}).AppendFrame(nil),
		(&wire.Pong{Time: 1}).AppendFrame(nil),
		(&wire.GroupSend{Group: 77, Body: wire.Text("to whom")}).AppendFrame(nil),
		(&wire.GroupAck{Group: 77, Position: 1}).AppendFrame(nil),
		Frame(t, wire.KindGroupSet, &wirepb.GroupSet{Group: 77}),
	} {
		c.Send(frame)
	}
	c.Echo(1, []byte("still here"))
	if skipped, late := p.Counts().Skipped.Load(), p.Counts().Late.Load(); skipped != 128 || late != 3 {
		t.Errorf("%d skipped and %d late, want 128 and 3", skipped, late)
	}
}

// lengths are beginnings of frames, and what becomes of who sends them.
var lengths = []struct {
	name string
	b    []byte
	want wire.Code
}{
	{"0", []byte{0x00}, wire.CodeProtocol},
	{"0 in two bytes", []byte{0x80, 0x00}, wire.CodeProtocol},
	{"1 in two bytes", []byte{0x81, 0x00, 0x06}, wire.CodeProtocol},
	{"1 in four bytes", []byte{0x81, 0x80, 0x80, 0x00, 0x06}, wire.CodeProtocol},
	{"MaxFrame + 1", []byte{0x81, 0x80, 0x04}, wire.CodeTooLarge},
	{"2^21", []byte{0x80, 0x80, 0x80, 0x01}, wire.CodeTooLarge},
	{"2^28 - 1", []byte{0xFF, 0xFF, 0xFF, 0x7F}, wire.CodeTooLarge},
	{"2^28", []byte{0x80, 0x80, 0x80, 0x80, 0x01}, wire.CodeProtocol},
	{"2^31", []byte{0x80, 0x80, 0x80, 0x80, 0x08}, wire.CodeProtocol},
	{"2^32 - 1", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F}, wire.CodeProtocol},
	{"2^63", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, wire.CodeProtocol},
}

func testLengths(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	for _, tt := range lengths {
		c, p := enter(t, h, s)
		c.Echo(1, []byte("before"))
		c.Send(tt.b)
		if code, _ := c.Closed(); code != tt.want {
			t.Errorf("%s: closed with %v, want %v", tt.name, code, tt.want)
		}
		if why := p.Why(t); why.Code != tt.want {
			t.Errorf("%s: the server says %v", tt.name, why)
		}
	}
}

func testLengthsBeforeWelcome(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	for _, tt := range lengths {
		c := NewClient(t, h.Dial(t, s))
		c.Send(tt.b)
		if code, _ := c.Refused(); code != tt.want {
			t.Errorf("%s: refused with %v, want %v", tt.name, code, tt.want)
		}
	}
}

// testTruncated cuts a frame off at every byte, and the connection behind it.
func testTruncated(t *testing.T, h Harness) {
	if h.Messages {
		t.Skip("frames are whole there: see SplitFrames")
	}
	s := h.Serve(t, transport.Config{Limits: transport.Limits{FrameTimeout: 300 * time.Millisecond, Linger: 100 * time.Millisecond}})
	frame := (&wire.Operation{Code: 7, Body: wire.Text("cut off")}).AppendFrame(nil)
	end := map[string]func(Stream){
		"FIN":     func(s Stream) { s.CloseWrite() },
		"RST":     func(s Stream) { s.Reset() },
		"silence": func(Stream) {},
	}
	for n := 1; n < len(frame); n++ {
		for how, f := range end {
			if how == "silence" && n%5 != 0 {
				continue // each takes its time
			}
			c, p := enter(t, h, s)
			c.Send(frame[:n])
			f(c.Stream)
			want := wire.CodeLost
			if how == "silence" {
				want = wire.CodeTimeout
			}
			if why := p.Why(t); why.Code != want {
				t.Errorf("%d bytes and %s: %v, want %v", n, how, why, want)
			}
			if p.Operations() != 0 {
				t.Errorf("%d bytes and %s: delivered", n, how)
			}
		}
	}
}

// testGarbage sends noise where frames should be, before and after Welcome.
func testGarbage(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: transport.Limits{Linger: impatient.Linger}})
	r := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		b := make([]byte, 1+r.IntN(6000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		c := NewClient(t, h.Dial(t, s))
		c.Send(append([]byte{0}, b...))
		c.Gone()
		in, p := enter(t, h, s)
		in.Send(append(wire.AppendFrame(nil, 0x7F, nil), b...))
		in.Gone()
		if why := p.Why(t); why.Code != wire.CodeProtocol {
			t.Errorf("noise: %v", why)
		}
	}
}
