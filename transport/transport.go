package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
)

// Transport is the parent of listeners. Its methods may be called from any
// goroutine.
type Transport struct {
	// set once
	sys   *actor.System
	cfg   Config
	admit Admit // nil with a Protocol
	proto Protocol
	env   *session.Env
	limit *limiter
	ref   actor.Ref

	started chan struct{}   // closed once the actor runs
	ctx     context.Context // of the handshakes of Handler; ends with the actor
	cancel  context.CancelFunc
	crew    crew          // those handshakes
	retired crew          // what waits for the last sessions of UDP listeners that have stopped
	over    chan struct{} // closed by Wait: they wait no longer

	accepted, throttled, refused, failed, admitted atomic.Uint64
	quiet, faults                                  throttle

	mu     sync.Mutex
	secure *tls.Config // made on first use
	doors  []*door     // of UDP listeners that have a socket
	open   []*door     // those of them that let clients in, the oldest first
	past   Datagrams   // of the others that there have been
	waited bool        // over is closed
}

// New starts a transport actor below the top actor of sys. admit decides on
// every client that says Hello.
func New(sys *actor.System, cfg Config, admit Admit) (*Transport, error) {
	return start(sys, cfg, &Transport{admit: admit, proto: Protocol{ALPN: ALPN, Subprotocol: session.Subprotocol, Control: tuneSocket}})
}

func start(sys *actor.System, cfg Config, t *Transport) (*Transport, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	t.sys, t.cfg, t.env, t.limit = sys, cfg, session.NewEnv(cfg.Limits), newLimiter(cfg)
	t.started, t.over = make(chan struct{}), make(chan struct{})
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.ref = sys.Spawn(actor.Props{Name: "transport"}, func() actor.Behavior { return actor.Func(t.receive) })
	select {
	case <-t.started:
	case <-t.ref.Done(): // the system has stopped, and the actor that would end Handler's handshakes never was
		t.crew.close()
		t.cancel()
	}
	return t, nil
}

// receive keeps the sessions alive; children, the listeners, stop with it.
func (t *Transport) receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		close(t.started)
		c.Every(t.env.SweepInterval(), nil)
	case actor.Tick:
		for range 1 + m.Missed {
			t.env.Sweep(time.Now())
		}
	case actor.Stopping:
		t.crew.close()
		t.cancel()
		t.crew.wait()
	}
}

// Listen opens a socket for a URL: tcp://, tls://, ws://, wss:// or udp:// with
// host, port, and for WebSocket a path. Clients that came by a stream are told of
// the oldest udp:// listener there is, and speak UDP with it beside the stream. It
// returns the address that it listens on (port 0 picks one) and the actor that owns
// the socket: stopping that closes it, one for UDP when the last of its sessions
// has ended.
func (t *Transport) Listen(rawURL string) (netip.AddrPort, actor.Ref, error) {
	u, err := t.parse(rawURL)
	if err != nil {
		return netip.AddrPort{}, actor.Ref{}, err
	}
	if u.Scheme == "udp" {
		return t.listenUDP(rawURL, u)
	}
	l, err := t.newListener(rawURL, u)
	if err != nil {
		return netip.AddrPort{}, actor.Ref{}, err
	}
	socket, err := listenTCP(u.Host, t.proto.Control)
	if err != nil {
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("transport: %s: %w", rawURL, err)
	}
	return t.listen(l, socket)
}

// ListenOn serves streams on a socket of the caller's, which it takes over.
// rawURL says how, and is what Hello.Listener says; it is not for UDP.
func (t *Transport) ListenOn(rawURL string, socket net.Listener) (netip.AddrPort, actor.Ref, error) {
	u, err := t.parse(rawURL)
	if err == nil && u.Scheme == "udp" {
		err = fmt.Errorf("transport: %s: the socket is for streams", rawURL)
	}
	var l *listener
	if err == nil {
		l, err = t.newListener(rawURL, u)
	}
	if err != nil {
		socket.Close()
		return netip.AddrPort{}, actor.Ref{}, err
	}
	return t.listen(l, socket)
}

// parse judges a URL, and takes from its scheme what is the protocol's.
func (t *Transport) parse(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err == nil && u.Scheme == "" || !strings.Contains(rawURL, "://") {
		return nil, fmt.Errorf("transport: %s: want scheme://host:port, such as %stls://:4530", rawURL, t.proto.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	if u.Scheme, err = t.proto.scheme(u.Scheme); err != nil {
		return nil, fmt.Errorf("transport: %s: %w", rawURL, err)
	}
	return u, nil
}

// newListener makes what serves streams as a URL says.
func (t *Transport) newListener(rawURL string, u *url.URL) (*listener, error) {
	l := &listener{t: t, url: rawURL, scheme: u.Scheme, path: u.Path, started: make(chan struct{})}
	var err error
	switch u.Scheme {
	case "tcp", "ws":
		l.http = u.Scheme == "ws"
		err = t.checkPlaintext(u)
	case "tls", "wss":
		l.http = u.Scheme == "wss"
		l.tls, err = t.tlsConfig(l.http)
	default:
		err = fmt.Errorf("transport: %s: %w", rawURL, t.proto.schemes())
	}
	if err == nil && (u.Port() == "" || !l.http && u.Path != "") {
		err = fmt.Errorf("transport: %s: want scheme://host:port, with a path for ws and wss only", rawURL)
	}
	return l, err
}

// listen starts a listener, which owns the socket.
func (t *Transport) listen(l *listener, socket net.Listener) (netip.AddrPort, actor.Ref, error) {
	l.socket = socket
	l.ctx, l.cancel = context.WithCancel(context.Background())
	// Not a NeverBlocks actor: it waits for its goroutines when it stops.
	ref := t.sys.SpawnUnder(t.ref, actor.Props{Name: "listener-" + l.scheme}, func() actor.Behavior { return l })
	select {
	case <-l.started:
	case <-ref.Done(): // the transport stopped first: the actor that would close the socket never was
		l.cancel()
		socket.Close()
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("transport: %s: %w", l.url, net.ErrClosed)
	}
	return session.AddrPort(socket.Addr()), ref, nil
}

// checkPlaintext refuses to serve the world in plaintext by accident.
func (t *Transport) checkPlaintext(u *url.URL) error {
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		return nil
	}
	if t.cfg.AllowPlaintext {
		t.cfg.Logger.Warn("plaintext: anyone on the way can read and write along", slog.String("listener", t.proto.Scheme+u.Redacted()))
		return nil
	}
	return fmt.Errorf("transport: %s%s is plaintext and not only for this machine: name localhost, use %s%s, or set AllowPlaintext",
		t.proto.Scheme, u.Redacted(), t.proto.Scheme, map[string]string{"tcp": "tls://", "ws": "wss://"}[u.Scheme])
}

// tlsConfig is that of Config, or one with a development certificate, for
// Troupe's own protocol or for HTTP.
func (t *Transport) tlsConfig(http bool) (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.secure == nil {
		secure := t.cfg.TLS.Clone()
		if secure == nil {
			cert, pin, err := DevelopmentCertificate(t.cfg.KeyFile)
			if err != nil {
				return nil, err
			}
			secure = &tls.Config{Certificates: []tls.Certificate{cert}}
			t.cfg.Logger.Info("no certificate given: made one for development", slog.String("pin", pin))
		}
		secure.MinVersion = tls.VersionTLS13
		secure.DynamicRecordSizingDisabled = true // one record for each write
		t.secure = secure
	}
	secure := t.secure.Clone()
	secure.NextProtos = []string{t.proto.ALPN}
	if http {
		secure.NextProtos = []string{"http/1.1"}
	}
	return secure, nil
}

// Env is what the sessions share; for Troupe's own layers.
func (t *Transport) Env() *session.Env { return t.env }

// Ref refers to the transport's actor: stopping it closes all listeners, and no
// session that has been handed over.
func (t *Transport) Ref() actor.Ref { return t.ref }

// Wait ends the sessions that were handed over and never started, and waits
// until no session has a goroutine left, or ctx ends. It comes last: when those
// who own sessions have stopped.
func (t *Transport) Wait(ctx context.Context) error {
	t.env.GiveUp()
	err := t.env.Wait(ctx)
	t.retired.close()
	t.mu.Lock()
	if !t.waited {
		t.waited = true
		close(t.over)
	}
	t.mu.Unlock()
	closed := make(chan struct{})
	go func() { // ended by the endpoints' end
		t.retired.wait()
		close(closed)
	}()
	select {
	case <-closed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats may be called from any goroutine.
func (t *Transport) Stats() Stats {
	s := Stats{
		Accepted:    t.accepted.Load(),
		Throttled:   t.throttled.Load(),
		Refused:     t.refused.Load(),
		Failed:      t.failed.Load(),
		Admitted:    t.admitted.Load(),
		QueuedBytes: t.env.Budget.Used(),
	}
	s.Connections, s.Handshaking = t.limit.counts()
	t.mu.Lock()
	s.Datagrams = t.past
	for _, d := range t.doors {
		d.count(&s.Datagrams)
	}
	t.mu.Unlock()
	return s
}

// throttle lets one log line through in ten seconds.
type throttle struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// next reports whether to log now, and how many lines were held back before.
func (t *throttle) next(now time.Time) (skipped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last) < 10*time.Second {
		t.skipped++
		return 0, false
	}
	skipped, t.skipped, t.last = t.skipped, 0, now
	return skipped, true
}

// complain logs a failed handshake: anyone can cause them, so seldom.
func (t *Transport) complain(url string, remote netip.AddrPort, err error) {
	if skipped, ok := t.quiet.next(time.Now()); ok {
		t.cfg.Logger.Warn("handshake", slog.String("listener", url), slog.Any("addr", remote), slog.Any("err", err), slog.Int("unlogged", skipped))
	}
}

// blame logs an error of the application's authenticator. Clients can cause them
// too, where it does not use Refuse: so seldom as well.
func (t *Transport) blame(url string, remote netip.AddrPort, err error) {
	if skipped, ok := t.faults.next(time.Now()); ok {
		t.cfg.Logger.Error("authenticator", slog.String("listener", url), slog.Any("addr", remote), slog.Any("err", err), slog.Int("unlogged", skipped))
	}
}

func listenTCP(host string, control func(network, address string, c syscall.RawConn) error) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: control} // pings keep sessions alive
	return lc.Listen(context.Background(), "tcp", host)
}
