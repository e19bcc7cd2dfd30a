package transport_test

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// quiet is for clients that do not read all the time.
var quiet = transport.Config{Limits: transport.Limits{PingInterval: -1, IdleTimeout: -1}}

// guest is a client that came by a stream, and attaches by hand.
type guest struct {
	*transporttest.Client
	w       *world
	session *transporttest.Session
	crypt   *packet.Crypt
	dg      *wirepb.Datagrams
}

// streamed lets a client in by a stream.
func (w *world) streamed() *guest {
	w.t.Helper()
	here, there := net.Pipe()
	w.Transport.ServeConn(there, "tcp://test")
	g := &guest{Client: transporttest.NewClient(w.t, stream{here}), w: w}
	g.Send(transporttest.Frame(w.t, wire.KindHello, &wirepb.Hello{Version: wire.Version, Features: session.FeatureDatagrams}))
	var m wirepb.Welcome
	if err := wire.Unmarshal(g.Expect(wire.KindWelcome), &m); err != nil {
		w.t.Fatal(err)
	}
	for g.session = w.Next(w.t); uint64(g.session.ID()) != m.Peer; { // another one came before
		g.session = w.Next(w.t)
	}
	g.offered(m.Datagrams)
	return g
}

// offered takes an offer up.
func (g *guest) offered(dg *wirepb.Datagrams) {
	g.w.t.Helper()
	secret := packet.Secret(dg.Secret)
	var err error
	if g.crypt, err = packet.NewCrypt(&secret, "session", dg.Id, packet.SuiteAES256GCM, packet.Client, 1024); err != nil {
		g.w.t.Fatal(err)
	}
	g.dg = dg
}

// ask asks for another offer.
func (g *guest) ask() {
	g.w.t.Helper()
	g.Send(transporttest.Frame(g.w.t, wire.KindAttach, &wirepb.Attach{}))
	var dg wirepb.Datagrams
	if err := wire.Unmarshal(g.Expect(wire.KindDatagrams), &dg); err != nil {
		g.w.t.Fatal(err)
	}
	if dg.Port == 0 {
		g.w.t.Fatal("there is no UDP any more")
	}
	g.offered(&dg)
}

// seal is a DATA packet with one frame.
func (g *guest) seal(t packet.FrameType, body []byte, size int) []byte {
	p := packet.AppendFrame(make([]byte, packet.HeaderSize, max(size, packet.MaxSize)), t, body)
	if size > 0 {
		p = packet.Pad(p, size-packet.TagSize)
	}
	return g.crypt.Seal(p, packet.ID(g.dg.Server))
}

// connect is a CONNECT with a nonce of its own.
func (g *guest) connect(c packet.Cookie) *packet.Connect {
	m := &packet.Connect{Epoch: c.Epoch, MAC: c.MAC, Ticket: g.dg.Ticket}
	copy(m.Nonce[:], c.Nonce[:])
	rand.Read(m.Nonce[8:])
	a := packet.Attach{Nonce: m.Nonce, Epoch: m.Epoch, MAC: m.MAC, MTU: packet.MaxSize}
	m.Packet = g.seal(packet.FrameConnect, a.Append(nil), m.PacketSize())
	return m
}

// data is a packet that a message goes in.
func (g *guest) data() []byte {
	return g.seal(packet.FrameDatagram, (&wire.Operation{Code: 7, Body: wire.Text("by UDP")}).AppendFrame(nil), 0)
}

// accepted waits for an ACCEPT of that CONNECT; nil: there was none.
func (g *guest) accepted(p *transporttest.Packets, m *packet.Connect) *packet.Accept {
	g.w.t.Helper()
	for {
		b := p.Answer(2*way + 10*time.Millisecond)
		if b == nil {
			return nil
		}
		if len(b) > 100 {
			g.w.t.Errorf("an answer of %d bytes", len(b))
		}
		body, _, _, err := g.crypt.Open(b, time.Now())
		if err != nil {
			continue
		}
		t, frame, _, err := packet.NextFrame(body)
		var a packet.Accept
		if err == nil && t == packet.FrameAccept && a.Parse(frame) == nil && a.Nonce == m.Nonce {
			return &a
		}
	}
}

// up waits until the server sends by UDP.
func (g *guest) up() {
	g.w.t.Helper()
	until(g.w.t, time.Second, "UDP carries messages", g.session.Datagrams)
}

func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{DatagramHost: "game.example"}, simnet.Link{Delay: way})
		g := w.streamed()
		if g.dg.Host != "game.example" || g.dg.Port != uint32(w.Addr.Port()) || g.dg.SecondPort != uint32(w.second.Port()) || len(g.dg.Ticket) > packet.MaxTicket {
			t.Errorf("offered %+v", g.dg)
		}
		pc := socket(t, w.net.Host("198.51.100.9"))
		p := transporttest.NewPackets(t, pc, w.Addr)
		m := g.connect(p.Cookie())
		for range 3 { // the same answer each time
			p.Send(m.Append(nil))
			a := g.accepted(p, m)
			if a == nil {
				t.Fatal("no ACCEPT")
			}
			if a.Observed != pc.AddrPort() {
				t.Errorf("seen at %v, is at %v", a.Observed, pc.AddrPort())
			}
		}
		if g.session.Datagrams() {
			t.Error("messages go by UDP before the client has sent any")
		}
		p.Send(g.data())
		g.up()
		until(t, time.Second, "the message arrives", func() bool { return g.session.Operations() == 1 })
		p.Send(m.Append(nil))
		if g.accepted(p, m) != nil {
			t.Error("a CONNECT is answered after the first DATA")
		}
		g.Echo(1, []byte("by the stream"))
	})
}

// A ticket is good once, for its own session, at its own server, for a while;
// cookie and ticket are looked at before any key is used.
func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		other := w.streamed()
		for _, tt := range []struct {
			name    string
			prepare func(g *guest, p *transporttest.Packets)
			change  func(g *guest, m *packet.Connect)
			cookie  func(*packet.Cookie, *transporttest.Packets)
			let     bool
		}{
			{name: "as it is", let: true},
			{name: "29 s later", let: true, prepare: func(*guest, *transporttest.Packets) { time.Sleep(29 * time.Second) }},
			{name: "31 s later", prepare: func(*guest, *transporttest.Packets) { time.Sleep(31 * time.Second) }},
			{name: "ticket cut off", change: func(_ *guest, m *packet.Connect) {
				m.Ticket = m.Ticket[:len(m.Ticket)-1]
				m.Packet = append(m.Packet, 0)
			}},
			{name: "an invented cookie", cookie: func(c *packet.Cookie, _ *transporttest.Packets) { c.MAC[0] ^= 1 }},
			{name: "a cookie of another port", cookie: func(c *packet.Cookie, _ *transporttest.Packets) { *c = w.packets(home).Cookie() }},
			{name: "a cookie of 21 s ago", cookie: func(*packet.Cookie, *transporttest.Packets) { time.Sleep(21 * time.Second) }},
			{name: "no ticket", change: func(g *guest, m *packet.Connect) { g.dg.Ticket = nil; *m = *g.connect(m.Cookie()) }},
			{name: "id in the ticket changed", change: func(_ *guest, m *packet.Connect) { m.Ticket[3] ^= 1 }},
			{name: "expiry in the ticket changed", change: func(_ *guest, m *packet.Connect) { m.Ticket[8] ^= 1 }},
			{name: "node in the ticket changed", change: func(_ *guest, m *packet.Connect) { m.Ticket[0] ^= 1 }},
			{name: "MAC of the ticket changed", change: func(_ *guest, m *packet.Connect) { m.Ticket[29] ^= 1 }},
			{name: "MAC of the cookie changed", change: func(_ *guest, m *packet.Connect) { m.MAC[0] ^= 1 }},
			{name: "epoch changed", change: func(_ *guest, m *packet.Connect) { m.Epoch++ }},
			{name: "cookie's nonce changed", change: func(_ *guest, m *packet.Connect) { m.Nonce[0] ^= 1 }},
			{name: "own nonce changed", change: func(_ *guest, m *packet.Connect) { m.Nonce[15] ^= 1 }},
			{name: "sealed packet changed", change: func(_ *guest, m *packet.Connect) { m.Packet[100] ^= 1 }},
			{name: "another session's ticket", change: func(_ *guest, m *packet.Connect) { m.Ticket = other.dg.Ticket }},
			{name: "an ended session's", prepare: func(g *guest, _ *transporttest.Packets) {
				g.session.Abort()
				g.session.Why(t)
			}},
			{name: "an earlier offer's", prepare: func(g *guest, _ *transporttest.Packets) {
				crypt, dg := g.crypt, g.dg
				g.ask()
				g.crypt, g.dg = crypt, dg
			}},
			{name: "a later offer's", let: true, prepare: func(g *guest, _ *transporttest.Packets) { g.ask() }},
			{name: "a frame of another kind inside", change: func(g *guest, m *packet.Connect) {
				m.Packet = g.seal(packet.FrameBind, make([]byte, 46), m.PacketSize())
			}},
			{name: "another CONNECT's packet inside", change: func(g *guest, m *packet.Connect) {
				m.Packet = g.connect(m.Cookie()).Packet
			}},
		} {
			g := w.streamed()
			p := w.packets(home)
			if tt.prepare != nil {
				tt.prepare(g, p)
			}
			cookie := p.Cookie()
			if tt.cookie != nil {
				tt.cookie(&cookie, p)
			}
			m := g.connect(cookie)
			if tt.change != nil {
				m.Ticket = append([]byte(nil), m.Ticket...)
				tt.change(g, m)
			}
			p.Send(m.Append(nil))
			if got := g.accepted(p, m) != nil; got != tt.let {
				t.Errorf("%s: let in: %v, want %v", tt.name, got, tt.let)
			}
			if tt.let || tt.name == "an ended session's" {
				continue
			}
			if g.Echo(1, []byte("lives")); g.session.Datagrams() {
				t.Errorf("%s: UDP carries messages", tt.name)
			}
			// And it can still be let in by what is right.
			g.ask()
			m = g.connect(p.Cookie())
			p.Send(m.Append(nil))
			if g.accepted(p, m) == nil {
				t.Errorf("%s: spoils what comes later", tt.name)
			}
			p.Send(g.data())
			g.up()
		}
	})
}

// Until DATA has come a newer CONNECT may come from elsewhere; then the address
// is the session's, and the ticket used up.
func TestConnectFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		g := w.streamed()
		here, there := w.packets(w.net.Host("198.51.100.9")), w.packets(w.net.Host("198.51.100.10"))
		first := g.connect(here.Cookie())
		here.Send(first.Append(nil))
		if g.accepted(here, first) == nil {
			t.Fatal("no ACCEPT")
		}
		second := g.connect(there.Cookie())
		there.Send(second.Append(nil))
		if a := g.accepted(there, second); a == nil || a.Observed.Addr() != netip.MustParseAddr("198.51.100.10") {
			t.Fatalf("ACCEPT %+v", a)
		}
		here.Send(first.Append(nil)) // late: it was answered, so it is old
		if g.accepted(here, first) != nil {
			t.Error("an old CONNECT takes the session back")
		}
		there.Send(g.data())
		g.up()
		third := g.connect(here.Cookie())
		here.Send(third.Append(nil))
		if g.accepted(here, third) != nil {
			t.Error("a CONNECT is taken after the first DATA")
		}
		if err := g.session.PutEvent(&wire.Event{Code: 1, Delivery: wire.Unreliable}); err != nil {
			t.Fatal(err)
		}
		g.session.Flush()
		if b := there.Answer(time.Second); b == nil {
			t.Error("no event comes")
		}
	})
}

// Clients that came by a stream are told of the oldest listener that has not
// stopped, those that it let in as well.
func TestOldestListenerIsOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		listeners := []actor.Ref{w.listener}
		for _, port := range []uint16{4540, 4550} {
			pc, err := w.host.ListenPacket(port)
			if err != nil {
				t.Fatal(err)
			}
			_, ref, err := w.Transport.ListenPacket("udp://second", pc, nil)
			if err != nil {
				t.Fatal(err)
			}
			listeners = append(listeners, ref)
		}
		stop := func(i int) {
			listeners[i].Stop()
			<-listeners[i].Done()
		}
		enter := func(g *guest) {
			t.Helper()
			p := transporttest.NewPackets(t, socket(t, home), netip.AddrPortFrom(w.Addr.Addr(), uint16(g.dg.Port)))
			m := g.connect(p.Cookie())
			p.Send(m.Append(nil))
			if g.accepted(p, m) == nil {
				t.Fatalf("no ACCEPT at port %d", g.dg.Port)
			}
			p.Send(g.data())
			g.up()
		}
		old := w.streamed()
		if old.dg.Port != 4530 || old.dg.SecondPort != 4531 {
			t.Fatalf("offered %+v", old.dg)
		}
		enter(old)
		stop(0)
		if g := w.streamed(); g.dg.Port != 4540 || g.dg.SecondPort != 0 {
			t.Errorf("offered %+v", g.dg)
		}
		stop(2)
		if old.ask(); old.dg.Port != 4540 {
			t.Errorf("offered %+v", old.dg)
		}
		enter(old)
		until(t, 5*time.Second, "the first listener's port is free", func() bool {
			_, err := w.host.ListenPacket(4530)
			return err == nil
		})
		if n := w.Transport.Offers(); n != 2 {
			t.Errorf("%d offers of two sessions", n)
		}
		stop(1)
		old.Send(transporttest.Frame(t, wire.KindAttach, nil))
		if _, body := old.Next(); len(body) != 0 {
			t.Errorf("UDP is offered: %x", body)
		}
	})
}

// A garbage CONNECT with a good ticket leaves nothing behind.
func TestOffersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		g := w.streamed()
		p := w.packets(home)
		for range 50 {
			m := g.connect(p.Cookie())
			m.Packet[77] ^= 1
			p.Send(m.Append(nil))
			time.Sleep(2 * way)
			g.ask()
		}
		if n := w.Transport.Offers(); n != 1 {
			t.Errorf("%d offers of one session", n)
		}
		synctest.Wait()
		if n := w.Transport.Ids(); n != 1 {
			t.Errorf("%d connection ids are reserved", n)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if n := w.Transport.Ids(); n != 0 || w.Transport.Offers() != 0 {
			t.Errorf("%d connection ids and %d offers after they have expired", n, w.Transport.Offers())
		}
		g.ask()
		m := g.connect(p.Cookie())
		p.Send(m.Append(nil))
		p.Send(g.data())
		g.up()
		g.session.Abort()
		g.session.Why(t)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if n := w.Transport.Ids() + w.Transport.Offers() + w.Transport.Links(); n != 0 {
			t.Errorf("an ended session leaves %d ids, %d offers, %d links", w.Transport.Ids(), w.Transport.Offers(), w.Transport.Links())
		}
	})
}

// A NAT that gives the client another port between its CONNECT and the ACCEPT
// does not keep it out for long.
func TestRebindWhileConnecting(t *testing.T) {
	for what, kind := range map[string]packet.Kind{"HELLO": packet.KindHello, "CONNECT": packet.KindConnect} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
			router := w.net.Router("198.51.100.7", simnet.PortRestricted())
			home := router.Host("192.168.0.2")
			var seen atomic.Bool
			w.net.Tap(func(_ time.Time, _, _ netip.AddrPort, p []byte) {
				if kindOf(p) == kind {
					seen.Store(true)
				}
			})
			up := make(chan bool, 10)
			cfg := w.config(home)
			cfg.OnDatagrams = func(on bool) { up <- on }
			c, err := client.Dial(t.Context(), cfg, "tcp://203.0.113.1:4530")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			begin := time.Now()
			for !seen.Load() {
				time.Sleep(time.Millisecond)
			}
			router.Rebind()
			if on := <-up; !on {
				t.Fatal("down before it was up")
			}
			took := time.Since(begin)
			t.Logf("rebound after %s: in after %v", what, took)
			if took > 5*time.Second {

				t.Errorf("rebound after %s: in after %v", what, took)
			}
		})
	}
}

// A handshake of udp:// whose NAT rebinds in the midst of it fails, and the next
// one does not.
func TestRebindWhileShaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		router := w.net.Router("198.51.100.7", simnet.PortRestricted())
		home := router.Host("192.168.0.2")
		var seen atomic.Bool
		w.net.Tap(func(_ time.Time, _, _ netip.AddrPort, p []byte) {
			if kindOf(p) == packet.KindStreamUp {
				seen.Store(true)
			}
		})
		go func() { // ended by the first handshake
			for !seen.Load() {
				time.Sleep(time.Millisecond)
			}
			router.Rebind()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		cfg := w.config(home)
		begin := time.Now()
		c, err := client.Dial(ctx, cfg, w.URL, w.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("in after %v", time.Since(begin))
		w.echo(c)
		c.Close()
	})
}
