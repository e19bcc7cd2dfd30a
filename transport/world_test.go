package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
)

// world is a server by UDP on an internet in memory. It lives in a bubble.
type world struct {
	*transporttest.Server
	t        *testing.T
	net      *simnet.Net
	host     *simnet.Host
	pin      string
	second   netip.AddrPort
	listener actor.Ref
	wire     *tapped // the server's socket
}

// tapped is a socket that loses what it is told to lose.
type tapped struct {
	net.PacketConn

	mu   sync.Mutex
	lose func(p []byte, to netip.AddrPort) bool // nil: nothing
}

func (s *tapped) losing(f func(p []byte, to netip.AddrPort) bool) {
	s.mu.Lock()
	s.lose = f
	s.mu.Unlock()
}

// WriteTo implements net.PacketConn.
func (s *tapped) WriteTo(p []byte, to net.Addr) (int, error) {
	s.mu.Lock()
	lose := s.lose
	s.mu.Unlock()
	if lose != nil && lose(p, to.(*net.UDPAddr).AddrPort()) {
		return len(p), nil
	}
	return s.PacketConn.WriteTo(p, to)
}

const way = 20 * time.Millisecond

// newWorld makes a world of so much delay each way.
func newWorld(t *testing.T, seed uint64, cfg transport.Config, l simnet.Link) *world {
	t.Helper()
	w := &world{t: t, net: simnet.New(seed)}
	t.Cleanup(w.net.Close)
	w.net.SetLink(netip.Addr{}, netip.Addr{}, l)
	w.host = w.net.Host("203.0.113.1")
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		t.Fatal(err)
	}
	w.pin = pin
	cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	w.Server = transporttest.NewServer(t, cfg)
	pc, err := w.host.ListenPacket(4530)
	if err != nil {
		t.Fatal(err)
	}
	pc.SetReadBuffer(4 << 20)
	second, err := w.host.ListenPacket(4531)
	if err != nil {
		t.Fatal(err)
	}
	w.second = second.AddrPort()
	w.wire = &tapped{PacketConn: pc}
	w.URL = "udp://203.0.113.1:4530"
	if w.Addr, w.listener, err = w.Transport.ListenPacket(w.URL, w.wire, second); err != nil {
		t.Fatal(err)
	}
	return w
}

// socket opens one of a host's.
func socket(t testing.TB, h *simnet.Host) *simnet.PacketConn {
	t.Helper()
	pc, err := h.ListenPacket(0)
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

// packets is a client's socket, by hand.
func (w *world) packets(h *simnet.Host) *transporttest.Packets {
	w.t.Helper()
	return transporttest.NewPackets(w.t, socket(w.t, h), w.Addr)
}

// config is a client's on that host.
func (w *world) config(h *simnet.Host) client.Config {
	return client.Config{
		Pin:          w.pin,
		ListenPacket: func(context.Context) (net.PacketConn, error) { return h.ListenPacket(0) },
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			w.Transport.ServeConn(there, "tcp://"+w.Addr.String())
			return here, nil
		},
	}
}

// dial connects a client of package client.
func (w *world) dial(h *simnet.Host, url string) *client.Client {
	w.t.Helper()
	c, err := client.Dial(w.t.Context(), w.config(h), url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// echo has the server echo, and says how long that took.
func (w *world) echo(c *client.Client) time.Duration {
	w.t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := c.Call(ctx, 7, wire.Text("hello"))
	if err != nil || !bytes.Equal(r.Payload, []byte("hello")) {
		w.t.Fatalf("echo: %q, %v", r.Payload, err)
	}
	return time.Since(begin)
}

// stream is a client that came by a stream and may speak UDP.
type stream struct{ net.Conn }

// CloseWrite implements transporttest.Stream.
func (s stream) CloseWrite() error { return s.Close() }

// Reset implements transporttest.Stream.
func (s stream) Reset() error { return s.Close() }

// until waits until ok, for at most so long, and says how long that took.
func until(t *testing.T, most time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > most {
			t.Fatalf("%s: not within %v", what, most)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(begin)
}

var _ transporttest.Stream = stream{}

// kindOf is for taps.
func kindOf(p []byte) packet.Kind { return packet.KindOf(p) }
