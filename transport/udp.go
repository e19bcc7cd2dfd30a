package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/udp"
)

// datagramListener owns a UDP socket, and what comes by it until it is a
// session. The sessions' links end with their sessions, before the transport.
type datagramListener struct {
	// set once
	t      *Transport
	url    string
	tls    *tls.Config
	end    *session.Endpoint
	second *udp.Socket // nil: there is none
	door   *door
	ctx    context.Context // of every handshake; ends when the actor stops
	cancel context.CancelFunc

	started chan struct{} // closed once the actor owns the socket
	crew    crew          // handshakes
}

// Receive implements actor.Behavior.
func (l *datagramListener) Receive(c *actor.Context) {
	switch c.Message().(type) {
	case actor.Started:
		l.t.cfg.Logger.Info("listening", slog.String("listener", l.url), slog.String("addr", l.end.LocalAddr().String()))
		l.end.Start()
		if l.second != nil {
			l.end.StartSecond(l.second, l.door.strangerAtSecond)
		}
		l.crew.run(l.door.sweep) // ended by ctx
		l.t.letIn(l.door)
		close(l.started) // last: whoever waits for it counts on all of that
	case actor.Stopping:
		l.t.letNobodyIn(l.door)
		l.door.shut.Store(true)
		l.crew.close()
		l.cancel()
		l.crew.wait()
		l.door.close()
		l.t.retire(l.door)
	}
}

// listenUDP opens a UDP listener.
func (t *Transport) listenUDP(rawURL string, u *url.URL) (netip.AddrPort, actor.Ref, error) {
	if u.Port() == "" || u.Path != "" {
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("transport: %s: want udp://host:port", rawURL)
	}
	pc, err := net.ListenPacket("udp", u.Host)
	if err != nil {
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("transport: %s: %w", rawURL, err)
	}
	second, err := t.listenSecond(cmp.Or(t.cfg.SecondHost, u.Hostname()), session.AddrPort(pc.LocalAddr()).Port())
	if err != nil {
		pc.Close()
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("transport: %s: second port: %w", rawURL, err)
	}
	return t.ListenPacket(rawURL, pc, second)
}

func (t *Transport) listenSecond(host string, port uint16) (net.PacketConn, error) {
	n := t.cfg.SecondPort
	if n < 0 {
		return nil, nil
	}
	if n == 0 {
		n = int(port) + 1
	}
	pc, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(n)))
	if err != nil && t.cfg.SecondPort == 0 { // somebody else's: do without
		return nil, nil
	}
	return pc, err
}

// ListenPacket serves UDP on sockets of the caller's, which it takes over; second
// may be nil, see Config.SecondPort. rawURL is what Hello.Listener says.
func (t *Transport) ListenPacket(rawURL string, pc, second net.PacketConn) (netip.AddrPort, actor.Ref, error) {
	l := &datagramListener{t: t, url: rawURL, started: make(chan struct{})}
	var err error
	if l.tls, err = t.tlsConfig(false); err != nil {
		pc.Close()
		if second != nil {
			second.Close()
		}
		return netip.AddrPort{}, actor.Ref{}, err
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	l.door = newDoor(l, packet.NewBakery(&secret, time.Now()))
	l.end = session.NewEndpoint(udp.New(pc), t.env, session.EndpointConfig{Stranger: l.door.stranger, Receipt: l.door.receipt})
	if second != nil {
		l.second = udp.New(second)
		l.door.secondPort = l.second.LocalAddr().Port()
	}
	t.mu.Lock()
	t.doors = append(t.doors, l.door)
	t.mu.Unlock()
	l.ctx, l.cancel = context.WithCancel(context.Background())
	// Not a NeverBlocks actor: it waits for its goroutines when it stops.
	ref := t.sys.SpawnUnder(t.ref, actor.Props{Name: "listener-udp"}, func() actor.Behavior { return l })
	select {
	case <-l.started:
	case <-ref.Done(): // the transport stopped first: the actor that would close the socket never was
		l.cancel()
		l.t.bury(l.door)
		if second != nil {
			second.Close()
		}
		return netip.AddrPort{}, actor.Ref{}, fmt.Errorf("transport: %s: %w", rawURL, net.ErrClosed)
	}
	return l.end.LocalAddr(), ref, nil
}

// retireTick is how often a stopped listener's sessions are counted.
const retireTick = 250 * time.Millisecond

// retire closes the endpoint of a listener that has stopped: when the last of the
// sessions that it carries has ended, or when the transport has been waited for.
func (t *Transport) retire(d *door) {
	end := d.l.end
	if end.Links() == 0 || !t.retired.run(func() { // ended by the last session's end, or by Wait
		tick := time.NewTicker(retireTick)
		defer tick.Stop()
		for end.Links() > 0 {
			select {
			case <-tick.C:
				continue
			case <-t.over:
			}
			break
		}
		t.bury(d)
	}) {
		t.bury(d)
	}
}

// bury closes a door's endpoint and keeps no more of it than its counts.
func (t *Transport) bury(d *door) {
	d.l.end.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.doors, d); i >= 0 {
		t.doors = slices.Delete(t.doors, i, i+1)
		d.count(&t.past)
	}
}

// letIn has clients that came by a stream be told of the door.
func (t *Transport) letIn(d *door) {
	t.mu.Lock()
	t.open = append(t.open, d)
	t.mu.Unlock()
}

func (t *Transport) letNobodyIn(d *door) {
	t.mu.Lock()
	t.open = slices.DeleteFunc(t.open, func(o *door) bool { return o == d })
	t.mu.Unlock()
}

// openDoor is the oldest door that lets clients in; nil: there is none.
func (t *Transport) openDoor() *door {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) == 0 {
		return nil
	}
	return t.open[0]
}
