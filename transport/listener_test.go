package transport_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
)

// proxied is a PROXY header, version 2, of a client at 192.0.2.1:33333.
const proxied = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x82\x35\x01\xbb"

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	limits := transport.Limits{Linger: 200 * time.Millisecond}
	behind := transport.Config{Limits: limits, ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	elsewhere := transport.Config{Limits: limits, ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	hasty := behind
	hasty.Limits.HandshakeTimeout = time.Second
	for _, scheme := range []string{"tcp", "tls", "ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			h := transporttest.Listener(scheme)
			enter := func(t *testing.T, s *transporttest.Server, header string) *transport.Hello {
				t.Helper()
				nc := h.Raw(t, s)
				io.WriteString(nc, header)
				transporttest.NewClient(t, h.Climb(t, nc, nil)).Enter()
				return s.Hello(t)
			}
			s := h.Serve(t, behind)
			if got := enter(t, s, proxied).Remote; got != netip.MustParseAddrPort("192.0.2.1:33333") {
				t.Errorf("the client is %v", got)
			}
			if got := s.Next(t).RemoteAddr(); got != netip.MustParseAddrPort("192.0.2.1:33333") {
				t.Errorf("the session's client is %v", got)
			}
			local := proxied[:12] + "\x20\x00\x00\x00"
			if got := enter(t, s, local).Remote; !got.Addr().IsLoopback() {
				t.Errorf("the proxy's own connection is %v", got)
			}
			if got := enter(t, h.Serve(t, elsewhere), "").Remote; !got.Addr().IsLoopback() {
				t.Errorf("beside the proxy the client is %v", got)
			}
			strict := h.Serve(t, hasty)
			for name, header := range map[string]string{
				"none":   string(transporttest.Hello(t)),
				"slow":   proxied[:20],
				"silent": "",
				"beside": strings.Repeat("x", 100),
			} {
				nc := h.Raw(t, strict)
				begin := time.Now()
				nc.SetDeadline(begin.Add(15 * time.Second))
				io.WriteString(nc, header)
				if _, err := io.Copy(io.Discard, nc); os.IsTimeout(err) {
					t.Errorf("%s: still there after %v", name, time.Since(begin))
				}
			}
			if name := "from who is not trusted"; scheme == "tcp" {
				s := h.Serve(t, elsewhere)
				nc := h.Raw(t, s)
				io.WriteString(nc, proxied)
				nc.Write(transporttest.Hello(t))
				c := transporttest.NewClient(t, h.Climb(t, nc, nil))
				if code, _ := c.Refused(); code != wire.CodeProtocol {
					t.Errorf("%s: refused with %v", name, code)
				}
			}
		})
	}
}

// A listener of a transport whose actor has stopped, or with its system gone,
// is none.
func TestListenAfterStop(t *testing.T) {
	s := transporttest.NewServer(t, transport.Config{})
	s.Listen(t, "tcp://127.0.0.1:0")
	addr := s.Addr
	s.Stop(t)
	if _, _, err := s.Transport.Listen("tcp://127.0.0.1:0"); err == nil {
		t.Error("a stopped transport listens")
	}
	l, err := net.Listen("tcp", addr.String()) // its socket is closed
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// descriptors counts those of this process, where the system tells.
func descriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	list, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Whatever becomes of connections, none of their descriptors stays.
func TestNoDescriptorIsLeft(t *testing.T) {
	before := descriptors(t)
	for _, h := range []transporttest.Harness{
		transporttest.Listener("tcp"), transporttest.Listener("tls"), transporttest.Listener("ws"), transporttest.Listener("wss"),
		transporttest.Mount("handler", true),
	} {
		t.Run(h.Name, func(t *testing.T) {
			s := h.Serve(t, transport.Config{Limits: transport.Limits{Linger: 50 * time.Millisecond}})
			s.Judge = func(_ context.Context, h *transport.Hello) error {
				if string(h.Auth) == "no" {
					return io.EOF
				}
				return nil
			}
			for i := range 8 {
				raw := h.Raw(t, s)
				io.WriteString(raw, "noise\r\n\r\n")
				raw.Close()
				c := transporttest.NewClient(t, h.Dial(t, s))
				if i%4 == 0 {
					c.Send(make([]byte, 9))
					c.Gone()
					continue
				}
				c.Enter()
				p := s.Next(t)
				switch i % 4 {
				case 1:
					p.Close(wire.CodeKicked, "")
				case 2:
					p.Abort()
				case 3:
					c.Stream.Reset()
				}
				p.Why(t)
			}
		})
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for descriptors(t) > before+2 { // the poller's may have come
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d descriptors, %d before", descriptors(t), before)
		}
	}
}

// Idle sessions over plain TCP hold no buffer, and slow ones a bounded one.
func TestMemoryOfSessions(t *testing.T) {
	h := transporttest.Listener("tcp")
	s := h.Serve(t, transport.Config{})
	before := heap()
	for range 200 {
		transporttest.NewClient(t, h.Dial(t, s)).Enter()
		s.Next(t)
	}
	if each := (heap() - before) / 200; each > 16<<10 { // both ends, the actor-less server and the test's client
		t.Errorf("an idle session and its client hold %d bytes", each)
	}
	before = heap()
	chunk := make([]byte, 60_000)
	for range 8 {
		transporttest.NewClient(t, h.Dial(t, s)).Enter()
		p := s.Next(t)
		for p.PutEvent(&wire.Event{Body: wire.Payload(chunk)}) == nil {
			p.Flush()
		}
	}
	if grown := heap() - before; grown > 8*(5<<20) {
		t.Errorf("eight clients that read nothing cost %d bytes", grown)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// One address that connects as often as it can uses up its own rate, not that of
// all.
func TestOneAddressLeavesRoom(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs more than one loopback address")
	}
	burst := func(n int) transport.Rate { return transport.Rate{PerSecond: 0.001, Burst: n} }
	for _, scheme := range []string{"tcp", "ws"} {
		h := transporttest.Listener(scheme)
		s := h.Serve(t, transport.Config{LimitLoopback: true, AcceptRate: burst(4), AcceptRatePerAddress: burst(2)})
		for range 20 {
			one := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			if nc, err := one.DialContext(t.Context(), "tcp", s.Addr.String()); err == nil { // else it was closed at once
				nc.Close()
			}
		}
		transporttest.NewClient(t, h.Dial(t, s)).Enter()
	}
}
