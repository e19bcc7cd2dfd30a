package transporttest

import (
	"errors"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// enterNarrow enters with a client whose socket takes little.
func enterNarrow(t *testing.T, h Harness, s *Server) (*Client, *Session) {
	t.Helper()
	if h.Datagrams {
		c, p := enter(t, h, s)
		c.Stream.(*Guest).session().hear(false)
		return c, p
	}
	nc := dialTCP(t, s)
	if err := nc.SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	c := NewClient(t, h.Climb(t, nc, nil)).Enter()
	return c, s.Next(t)
}

func event(code uint16, d wire.Delivery, payload []byte) *wire.Event {
	return &wire.Event{Code: code, Delivery: d, Body: wire.Payload(payload)}
}

// testNeverReads offers 100 MiB to a client that reads nothing, and something
// to one that does.
func testNeverReads(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	_, slow := enterNarrow(t, h, s)
	c, other := enter(t, h, s)
	begin := time.Now()
	chunk := make([]byte, 60_000)
	offered := 0
	for offered < 100<<20 {
		err := slow.PutEvent(event(1, wire.Reliable, chunk))
		slow.Flush()
		if errors.Is(err, session.ErrOverloaded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		offered += len(chunk)
	}
	if offered > 8<<20 {
		t.Errorf("%d bytes were accepted", offered)
	}
	if q := s.Transport.Stats().QueuedBytes; q > 4<<20 {
		t.Errorf("%d bytes of buffers", q)
	}
	for i := range 200 {
		if err := other.PutEvent(event(2, wire.Reliable, []byte{byte(i)})); err != nil {
			t.Fatal(err)
		}
		other.Flush()
	}
	for i := range 200 {
		var m wire.Event
		if err := m.Parse(c.Expect(wire.KindEvent)); err != nil || m.Payload[0] != byte(i) {
			t.Fatalf("the other's event %d: %v %v", i, m, err)
		}
	}
	c.Echo(1, []byte("and answers"))
	if why := slow.Why(t); why.Code != wire.CodeSlow || why.Remote {
		t.Errorf("the server says %v, want %v", why, wire.CodeSlow)
	}
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("closed after %v", took)
	}
}

// testTooOld leaves less than the limit unread for longer than the limit.
func testTooOld(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	_, p := enterNarrow(t, h, s)
	begin := time.Now()
	for range 16 {
		if err := p.PutEvent(event(1, wire.Reliable, make([]byte, 60_000))); err != nil {
			t.Fatal(err)
		}
		p.Flush()
	}
	if why := p.Why(t); why.Code != wire.CodeSlow {
		t.Errorf("the server says %v, want %v", why, wire.CodeSlow)
	}
	if took := time.Since(begin); took < 4*time.Second || took > 7*time.Second {
		t.Errorf("closed after %v, want 5s", took)
	}
}

// testClasses sends messages of every class to a client that reads nothing for
// a while.
func testClasses(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: transport.Limits{QueueSoft: 1 << 20}})
	c, p := enterNarrow(t, h, s)
	const backlog, updates, shots = 12, 1000, 200
	put := func(code uint16, d wire.Delivery, n int, payload []byte) {
		t.Helper()
		payload[0], payload[1] = byte(n>>8), byte(n)
		if err := p.PutEvent(event(code, d, payload)); err != nil {
			t.Fatal(err)
		}
		p.Flush()
	}
	for i := range backlog {
		put(1, wire.Reliable, i, make([]byte, 60_000))
	}
	if p.Sent().Queued == 0 {
		t.Fatal("the socket is not behind")
	}
	for i := range updates {
		put(2, wire.Sequenced(1), i, make([]byte, 20))
		put(3, wire.Sequenced(2), i, make([]byte, 20))
		if i < shots {
			put(4, wire.Unreliable, i, make([]byte, 20))
		}
	}
	put(1, wire.Reliable, backlog, make([]byte, 20))
	if n := p.Sent(); n.Superseded != 2*(updates-1) || n.Overflowed != shots-64 {
		t.Errorf("while the socket is behind: %+v", n)
	}
	begin := time.Now()
	wait(t, func() bool { return time.Since(begin) > 300*time.Millisecond }, "unreliable messages grow old")
	c.Stream.(interface{ widen() }).widen() // else delayed acks make it slow
	count := map[uint16]int{}
	last := map[uint16]int{1: -1, 2: -1, 3: -1, 4: -1}
	for last[1] != backlog {
		var m wire.Event
		if err := m.Parse(c.Expect(wire.KindEvent)); err != nil {
			t.Fatal(err)
		}
		n := int(m.Payload[0])<<8 | int(m.Payload[1])
		if n <= last[m.Code] {
			t.Errorf("of %d: %d comes behind %d", m.Code, n, last[m.Code])
		}
		last[m.Code] = n
		count[m.Code]++
	}
	if count[1] != backlog+1 || count[2] != 1 || count[3] != 1 || last[2] != updates-1 || last[3] != updates-1 {
		t.Errorf("arrived %v, last %v", count, last)
	}
	if n := p.Sent(); n.Expired != 64 || count[4] != 0 {
		t.Errorf("%d unreliable messages arrived late: %+v", count[4], n)
	}
}

// testFlood sends more than the rate, of whatever costs the server something.
func testFlood(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: transport.Limits{Rate: transport.Rate{PerSecond: 100, Burst: 100}}})
	for name, tt := range map[string]struct {
		frame   []byte
		refused uint64 // at least, before it is closed
	}{
		"operations":     {(&wire.Operation{Code: 1}).AppendFrame(nil), 200},
		"pings":          {(&wire.Ping{Time: 1}).AppendFrame(nil), 200},
		"pongs":          {(&wire.Pong{Time: 1}).AppendFrame(nil), 200},
		"unknown":        {wire.AppendFrame(nil, 0x90, nil), 200},
		"acks":           {(&wire.GroupAck{Group: 5, Position: 1}).AppendFrame(nil), 200},
		"group messages": {(&wire.GroupSend{Group: 5, Delivery: wire.Unreliable}).AppendFrame(nil), 200},
		"reliable ones":  {(&wire.GroupSend{Group: 5}).AppendFrame(nil), 1}, // never a hole
	} {
		c, p := enter(t, h, s)
		for range 20 {
			var b []byte
			for range 50 {
				b = append(b, tt.frame...)
			}
			c.Send(b)
		}
		if code, _ := c.Closed(); code != wire.CodeRate {
			t.Errorf("%s: closed with %v, want %v", name, code, wire.CodeRate)
		}
		if why := p.Why(t); why.Code != wire.CodeRate {
			t.Errorf("%s: the server says %v", name, why)
		}
		if n := p.Counts().Refused.Load(); n < tt.refused {
			t.Errorf("%s: closed after %d refusals", name, n)
		}
	}
	c, p := enter(t, h, s)
	var b []byte
	for i := range uint32(250) {
		b = append(b, Ask(i+1, nil)...)
	}
	c.Send(b)
	results := map[int32]int{}
	for range 250 {
		var m wire.Response
		if err := m.Parse(c.Expect(wire.KindResponse)); err != nil {
			t.Fatal(err)
		}
		results[m.Result]++
	}
	if n := results[wire.ResultOK]; n < 100 || n > 200 || n != p.Operations() || results[wire.ResultRate] != 250-n {
		t.Errorf("results %v, %d operations handled", results, p.Operations())
	}
}
