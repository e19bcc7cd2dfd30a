package transporttest

import (
	"context"
	"crypto/tls"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// elsewhere says which cases are not about UDP, and why.
var elsewhere = map[string]string{
	"FrameTimeout":             "messages are whole there: a part of one waits for the rest in KCP, which IdleTimeout and Slow bound",
	"FrameTimeoutIsOfOneFrame": "messages are whole there",
	"Truncated":                "messages are whole there: see SplitFrames and DatagramBodies",
	"Pings":                    "a server leaves the pings of an idle session to the client: see DatagramPings",
	"ClientGone":               "there is nothing that could be closed or reset: see DatagramGone",
	"Classes":                  "what need not be reliable does not wait behind what is; package session's tests of links have the classes",
	"ForeignProtocols":         "they have no connection to be closed: see DatagramGarbage",
	"Slowloris":                "see DatagramDrip",
	"SilentConnection":         "there is none: see DatagramSilence",
}

// Datagrams is the Harness of udp:// on real sockets.
func Datagrams() Harness {
	h := Harness{Name: "udp", TLS: true, Datagrams: true, elsewhere: elsewhere}
	h.Serve = func(t testing.TB, cfg transport.Config) *Server {
		s := NewServer(t, cfg).Listen(t, "udp://127.0.0.1:0")
		s.socket = func(t testing.TB) net.PacketConn {
			pc, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return pc
		}
		return s
	}
	h.try = func(t testing.TB, s *Server) (Stream, error) { return Enter(t, s.Packets(t), 2*time.Second) }
	h.Dial = func(t testing.TB, s *Server) Stream { return mustEnter(t, s) }
	return h
}

// Simulated is the Harness of udp:// in memory: each case has a bubble and an
// internet of its own, with l as the way between client and server. Only sealed
// packets are corrupted: a handshake's are not authentic by themselves, so TLS
// notices, and ends it.
func Simulated(name string, l simnet.Link) Harness {
	h := Harness{Name: name, TLS: true, Datagrams: true, Bubble: true, Lossy: l.Loss > 0 || l.Corrupt > 0, elsewhere: elsewhere}
	corrupt := l.Corrupt
	l.Corrupt = 0
	h.Serve = func(t testing.TB, cfg transport.Config) *Server {
		n := simnet.New(1)
		t.Cleanup(n.Close)
		server, client := n.Host("127.0.0.1"), n.Host("127.0.0.2")
		n.SetLink(server.Addr(), client.Addr(), l)
		s := NewServer(t, cfg)
		pc, err := server.ListenPacket(4530)
		if err != nil {
			t.Fatal(err)
		}
		pc.SetReadBuffer(4 << 20)
		s.URL = "udp://127.0.0.1:4530"
		if s.Addr, _, err = s.Transport.ListenPacket(s.URL, pc, nil); err != nil {
			t.Fatal(err)
		}
		s.socket = func(t testing.TB) net.PacketConn {
			pc, err := client.ListenPacket(0)
			if err != nil {
				t.Fatal(err)
			}
			pc.SetReadBuffer(4 << 20)
			return &noisy{PacketConn: pc, share: corrupt, luck: mathrand.New(mathrand.NewPCG(1, 2))}
		}
		return s
	}
	h.try = func(t testing.TB, s *Server) (Stream, error) { return Enter(t, s.Packets(t), patience) }
	h.Dial = func(t testing.TB, s *Server) Stream { return mustEnter(t, s) }
	return h
}

// noisy flips bits in a share of the sealed packets, both ways.
type noisy struct {
	net.PacketConn
	share float64

	mu   sync.Mutex
	luck *mathrand.Rand
}

func (n *noisy) mangle(p []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if packet.KindOf(p).IsData() && n.luck.Float64() < n.share {
		p[n.luck.IntN(len(p))] ^= 1 << n.luck.IntN(8)
	}
}

// ReadFrom implements net.PacketConn.
func (n *noisy) ReadFrom(p []byte) (int, net.Addr, error) {
	k, from, err := n.PacketConn.ReadFrom(p)
	n.mangle(p[:k])
	return k, from, err
}

// WriteTo implements net.PacketConn.
func (n *noisy) WriteTo(p []byte, to net.Addr) (int, error) {
	p = append([]byte(nil), p...)
	n.mangle(p)
	return n.PacketConn.WriteTo(p, to)
}

// Packets is a client's socket for a server by UDP.
func (s *Server) Packets(t testing.TB) *Packets { return NewPackets(t, s.socket(t), s.Addr) }

func mustEnter(t testing.TB, s *Server) Stream {
	t.Helper()
	g, err := Enter(t, s.Packets(t), patience)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Guest is a client by UDP that is as far as frames may be sent: before Welcome
// by TLS, then by the reliable channel 0. A Write is one message; a lone ping,
// pong or close goes as it should, without KCP.
type Guest struct {
	*Packets
	*inbound
	conn *handshake.Conn
	tls  *tls.Conn

	fed  sync.WaitGroup
	once sync.Once
}

// Enter gets a cookie and does the TLS handshake, in so much time.
func Enter(t testing.TB, p *Packets, in time.Duration) (*Guest, error) {
	end := time.Now().Add(in)
	c, ok := p.Knock(in)
	if !ok {
		return nil, errors.New("no COOKIE came")
	}
	return EnterBy(t, p, c, time.Until(end))
}

// EnterBy is Enter with a cookie.
func EnterBy(t testing.TB, p *Packets, c packet.Cookie, in time.Duration) (*Guest, error) {
	ctx, cancel := context.WithTimeout(t.Context(), in)
	defer cancel()
	g := &Guest{Packets: p, inbound: newInbound(), conn: p.Shake(c)}
	g.tls = tls.Client(g.conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{transport.ALPN}})
	if err := g.tls.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	g.fed.Go(g.feed) // ended by the Welcome, or by Close
	t.Cleanup(func() { g.Close() })
	return g, nil
}

// feed reads the handshake's frames up to the Welcome.
func (g *Guest) feed() {
	var b []byte
	room := make([]byte, 32<<10)
	for {
		n, err := g.tls.Read(room)
		b = append(b, room[:n]...)
		for {
			k, body, n, bad := wire.ParseFrame(b, wire.MaxFrame)
			if bad != nil || n == 0 {
				break
			}
			if k == wire.KindWelcome {
				g.welcomed(body)
			}
			g.put(b[:n])
			b = b[n:]
			if k == wire.KindWelcome {
				g.conn.Close()
				return
			}
		}
		if err != nil {
			g.end(err)
			return
		}
	}
}

// welcomed makes the link.
func (g *Guest) welcomed(body []byte) {
	var m wirepb.Welcome
	err := wire.Unmarshal(body, &m)
	if err == nil {
		var l *link
		if l, err = newLink(g.Packets, g.inbound, m.Datagrams); err == nil {
			for range 3 { // it has heard
				l.p.Send(l.seal(packet.FramePadding, nil))
			}
			g.Packets.mu.Lock()
			g.link = l
			g.Packets.mu.Unlock()
		}
	}
	if err != nil {
		g.t.Errorf("Welcome: %v", err)
	}
}

// Link is the session's, nil before the Welcome.
func (g *Guest) session() *link {
	g.Packets.mu.Lock()
	defer g.Packets.mu.Unlock()
	return g.link
}

// Write implements Stream.
func (g *Guest) Write(p []byte) (int, error) {
	l := g.session()
	if l == nil {
		return g.tls.Write(p)
	}
	k, _, n, err := wire.ParseFrame(p, wire.MaxFrame)
	if err == nil && n == len(p) && n > 4 && (k == wire.KindPing || k == wire.KindPong || k == wire.KindClose) {
		l.control(p)
		return len(p), nil
	}
	return len(p), l.write(p)
}

// Close implements Stream: it says goodbye, and does not wait for an answer.
func (g *Guest) Close() error {
	g.once.Do(func() {
		if l := g.session(); l != nil {
			for range 3 {
				l.control(Frame(g.t, wire.KindClose, &wirepb.Close{Code: uint32(wire.CodeNormal)}))
			}
		}
		g.Vanish()
	})
	return nil
}

// Vanish closes the socket without a word.
func (g *Guest) Vanish() {
	g.inbound.stop()
	g.Packets.Close()
	g.fed.Wait()
}

// CloseWrite implements Stream.
func (g *Guest) CloseWrite() error { return errors.ErrUnsupported }

// Reset implements Stream.
func (g *Guest) Reset() error { return errors.ErrUnsupported }

// Seal is a packet of the session with any body, not sent. The Welcome has come.
func (g *Guest) Seal(body []byte) []byte {
	l := g.session()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sealLocked(body)
}

// OnFrame has f called with every frame of every packet that comes, before
// anything is done about it.
func (g *Guest) OnFrame(f func(packet.FrameType, []byte)) {
	l := g.session()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onFrame = f
}

// Hear says whether what arrives reliably is taken.
func (g *Guest) Hear(yes bool) { g.session().hear(yes) }
