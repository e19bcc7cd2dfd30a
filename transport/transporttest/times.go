package transporttest

import (
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

func testFrameTimeout(t *testing.T, h Harness) {
	if h.Messages {
		t.Skip("frames are whole there; half a message is in package transport's tests")
	}
	limits := transport.Limits{FrameTimeout: 300 * time.Millisecond, Linger: 200 * time.Millisecond}
	c, p := enter(t, h, h.Serve(t, transport.Config{Limits: limits}))
	begin := time.Now()
	frame := Ask(1, make([]byte, 5000))
	c.Send(frame[:3000])
	if code, _ := c.Closed(); code != wire.CodeTimeout {
		t.Errorf("closed with %v, want %v", code, wire.CodeTimeout)
	}
	if took := time.Since(begin); took < limits.FrameTimeout || took > patience/2 {
		t.Errorf("closed after %v", took)
	}
	if why := p.Why(t); why.Code != wire.CodeTimeout {
		t.Errorf("the server says %v", why)
	}
}

// testFrameTimeoutIsOfOneFrame sends frames for longer than one may take, in
// such a way that there is always one that is not whole.
func testFrameTimeoutIsOfOneFrame(t *testing.T, h Harness) {
	if h.Messages {
		t.Skip("frames are whole there")
	}
	const timeout = 400 * time.Millisecond
	c, _ := enter(t, h, h.Serve(t, transport.Config{Limits: transport.Limits{FrameTimeout: timeout, Rate: unlimited.Limits.Rate}}))
	frame := Ask(1, []byte("never caught whole"))
	c.Send(frame[:1])
	for begin := time.Now(); time.Since(begin) < 2*timeout; {
		c.Send(append(frame[1:len(frame):len(frame)], frame[0]))
		c.ExpectEcho(1, []byte("never caught whole"))
	}
	c.Send(frame[1:])
	c.ExpectEcho(1, []byte("never caught whole"))
}

func testIdleTimeout(t *testing.T, h Harness) {
	limits := transport.Limits{PingInterval: 150 * time.Millisecond, IdleTimeout: 800 * time.Millisecond, Linger: 200 * time.Millisecond}
	s := h.Serve(t, transport.Config{Limits: limits})
	begin := time.Now()
	idle, p := enter(t, h, s)
	if code, _ := idle.Closed(); code != wire.CodeTimeout {
		t.Errorf("closed with %v, want %v", code, wire.CodeTimeout)
	}
	if took := time.Since(begin); took < limits.IdleTimeout {
		t.Errorf("closed after %v", took)
	}
	if why := p.Why(t); why.Code != wire.CodeTimeout {
		t.Errorf("the server says %v", why)
	}
}

// testPings answers the server's pings and sends some.
func testPings(t *testing.T, h Harness) {
	limits := transport.Limits{PingInterval: 60 * time.Millisecond, IdleTimeout: 900 * time.Millisecond}
	c, p := enter(t, h, h.Serve(t, transport.Config{Limits: limits}))
	c.Stream.SetReadDeadline(time.Now().Add(patience))
	answered, ponged := 0, 0
	for begin := time.Now(); answered < 5 || ponged < 5 || time.Since(begin) < 3*limits.IdleTimeout/2; {
		k, body, err := c.next()
		if err != nil {
			t.Fatalf("after %d pings: %v", answered, err)
		}
		switch k {
		case wire.KindPing:
			var m wire.Ping
			if err := m.Parse(body); err != nil {
				t.Fatal(err)
			}
			answered++
			c.Send((&wire.Pong{Time: m.Time, Now: uint64(time.Now().Add(time.Hour).UnixMicro())}).AppendFrame(nil))
			c.Send((&wire.Ping{Time: uint64(answered)}).AppendFrame(nil))
		case wire.KindPong:
			var m wire.Pong
			if err := m.Parse(body); err != nil {
				t.Fatal(err)
			}
			ponged++
			if m.Time != uint64(ponged) || time.Since(time.UnixMicro(int64(m.Now))).Abs() > time.Minute {
				t.Errorf("Pong %+v", m)
			}
		default:
			t.Fatalf("got %v %x", k, body)
		}
	}
	if rtt, dev := p.RTT(); rtt <= 0 || rtt > 5*time.Second || dev < 0 {
		t.Errorf("RTT %v ± %v", rtt, dev)
	}
	if off := p.ClockOffset(); (off - time.Hour).Abs() > 10*time.Second {
		t.Errorf("clock offset %v, want an hour", off)
	}
}
