package transporttest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

func testWelcome(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: transport.Limits{
		FrameLimit: 9000, PingInterval: 3 * time.Second, IdleTimeout: 7 * time.Second, Rate: transport.Rate{PerSecond: 50, Burst: 60},
	}})
	s.Reply = []byte("reply")
	c := NewClient(t, h.Dial(t, s))
	c.Send(h.hello(t, &wirepb.Hello{
		Version: wire.Version, App: "shop", Sdk: "test-sdk", Auth: []byte("secret"), Payload: []byte("payload"),
	}))
	var m wirepb.Welcome
	if err := wire.Unmarshal(c.Expect(wire.KindWelcome), &m); err != nil {
		t.Fatal(err)
	}
	got := s.Hello(t)
	switch {
	case got.App != "shop" || got.SDK != "test-sdk" || string(got.Auth) != "secret" || string(got.Payload) != "payload":
		t.Errorf("Hello %+v", got)
	case got.Listener != s.URL:
		t.Errorf("listener %q, want %q", got.Listener, s.URL)
	case !loopback(got.Remote) || got.Local != s.Addr:
		t.Errorf("addresses %v, %v", got.Remote, got.Local)
	case (got.TLS != nil) != h.TLS:
		t.Errorf("TLS %v, want %v", got.TLS, h.TLS)
	}
	p := s.Next(t)
	if wire.ID(m.Peer) != p.id || string(m.Reply) != "reply" || time.Since(time.UnixMicro(int64(m.Time))).Abs() > time.Minute {
		t.Errorf("Welcome %v", &m)
	}
	l := m.Limits
	if l.GetFrame() != 9000 || l.GetOperationRate() != 50 || l.GetOperationBurst() != 60 || l.GetPingInterval() != 3000 || l.GetIdleTimeout() != 7000 {
		t.Errorf("limits %v", l)
	}
	if p.RemoteAddr() != got.Remote || p.LocalAddr() != got.Local {
		t.Errorf("the session's addresses %v, %v", p.RemoteAddr(), p.LocalAddr())
	}
	c.Echo(1, make([]byte, 8900))
	c.Send(Ask(2, make([]byte, 9000)))
	if code, _ := c.Closed(); code != wire.CodeTooLarge {
		t.Errorf("a frame above the limit: %v", code)
	}
}

func testRefuse(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	codes := []wire.Code{
		wire.CodeRefused, wire.CodeVersion, wire.CodeApp, wire.CodeAuth, wire.CodeBusy, wire.CodeDuplicate, wire.CodeSelf,
		wire.CodeShutdown, wire.CodeReplaced, 100, 899,
	}
	s.Judge = func(_ context.Context, h *transport.Hello) error {
		return &session.RefusedError{Code: codes[h.Auth[0]], Text: "no, " + string(h.App)}
	}
	for i, want := range codes {
		c := NewClient(t, h.Dial(t, s))
		c.Send(h.hello(t, &wirepb.Hello{Version: wire.Version, App: "test", Auth: []byte{byte(i)}}))
		if code, text := c.Refused(); code != want || text != "no, test" {
			t.Errorf("refused with %v %q, want %v", code, text, want)
		}
	}
	if st := s.Transport.Stats(); st.Refused != uint64(len(codes)) || st.Admitted != 0 {
		t.Errorf("stats %+v", st)
	}
}

func testRefuseForErrors(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	s.Judge = func(_ context.Context, h *transport.Hello) error {
		if string(h.Auth) == "panic" {
			panic("the authenticator's")
		}
		return errors.New("a secret of the server's")
	}
	for _, auth := range []string{"panic", "error"} {
		c := NewClient(t, h.Dial(t, s))
		c.Send(h.hello(t, &wirepb.Hello{Version: wire.Version, Auth: []byte(auth)}))
		if code, text := c.Refused(); code != wire.CodeInternal || text != "" {
			t.Errorf("%s: refused with %v %q, want %v without a word", auth, code, text, wire.CodeInternal)
		}
	}
	s = h.Serve(t, transport.Config{})
	s.Reply = make([]byte, wire.MaxFrame)
	c := NewClient(t, h.Dial(t, s))
	c.Send(h.usual(t))
	if code, _ := c.Refused(); code != wire.CodeInternal {
		t.Errorf("a reply that fits no frame: refused with %v", code)
	}
}

// helloOf is a Hello whose frame has n bytes, kind included.
func helloOf(t *testing.T, h Harness, n int) []byte {
	m := &wirepb.Hello{Version: wire.Version, Payload: make([]byte, n-16)}
	for {
		b := h.hello(t, m)
		_, body, _, err := wire.ParseFrame(b, wire.MaxFrame)
		switch {
		case err != nil:
			t.Fatal(err)
		case len(body)+1 == n:
			return b
		}
		m.Payload = append(m.Payload, 0)
	}
}

func testHelloLimits(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	for _, tt := range []struct {
		name  string
		hello []byte
		want  wire.Code // CodeNone is let in
	}{
		{"4 KiB", helloOf(t, h, 4<<10), wire.CodeNone},
		{"more than 4 KiB", helloOf(t, h, 4<<10+1), wire.CodeTooLarge},
		{"64 KiB", helloOf(t, h, wire.MaxFrame), wire.CodeTooLarge},
		{"auth of 2 KiB", h.hello(t, &wirepb.Hello{Version: wire.Version, Auth: make([]byte, 2<<10)}), wire.CodeNone},
		{"auth of more", h.hello(t, &wirepb.Hello{Version: wire.Version, Auth: make([]byte, 2<<10+1)}), wire.CodeTooLarge},
		{"no version", h.hello(t, &wirepb.Hello{}), wire.CodeVersion},
		{"next version", h.hello(t, &wirepb.Hello{Version: wire.Version + 1}), wire.CodeVersion},
		{"app of 64 bytes", h.hello(t, &wirepb.Hello{Version: wire.Version, App: string(bytes.Repeat([]byte("a"), 64))}), wire.CodeNone},
		{"app of 65 bytes", h.hello(t, &wirepb.Hello{Version: wire.Version, App: string(bytes.Repeat([]byte("a"), 65))}), wire.CodeApp},
		{"not a Hello", wire.AppendFrame(nil, wire.KindHello, []byte{0xFF, 0xFF}), wire.CodeProtocol},
		{"an empty frame", wire.AppendFrame(nil, wire.KindHello, nil), wire.CodeVersion},
		{"something behind it", append(h.usual(t), Ask(1, nil)...), wire.CodeProtocol},
	} {
		c := NewClient(t, h.Dial(t, s))
		c.Send(tt.hello)
		if tt.want == wire.CodeNone {
			c.Expect(wire.KindWelcome)
			continue
		}
		if code, text := c.Refused(); code != tt.want {
			t.Errorf("%s: refused with %v %q, want %v", tt.name, code, text, tt.want)
		}
	}
}

// testFirstFrame sends everything but a Hello first.
func testFirstFrame(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	for _, k := range []wire.Kind{
		0, wire.KindWelcome, wire.KindRefuse, wire.KindClose, wire.KindPing, wire.KindPong, 7, wire.KindOperation, wire.KindResponse,
		wire.KindEvent, wire.KindGroupEntry, wire.KindGroupMessage, wire.KindGroupSend, wire.KindGroupAck, wire.KindGroupSet, 0x7F, 0x80, 0xFF,
	} {
		c := NewClient(t, h.Dial(t, s))
		c.Send(wire.AppendFrame(nil, k, nil))
		if code, _ := c.Refused(); code != wire.CodeProtocol {
			t.Errorf("%v first: refused with %v, want %v", k, code, wire.CodeProtocol)
		}
	}
}

// impatient are limits under which a handshake may not take long.
var impatient = transport.Limits{HandshakeTimeout: time.Second, Linger: 200 * time.Millisecond}

func testHandshakeTimeout(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	sends := map[string][]byte{"nothing": nil, "half a Hello": h.usual(t)[:4]}
	if h.Messages {
		delete(sends, "half a Hello") // that is a broken message
	}
	for name, b := range sends {
		begin := time.Now()
		c := NewClient(t, h.Dial(t, s))
		if b != nil {
			c.Send(b)
		}
		if code, _ := c.Refused(); code != wire.CodeHandshake {
			t.Errorf("%s: refused with %v, want %v", name, code, wire.CodeHandshake)
		}
		if took := time.Since(begin); took < impatient.HandshakeTimeout {
			t.Errorf("%s: refused after %v", name, took)
		}
	}
}

func testSlowAuthenticator(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	s.Judge = func(ctx context.Context, _ *transport.Hello) error {
		<-ctx.Done()
		return ctx.Err()
	}
	c := NewClient(t, h.Dial(t, s))
	c.Send(h.usual(t))
	if code, _ := c.Refused(); code != wire.CodeHandshake {
		t.Errorf("refused with %v, want %v", code, wire.CodeHandshake)
	}
}

// testShutdownWithHandshakes stops the transport with a client in each state.
func testShutdownWithHandshakes(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: transport.Limits{Linger: 500 * time.Millisecond}})
	judging := make(chan struct{})
	s.Judge = func(ctx context.Context, h *transport.Hello) error {
		if string(h.Auth) != "wait" {
			return nil
		}
		close(judging)
		<-ctx.Done()
		return ctx.Err()
	}
	in := NewClient(t, h.Dial(t, s)).Enter()
	if !h.Datagrams {
		h.Raw(t, s) // says nothing
	}
	silent := NewClient(t, h.Dial(t, s))
	judged := NewClient(t, h.Dial(t, s))
	judged.Send(h.hello(t, &wirepb.Hello{Version: wire.Version, Auth: []byte("wait")}))
	<-judging
	want := 3
	if h.Outside || h.Datagrams {
		want-- // the one that says nothing
	}
	wait(t, func() bool { return s.Transport.Stats().Handshaking == want }, "the handshakes are under way")
	s.Stop(t)
	if code, _ := judged.Refused(); code != wire.CodeShutdown {
		t.Errorf("refused with %v, want %v", code, wire.CodeShutdown)
	}
	silent.Stream.SetReadDeadline(time.Now().Add(patience))
	if k, _, err := silent.next(); err == nil && k != wire.KindRefuse { // the server may not have come as far as to say anything
		t.Errorf("the silent one is told %v", k)
	}
	silent.Gone()
	in.Echo(1, []byte("sessions live on"))
}

// wait polls, with a pause, for what nothing tells of.
func wait(t testing.TB, ok func() bool, what string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: never", what)
		}
	}
}
