package transporttest

import (
	"bytes"
	"crypto/tls"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// testDatagramGarbage sends noise of every kind and size, from who has no
// session and from who has one.
func testDatagramGarbage(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	c, p := enter(t, h, s)
	stranger := s.Packets(t)
	r := rand.New(rand.NewPCG(3, 4))
	sent := 0
	for _, from := range []*Packets{stranger, c.Stream.(*Guest).Packets} {
		for kind := range 256 {
			if kind == int(packet.KindHello) && from != stranger {
				continue // it may ask again
			}
			for _, n := range []int{1, 9, 24, 25, 26, 100, 1199, 1200, 1400} {
				b := make([]byte, n)
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				b[0] = byte(kind)
				from.Send(b)
				sent++
			}
			if kind%16 == 0 {
				c.Echo(1, []byte("meanwhile")) // the socket's buffers are not what is tried
			}
		}
	}
	c.Echo(2, bytes.Repeat([]byte("still here"), 1000))
	st := s.Transport.Stats()
	if n := st.Datagrams.Unknown + st.Datagrams.Malformed; int(n) < sent/2 && !h.Lossy || st.Admitted != 1 || st.Handshaking != 0 {
		t.Errorf("of %d packets of noise: %+v", sent, st)
	}
	if b := stranger.Answer(100 * time.Millisecond); b != nil {
		var v packet.Version
		if v.Parse(b) != nil {
			t.Errorf("noise is answered by %x", b)
		}
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

// testDatagramForged sends packets of a session that are changed, cut off or
// come again.
func testDatagramForged(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	c, p := enter(t, h, s)
	l := c.Stream.(*Guest).session()
	c.Echo(1, []byte("before"))
	told := (&wire.Operation{Code: 7, Body: wire.Text("once")}).AppendFrame(nil)
	sealed := l.seal(packet.FrameDatagram, told)
	other := s.Packets(t)
	for i := range sealed {
		b := bytes.Clone(sealed)
		b[i] ^= 0x10
		l.p.Send(b)
		other.Send(b)
		l.p.Send(sealed[:i])
		l.p.Send(append(bytes.Clone(sealed), byte(i)))
	}
	c.Echo(2, []byte("between"))
	if p.Operations() != 2 {
		t.Error("a forged packet was taken")
	}
	st := s.Transport.Stats().Datagrams
	if !h.Lossy && (st.Forged < uint64(len(sealed)) || st.Unknown+st.Malformed == 0) {
		t.Errorf("after forged packets: %+v", st)
	}
	before := p.Operations()
	for range 20 {
		l.p.Send(sealed)
		other.Send(sealed)
	}
	c.Echo(3, []byte("after"))
	if n := p.Operations() - before; n != 2 {
		t.Errorf("a packet that came 40 times and an echo make %d operations", n)
	}
	if st := s.Transport.Stats().Datagrams; st.Replayed < 39 && !h.Lossy {
		t.Errorf("after replays: %+v", st)
	}
	if b := other.Answer(100 * time.Millisecond); b != nil && !packet.KindOf(b).IsData() {
		t.Errorf("who replays is told %x", b)
	}
}

// testDatagramBodies seals what no client sends.
func testDatagramBodies(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	frame := func(t packet.FrameType, body ...byte) []byte { return packet.AppendFrame(nil, t, body) }
	closes := map[string][]byte{
		"a type without a length":  {byte(packet.FrameDatagram)},
		"a length without a body":  {byte(packet.FrameDatagram), 0, 9},
		"padding that is no zeros": {byte(packet.FramePadding), 1},
		"relayed":                  frame(packet.FrameRelay, 1, 2, 3),
		"an unknown type":          frame(0x3F, 1, 2, 3),
		"half a frame":             frame(packet.FrameDatagram, 200, 1, 9),
		"an unknown control frame": frame(packet.FrameControl, wire.AppendFrame(nil, wire.KindEvent, nil)...),
		"half a control frame":     frame(packet.FrameControl, 9),
	}
	for name, body := range closes {
		c, p := enter(t, h, s)
		l := c.Stream.(*Guest).session()
		l.sendBody(body)
		if h.Lossy { // one packet may not arrive
			for range 20 { // nor one goodbye: an ended session answers what comes late
				l.sendBody(body)
				time.Sleep(100 * time.Millisecond)
			}
		}
		if code, _ := c.Closed(); code != wire.CodeProtocol {
			t.Errorf("%s: closed with %v, want %v", name, code, wire.CodeProtocol)
		}
		if why := p.Why(t); why.Code != wire.CodeProtocol || why.Remote {
			t.Errorf("%s: the server says %v", name, why)
		}
	}
	c, p := enter(t, h, s)
	l := c.Stream.(*Guest).session()
	for name, body := range map[string][]byte{
		"nothing":                  {}, // a packet that only says that it came
		"an unknown optional type": frame(0x80, 1, 2, 3),
		"padding":                  make([]byte, 100),
		"an answer to no question": frame(packet.FrameResponse, make([]byte, 26)...),
		"segments of no channel":   frame(packet.FrameReliable, bytes.Repeat([]byte{9}, 100)...),
		"half a segment":           frame(packet.FrameReliable, 0, 0, 0, 0, 1),
		"CONNECT's":                frame(packet.FrameConnect, make([]byte, 50)...),
	} {
		l.sendBody(body)
		c.Echo(1, []byte(name))
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

// sendBody seals any body and sends it.
func (l *link) sendBody(body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Send(l.sealLocked(body))
}

// testDatagramPings has the client ask, as it does by UDP.
func testDatagramPings(t *testing.T, h Harness) {
	limits := transport.Limits{PingInterval: 60 * time.Millisecond, IdleTimeout: 2 * time.Second}
	c, p := enter(t, h, h.Serve(t, transport.Config{Limits: limits}))
	c.Stream.SetReadDeadline(time.Now().Add(patience))
	answered, ponged := 0, 0
	tick := time.NewTicker(limits.PingInterval)
	defer tick.Stop()
	for begin := time.Now(); answered == 0 || ponged < 5 || time.Since(begin) < 3*limits.IdleTimeout/2; {
		<-tick.C
		c.Send((&wire.Ping{Time: uint64(ponged)}).AppendFrame(nil))
		c.Stream.SetReadDeadline(time.Now().Add(time.Second))
		k, body, err := c.next()
		if err != nil {
			if h.Lossy {
				continue
			}
			t.Fatalf("after %d pongs: %v", ponged, err)
		}
		switch k {
		case wire.KindPing:
			var m wire.Ping
			if err := m.Parse(body); err != nil {
				t.Fatal(err)
			}
			answered++
			c.Send((&wire.Pong{Time: m.Time, Now: uint64(time.Now().Add(time.Hour).UnixMicro())}).AppendFrame(nil))
		case wire.KindPong:
			var m wire.Pong
			if err := m.Parse(body); err != nil || time.Since(time.UnixMicro(int64(m.Now))).Abs() > time.Minute {
				t.Errorf("Pong %+v, %v", m, err)
			}
			ponged++
		default:
			t.Fatalf("got %v %x", k, body)
		}
	}
	if rtt, dev := p.RTT(); !h.Lossy && (rtt <= 0 || rtt > 5*time.Second || dev < 0) {
		t.Errorf("RTT %v ± %v", rtt, dev)
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

// testDatagramGone has a client vanish without a word.
func testDatagramGone(t *testing.T, h Harness) {
	limits := transport.Limits{PingInterval: 100 * time.Millisecond, IdleTimeout: 800 * time.Millisecond}
	s := h.Serve(t, transport.Config{Limits: limits})
	c, p := enter(t, h, s)
	begin := time.Now()
	c.Stream.(*Guest).Vanish()
	if why := p.Why(t); why.Code != wire.CodeTimeout {
		t.Errorf("the server says %v, want %v", why, wire.CodeTimeout)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
	if err := p.PutEvent(&wire.Event{}); err == nil {
		t.Error("an event is queued for nobody")
	}
}

// testDatagramSilence stops in each position before there is a session.
func testDatagramSilence(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	s.Packets(t).Cookie()
	if st := s.Transport.Stats(); st.Handshaking != 0 || st.Connections != 0 {
		t.Errorf("a HELLO leaves %+v", st)
	}
	begun := s.Packets(t)
	conn := begun.Shake(begun.Cookie())
	conn.Write(clientHello(t)) // and nothing more: even the answer is not acknowledged
	wait(t, func() bool { return s.Transport.Stats().Handshaking == 1 }, "the handshake begins")
	begun.Close()
	silent := mustEnter(t, s).(*Guest) // says no Hello
	silent.Vanish()
	begin := time.Now()
	wait(t, func() bool { return s.Transport.Stats().Connections == 0 }, "connections end")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("given up after %v", took)
	}
	wait(t, func() bool { return s.Transport.Stats().Handshaking == 0 }, "slots come back")
	if took := time.Since(begin); took > 12*time.Second {
		t.Errorf("slots come back after %v", took)
	}
}

// testDatagramDrip sends the handshake a byte at a time, for ever.
func testDatagramDrip(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	p := s.Packets(t)
	conn := p.Shake(p.Cookie())
	hello := clientHello(t)
	hello[3], hello[4] = 0x40, 0 // a record that does not end
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for i := 0; s.Transport.Stats().Failed == 0; i++ {
		<-tick.C
		conn.Write([]byte{hello[min(i, 5)]})
		if time.Since(begin) > patience {
			t.Fatal("it is still listened to")
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
	drip(t, helloOf(t, h, 4<<10), mustEnter(t, s))
}

// testDatagramSuite says another suite inside of TLS than outside, and has no
// protocol in ALPN.
func testDatagramSuite(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	c := NewClient(t, h.Dial(t, s))
	c.Send(Hello(t)) // which names none
	if code, _ := c.Refused(); code != wire.CodeVersion {
		t.Errorf("refused with %v, want %v", code, wire.CodeVersion)
	}
	p := s.Packets(t)
	conn := p.Shake(p.Cookie())
	tc := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if tc.HandshakeContext(t.Context()) == nil {
		tc.Write(h.usual(t))
		tc.SetReadDeadline(time.Now().Add(patience))
		if n, err := tc.Read(make([]byte, 100)); err == nil {
			t.Errorf("without ALPN: %d bytes", n)
		}
	}
	wait(t, func() bool { return s.Transport.Stats().Failed == 1 }, "a handshake without ALPN fails")
}

// testDatagramVersion asks for what is not spoken.
func testDatagramVersion(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{})
	p := s.Packets(t)
	for name, change := range map[string]func(*packet.Hello){
		"version 0":   func(m *packet.Hello) { m.Version = 0 },
		"version 2":   func(m *packet.Hello) { m.Version = 2 },
		"version 255": func(m *packet.Hello) { m.Version = 255 },
		"suite 0":     func(m *packet.Hello) { m.Suite = 0 },
		"suite 9":     func(m *packet.Hello) { m.Suite = 9 },
	} {
		m := HelloPacket()
		change(m)
		var v packet.Version
		for i := 0; v.Nonce != m.Nonce; i++ { // some are lost, some late
			if i == 40 {
				t.Fatalf("%s is not answered", name)
			}
			p.Send(m.Append(nil))
			b := p.Answer(250 * time.Millisecond)
			if b != nil && (len(b) > 64 || v.Parse(b) != nil) {
				t.Errorf("%s is answered by %x", name, b)
			}
		}
		if !bytes.Equal(v.Versions, []byte{packet.ProtocolVersion}) {
			t.Errorf("%s is answered by %v", name, v.Versions)
		}
	}
}
