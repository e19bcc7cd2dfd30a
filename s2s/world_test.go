package s2s_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

const (
	patience = 20 * time.Second
	oneWay   = 5 * time.Millisecond
	port     = 4520
)

// world is servers and an internet in memory, in a bubble.
type world struct {
	t       *testing.T
	net     *simnet.Net
	dir     string // of the authority
	servers int

	mu    sync.Mutex
	conns []net.Conn // that were dialled
}

// inWorld runs f in a bubble.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: simnet.New(1), dir: dir}
		w.net.SetLink(netip.Addr{}, netip.Addr{}, simnet.Link{Delay: oneWay})
		t.Cleanup(w.net.Close)
		f(t, w)
	})
}

// server is one of them.
type server struct {
	w    *world
	t    *testing.T
	name string
	host *simnet.Host
	sys  *actor.System
	*s2s.Links
	journal
}

// server starts one that listens, and whose links that others dial behave as
// tell has it.
func (w *world) server(name string, cfg s2s.Config) *server {
	w.t.Helper()
	return w.serverAt(name, cfg, nil)
}

func (w *world) serverAt(name string, cfg s2s.Config, host *simnet.Host) *server {
	w.t.Helper()
	if host == nil {
		w.servers++
		host = w.net.Host(fmt.Sprintf("203.0.113.%d", w.servers))
	}
	s := w.serverOf(name, cfg, host)
	s.listen(s2s.Scheme+"tls", port)
	return s
}

// serverOf starts one that does not listen.
func (w *world) serverOf(name string, cfg s2s.Config, host *simnet.Host) *server {
	w.t.Helper()
	s := &server{w: w, t: w.t, name: name, sys: actortest.New(w.t), host: host}
	cfg.Name = name
	var err error
	if cfg.TLS == nil {
		if cfg.TLS, err = s2s.DevelopmentTLS(w.dir, name); err != nil {
			w.t.Fatal(err)
		}
	}
	if cfg.Link == nil {
		cfg.Link = func(*s2s.Init) (s2s.Behavior, error) { return s.behavior(), nil }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", name)
	}
	cfg.DialContext = s.dialContext
	cfg.ListenPacket = func(context.Context) (net.PacketConn, error) { return host.ListenPacket(0) }
	if s.Links, err = s2s.New(s.sys, cfg); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.end)
	return s
}

// dialContext knows elsewhere.example, which is where the first server is.
func (s *server) dialContext(ctx context.Context, _, address string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(strings.Replace(address, "elsewhere.example", "203.0.113.1", 1))
	if err != nil {
		return nil, err
	}
	c, err := s.host.DialStream(ctx, a)
	if err == nil {
		s.w.mu.Lock()
		s.w.conns = append(s.w.conns, c)
		s.w.mu.Unlock()
	}
	return c, err
}

func (s *server) listen(scheme string, port uint16) {
	s.t.Helper()
	url := scheme + "://" + s.addr(port)
	if scheme == s2s.Scheme+"udp" {
		socket, err := s.host.ListenPacket(port)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, _, err = s.ListenPacket(url, socket); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	socket, err := s.host.ListenStream(port)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, _, err = s.ListenOn(url, socket); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) addr(port uint16) string { return simAddr(s, port).String() }

func simAddr(s *server, port uint16) netip.AddrPort { return netip.AddrPortFrom(s.host.Addr(), port) }

// target is how others dial s.
func (s *server) target() s2s.Target {
	return s2s.Target{Name: s.name, URL: s2s.Scheme + "tls://" + s.addr(port)}
}

// dial has s dial another server, with a behaviour that keeps a journal.
func (s *server) dial(o *server) *s2s.Link {
	s.t.Helper()
	return s.dialTarget(o.target())
}

func (s *server) dialTarget(t s2s.Target) *s2s.Link {
	s.t.Helper()
	l, err := s2s.Dial(s.sys, t, s.behavior)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// link is s's with another server.
func (s *server) link(o *server) *s2s.Link {
	s.t.Helper()
	l := s2s.Find(s.sys, o.name, "")
	if l == nil {
		s.t.Fatalf("%s has no link with %s", s.name, o.name)
	}
	return l
}

func (s *server) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(s.Shutdown(ctx), s.sys.Shutdown(ctx), s.Wait(ctx)); err != nil {
		s.t.Errorf("%s: %v", s.name, err)
	}
}

// linked waits until two servers are linked.
func (w *world) linked(a, b *server) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		synctest.Wait()
		if la, lb := s2s.Find(a.sys, b.name, ""), s2s.Find(b.sys, a.name, ""); la != nil && lb != nil && la.Up() && lb.Up() {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s and %s are not linked: %q, %q", a.name, b.name, a.all(), b.all())
		}
	}
}

// journal is what the behaviours of a server were told, in order.
type journal struct {
	mu      sync.Mutex
	entries []string
	on      func(*s2s.Context) bool // takes a message in the journal's place; nil: none
}

// behavior tells the journal, and answers operations with what they say.
func (j *journal) behavior() s2s.Behavior { return s2s.Func(j.receive) }

func (j *journal) receive(c *s2s.Context) {
	j.mu.Lock()
	on := j.on
	j.mu.Unlock()
	if on != nil && on(c) {
		return
	}
	switch m := c.Message().(type) {
	case s2s.Started:
		j.say("started")
	case s2s.Established:
		s := "established"
		if m.Dialled {
			s += " dialled"
		}
		if m.Restarted {
			s += " restarted"
		}
		if m.Payload != nil {
			s += " payload " + string(m.Payload)
		}
		if m.Reply != nil {
			s += " reply " + string(m.Reply)
		}
		j.say(s)
	case s2s.Down:
		s := "down " + m.Code.String()
		if m.Remote {
			s += " remote"
		}
		j.say(s)
	case s2s.Failed:
		j.say(fmt.Sprintf("failed %d %v: %s", m.Attempt, m.Code, m.Text))
	case s2s.Closed:
		j.say("closed " + m.Code.String())
	case *s2s.Operation:
		j.say("operation " + string(m.Payload))
		m.Respond(m.Body) // ErrNotAsked for a notice
	case *s2s.Event:
		j.say("event " + string(m.Payload))
	default:
		j.say(fmt.Sprint(m))
	}
}

func (j *journal) say(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, s)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// take returns the entries since the last time.
func (j *journal) take() []string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	all := j.entries
	j.entries = nil
	return all
}

// intercept has f take the messages first; it reports whether it has dealt with
// one.
func (j *journal) intercept(f func(*s2s.Context) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.on = f
}

// want checks the entries since the last time.
func (s *server) want(all ...string) {
	s.t.Helper()
	if got := s.take(); !slices.Equal(got, all) {
		s.t.Errorf("%s: got %q, want %q", s.name, got, all)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func text(s string) wire.Body { return wire.Text(s) }

// reset ends all connections that were dialled, as something in between does that
// forgets them.
func (w *world) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}
