package endtoend

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
)

const (
	serverIP = "203.0.113.1"
	udpPort  = 4530
	httpPort = 80
)

// overUDP and overStream are the server's URLs. The stream is a WebSocket: those
// can be served on listeners that are no sockets.
var (
	overUDP    = fmt.Sprintf("udp://%s:%d", serverIP, udpPort)
	overStream = fmt.Sprintf("ws://%s:%d/", serverIP, httpPort)
)

// world is a server in an internet of its own.
type world struct {
	t      testing.TB
	net    *simnet.Net
	sys    *actor.System
	peers  *peers.Peers
	trans  *transport.Transport
	udp    actor.Ref // the UDP listener
	stream *http.Server
	pin    string

	once sync.Once
	wg   sync.WaitGroup // the HTTP server
	mu   sync.Mutex
	last int // home
}

// options are what a world's server may differ in.
type options struct {
	seed      uint64
	peers     peers.Config
	transport transport.Config
	noUDP     bool
	second    string // address of the second port; "" is none
}

// inWorld runs f in a bubble with a world whose peers behave as b.
func inWorld(t *testing.T, o options, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, o)) })
}

// always makes every peer behave as f.
func always(f peers.Func) peers.Config {
	return peers.Config{Peer: func(*peers.Init) (peers.Behavior, error) { return f, nil }}
}

func newWorld(t testing.TB, o options) *world {
	w := &world{t: t, net: simnet.New(o.seed), sys: actortest.NewWith(t, actor.Config{Workers: 1})}
	host := w.net.Host(serverIP)
	var pin pinFinder
	o.transport.Logger = slog.New(slog.NewTextHandler(&pin, nil))
	o.transport.SecondPort, o.transport.SecondHost = -1, o.second
	if o.transport.MaxHandshakesPerAddress == 0 {
		o.transport.MaxHandshakesPerAddress = 1000
	}
	var err error
	if w.peers, err = peers.New(w.sys, o.peers); err != nil {
		t.Fatal(err)
	}
	if w.trans, err = transport.New(w.sys, o.transport, w.peers.Admit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	if !o.noUDP {
		pc, err := host.ListenPacket(udpPort)
		if err != nil {
			t.Fatal(err)
		}
		pc.SetReadBuffer(8 << 20)
		var second net.PacketConn
		if o.second == serverIP {
			second, err = host.ListenPacket(udpPort + 1)
		} else if o.second != "" {
			second, err = w.net.Host(o.second).ListenPacket(udpPort + 1)
		}
		must(t, err)
		if _, w.udp, err = w.trans.ListenPacket("udp://:4530", pc, second); err != nil {
			t.Fatal(err)
		}
	}
	l, err := host.ListenStream(httpPort)
	if err != nil {
		t.Fatal(err)
	}
	w.stream = &http.Server{Handler: w.trans.Handler()}
	w.wg.Go(func() { w.stream.Serve(l) }) // ended by Close
	w.pin = pin.found()
	return w
}

// stop shuts the server down, as troupe.Server does.
func (w *world) stop() {
	w.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.stream.Close() // not what has become a session
		w.trans.Ref().Kill()
		for _, step := range []func(context.Context) error{w.peers.Shutdown, w.sys.Shutdown, w.trans.Wait} {
			if err := step(ctx); err != nil {
				w.t.Error(err)
			}
		}
		w.wg.Wait()
	})
}

func (w *world) end() {
	w.stop()
	w.net.Close()
}

var serverAddr = netip.MustParseAddr(serverIP)

// place is where a client is: behind a router of its own.
type place struct {
	router *simnet.Router
	host   *simnet.Host
}

// home makes a place behind a NAT of that kind.
func (w *world) home(nat simnet.NAT) *place {
	w.mu.Lock()
	w.last++
	n := w.last
	w.mu.Unlock()
	r := w.net.Router(fmt.Sprintf("198.51.%d.%d", 100+n/200, 1+n%200), nat)
	return &place{r, r.Host("192.168.0.2")}
}

// at has cfg dial from a place.
func (w *world) at(p *place, cfg client.Config) client.Config {
	cfg.Pin = w.pin
	cfg.ListenPacket = func(context.Context) (net.PacketConn, error) { return p.host.ListenPacket(0) }
	cfg.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		return p.host.DialStream(ctx, netip.MustParseAddrPort(address))
	}
	return cfg
}

// dial connects from a place, and disconnects when the test ends.
func (w *world) dial(p *place, cfg client.Config, urls ...string) *client.Client {
	w.t.Helper()
	c, err := client.Dial(context.Background(), w.at(p, cfg), urls...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// waitFor lets virtual time pass until what is so, or fails.
func waitFor(t testing.TB, what string, limit time.Duration, so func() bool) (took time.Duration) {
	t.Helper()
	begin := time.Now()
	for !so() {
		if took = time.Since(begin); took > limit {
			t.Fatalf("after %v: not %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

// pinFinder finds the development certificate's pin in the log.
type pinFinder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *pinFinder) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text.Len() < 1<<16 {
		p.text.Write(b)
	}
	return len(b), nil
}

func (p *pinFinder) found() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, rest, _ := strings.Cut(p.text.String(), "pin=")
	pin, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(pin, `"`)
}

// everywhere sets the link between any two nodes of the internet.
func (w *world) everywhere(l simnet.Link) { w.net.SetLink(netip.Addr{}, netip.Addr{}, l) }
