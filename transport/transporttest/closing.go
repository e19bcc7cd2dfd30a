package transporttest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// testServerClose closes behind what is queued, with every kind of word.
func testServerClose(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	for _, tt := range []struct {
		code       wire.Code
		text, want string
	}{
		{wire.CodeKicked, "bye", "bye"},
		{999, strings.Repeat("é", 400), strings.Repeat("é", 256)},
		{100, "\xff", ""},
	} {
		c, p := enter(t, h, s)
		payload := make([]byte, 3000)
		for i := range 100 {
			payload[0] = byte(i)
			if err := p.PutEvent(&wire.Event{Code: 1, Body: wire.Payload(payload)}); err != nil {
				t.Fatal(err)
			}
		}
		p.Close(tt.code, tt.text)
		if err := p.PutEvent(&wire.Event{}); err == nil {
			t.Error("an event is queued behind the end")
		}
		for i := range 100 {
			var m wire.Event
			if err := m.Parse(c.Expect(wire.KindEvent)); err != nil || m.Payload[0] != byte(i) {
				t.Fatalf("event %d: %v %v", i, m.Code, err)
			}
		}
		if code, text := c.Closed(); code != tt.code || text != tt.want {
			t.Errorf("closed with %v %q, want %v %q", code, text, tt.code, tt.want)
		}
		if why := p.Why(t); why.Code != tt.code || why.Remote {
			t.Errorf("the server says %v", why)
		}
	}
}

func testClientClose(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	c, p := enter(t, h, s)
	c.Send(append(Ask(0, []byte("first")), Frame(t, wire.KindClose, &wirepb.Close{Code: 321, Text: "enough"})...))
	if why := p.Why(t); why.Code != 321 || why.Text != "enough" || !why.Remote {
		t.Errorf("the server says %v", why)
	}
	if p.Operations() != 1 {
		t.Error("what came before the Close was not handled")
	}
	if !h.Messages {
		c.Gone()
		return
	}
	c.expectEnd(321)
	for status, want := range map[websocket.StatusCode]wire.Code{
		1000: wire.CodeNormal, 1001: wire.CodeNormal, 4012: wire.CodeKicked, 4999: 999, 1011: wire.CodeLost,
		websocket.StatusNoStatusRcvd: wire.CodeNormal,
	} {
		c, p := enter(t, h, s)
		if err := c.Stream.(*messages).ws.Close(status, ""); err != nil {
			t.Errorf("goodbye with %d is not answered: %v", status, err)
		}
		if why := p.Why(t); why.Code != want || !why.Remote {
			t.Errorf("goodbye with %d: the server says %v, want %v", status, why, want)
		}
	}
}

func testClientGone(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	for how, f := range map[string]func(Stream){
		"FIN": func(s Stream) { s.CloseWrite() },
		"RST": func(s Stream) { s.Reset() },
	} {
		c, p := enter(t, h, s)
		f(c.Stream)
		if why := p.Why(t); why.Code != wire.CodeLost {
			t.Errorf("%s: the server says %v, want %v", how, why, wire.CodeLost)
		}
		if err := p.PutEvent(&wire.Event{}); err == nil {
			t.Errorf("%s: an event is queued for nobody", how)
		}
	}
}

// testAbort cuts off a client that reads, and one that does not: neither makes
// the caller wait.
func testAbort(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	abort := func(p *Session) {
		t.Helper()
		begin := time.Now()
		p.Abort()
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("Abort took %v", took)
		}
		if why := p.Why(t); why.Code != wire.CodeAborted || why.Remote {
			t.Errorf("the server says %v", why)
		}
	}
	c, p := enter(t, h, s)
	p.PutEvent(&wire.Event{Code: 1})
	abort(p)
	c.Stream.SetReadDeadline(time.Now().Add(patience))
	if k, _, err := c.next(); err == nil && (k != wire.KindClose || !h.Datagrams) { // there nothing else says that the server has gone
		t.Errorf("%v arrives after an Abort", k)
	}
	_, stuck := enterNarrow(t, h, s)
	for range 14 {
		stuck.PutEvent(event(1, wire.Reliable, make([]byte, 60_000)))
		stuck.Flush()
	}
	abort(stuck)
}

// testNeverStarted leaves a session to nobody.
func testNeverStarted(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	s.Lazy = true
	c, p := enter(t, h, s)
	wait(t, func() bool { // by UDP the client's word that it is in comes later
		st := s.Transport.Stats()
		return st.Connections == 1 && st.Handshaking == 0
	}, "one connection, no handshake")
	s.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Transport.Wait(ctx); err != nil {
		t.Error(err)
	}
	if !h.Lossy {
		c.Gone()
	}
	p.Session.Start(p) // whoever comes too late is told so
	if why := p.Why(t); why.Code != wire.CodeAborted {
		t.Errorf("the session says %v", why)
	}
}
