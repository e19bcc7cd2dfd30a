package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
)

// inbox is a Receiver that keeps what comes, by delivery. Shut, it takes
// messages and holds them up as an actor that does not run.
type inbox struct {
	s *Session

	mu     sync.Mutex
	got    map[wire.Delivery][]string
	onMsg  func(d wire.Delivery, body []byte) // in place of got; may be nil
	ends   []*CloseError
	shut   bool
	held   int  // charged
	late   bool // something came after the end
	refuse error

	lenient bool // frames may be malformed
}

func (r *inbox) Frame(k wire.Kind, body []byte, b *Buffer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, payload, err := message(k, body)
	if err != nil {
		if !r.lenient {
			panic(err)
		}
		return protocolError("%v", err)
	}
	r.late = r.late || len(r.ends) > 0
	if r.shut {
		r.held += len(body)
		r.s.Charge(len(body))
	}
	switch {
	case r.refuse != nil:
		return r.refuse
	case r.onMsg != nil:
		r.onMsg(d, payload)
	default:
		if r.got == nil {
			r.got = make(map[wire.Delivery][]string)
		}
		r.got[d] = append(r.got[d], string(payload))
	}
	return nil
}

// message is delivery and payload of an operation or an event.
func message(k wire.Kind, body []byte) (wire.Delivery, []byte, error) {
	if k == wire.KindOperation {
		var m wire.Operation
		err := m.Parse(body)
		return m.Delivery, m.Payload, err
	}
	if k != wire.KindEvent {
		return 0, nil, fmt.Errorf("a frame of kind %v", k)
	}
	var m wire.Event
	err := m.Parse(body)
	return m.Delivery, m.Payload, err
}

func (r *inbox) EndRead() error { return nil }

func (r *inbox) Ended(why *CloseError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = append(r.ends, why)
}

// open lets go of what it held up, and takes everything from now on.
func (r *inbox) open() {
	r.mu.Lock()
	n := r.held
	r.shut, r.held = false, 0
	r.mu.Unlock()
	r.s.Credit(n)
}

// of is what has come by a delivery.
func (r *inbox) of(d wire.Delivery) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got[d]...)
}

// ended is how the session has ended; nil while it has not.
func (r *inbox) ended() *CloseError {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ends) == 0 {
		return nil
	}
	return r.ends[0]
}

// station is one end of a session by UDP.
type station struct {
	env *Env
	pc  net.PacketConn
	e   *Endpoint
	l   *Link
	s   *Session
	in  *inbox
}

// world is two stations and what is between them.
type world struct {
	t              *testing.T
	net            *simnet.Net
	nat            *simnet.Router // nil: the client has a public address
	client, server *station
	addr           netip.AddrPort // the server's
	keys           uint64
}

type worldConfig struct {
	seed   uint64
	link   simnet.Link
	limits Limits
	nat    *simnet.NAT
	beside bool // a stream carries the session; the link is attached to it
	idle   bool // nothing is started
}

// newWorld joins two stations in a bubble. Its end is checked: every session has
// ended once, and nothing is left of it.
func newWorld(t *testing.T, cfg worldConfig) *world {
	t.Helper()
	w := &world{t: t, net: simnet.New(cfg.seed)}
	t.Cleanup(w.close)
	w.net.SetLink(netip.Addr{}, netip.Addr{}, cfg.link)
	host := w.net.Host("203.0.113.1")
	var home *simnet.Host
	if cfg.nat != nil {
		w.nat = w.net.Router("198.51.100.7", *cfg.nat)
		home = w.nat.Host("192.168.0.2")
	} else {
		home = w.net.Host("198.51.100.2")
	}
	w.server, w.client = newStation(t, host, cfg.limits), newStation(t, home, cfg.limits)
	w.addr = netip.AddrPortFrom(host.Addr(), w.server.e.LocalAddr().Port())
	if cfg.beside {
		w.stream(host, home)
		w.attach()
	} else {
		w.link()
		w.server.s = NewDatagram(2, w.server.l, w.server.env, true)
		w.client.s = NewDatagram(2, w.client.l, w.client.env, false)
	}
	for _, st := range []*station{w.server, w.client} {
		st.in.s = st.s
		if !cfg.idle {
			st.s.Start(st.in)
		}
	}
	return w
}

func newStation(t *testing.T, h *simnet.Host, l Limits) *station {
	t.Helper()
	pc, err := h.ListenPacket(0)
	if err != nil {
		t.Fatal(err)
	}
	pc.SetReadBuffer(4 << 20)
	st := &station{env: NewEnv(l), pc: pc, in: &inbox{}}
	st.e = NewEndpoint(udp.New(pc), st.env, EndpointConfig{Receipt: func(netip.AddrPort, uint64, time.Time) []byte { return make([]byte, packet.ReceiptSize) }})
	st.e.Start()
	return st
}

// link makes the two ends of a link.
func (w *world) link() {
	w.t.Helper()
	w.keys++
	ids := [2]packet.ID{w.client.e.Reserve(), w.server.e.Reserve()}
	secret := packet.Secret{1, 2, byte(w.keys)}
	var err error
	w.client.l, err = w.client.e.NewLink(LinkConfig{Secret: secret, Key: w.keys, Self: ids[0], Peer: ids[1], Remote: w.addr})
	if err != nil {
		w.t.Fatal(err)
	}
	remote := AddrPort(w.client.pc.LocalAddr()) // behind a NAT it is learned
	w.server.l, err = w.server.e.NewLink(LinkConfig{Secret: secret, Key: w.keys, Self: ids[1], Peer: ids[0], Server: true, Remote: remote})
	if err != nil {
		w.t.Fatal(err)
	}
}

// stream makes the sessions' streams.
func (w *world) stream(host, home *simnet.Host) {
	w.t.Helper()
	ln, err := host.ListenStream(4000)
	if err != nil {
		w.t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn)
	go func() {
		c, _ := ln.Accept()
		accepted <- c
	}()
	c, err := home.DialStream(w.t.Context(), netip.AddrPortFrom(host.Addr(), 4000))
	if err != nil {
		w.t.Fatal(err)
	}
	w.client.s = New(2, NewConn(c), w.client.env, false)
	w.server.s = New(2, NewConn(<-accepted), w.server.env, true)
	for _, st := range []*station{w.client, w.server} {
		st.s.Agree(Hooks{})
	}
}

// attach puts a new link beside the streams; the client says the first word.
func (w *world) attach() {
	w.t.Helper()
	w.link()
	w.server.s.Attach(w.server.l)
	w.client.s.Attach(w.client.l)
	w.client.l.ping()
}

// sweep has both ends' sessions pinged, and ended when they are silent.
func (w *world) sweep() {
	for _, st := range []*station{w.client, w.server} {
		go func() {
			for !st.env.sweeper.empty() {
				time.Sleep(st.env.SweepInterval())
				st.env.Sweep(time.Now())
			}
		}()
	}
}

// close ends everything, and looks at what is left.
func (w *world) close() {
	for _, st := range []*station{w.client, w.server} {
		if st == nil {
			continue
		}
		st.env.GiveUp()
		if st.s != nil {
			st.s.Abort()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := st.env.Wait(ctx); err != nil {
			w.t.Errorf("a session's goroutine does not end: %v", err)
		}
		cancel()
		if used := st.env.Budget.Used(); used != 0 {
			w.t.Errorf("%d bytes of the budget were not given back", used)
		}
		if st.in.s != nil && st.s.recv != nil && (len(st.in.ends) != 1 || st.in.late) {
			w.t.Errorf("ended %d times, %v; something came after that: %v", len(st.in.ends), st.in.ends, st.in.late)
		}
	}
	time.Sleep(graveTime + 2*watchTick)
	for _, st := range []*station{w.client, w.server} {
		if st == nil {
			continue
		}
		if n := st.e.Links(); n != 0 {
			w.t.Errorf("%d links are left", n)
		}
		if st.s != nil {
			checkSent(w.t, st.s)
		}
		st.e.Close()
	}
	w.net.Close()
}

// parcel is a message of n bytes or more whose every byte can be checked.
func parcel(channel, seq, n int) []byte {
	b := make([]byte, max(n, 8))
	binary.BigEndian.PutUint16(b, uint16(channel))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint32(b[4:], uint32(seq))
	for i := 8; i < len(b); i++ {
		b[i] = byte(i*7 + seq + channel)
	}
	return b
}

var errParcel = errors.New("a message was changed")

// unpack is parcel's counterpart.
func unpack(b []byte) (channel, seq int, err error) {
	if len(b) < 8 {
		return 0, 0, errParcel
	}
	channel, seq = int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint32(b[4:]))
	if string(parcel(channel, seq, len(b))) != string(b) {
		return 0, 0, errParcel
	}
	return channel, seq, nil
}

// put queues a message of either end.
func (st *station) put(d wire.Delivery, payload []byte) error {
	if st.s.server {
		return st.s.PutEvent(&wire.Event{Delivery: d, Body: wire.Payload(payload)})
	}
	return st.s.PutOperation(&wire.Operation{Delivery: d, Body: wire.Payload(payload)})
}

// send is put and a flush.
func (st *station) send(d wire.Delivery, text string) error {
	err := st.put(d, []byte(text))
	st.s.Flush()
	return err
}

// bubble runs f in a bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// until waits for a condition in virtual time, and returns how long it took.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
	return time.Since(start)
}

// another is another session between the same endpoints.
func (w *world) another() *world {
	w.t.Helper()
	o := &world{t: w.t, net: w.net, addr: w.addr, keys: w.keys + 100}
	o.server = &station{env: w.server.env, pc: w.server.pc, e: w.server.e, in: &inbox{}}
	o.client = &station{env: w.client.env, pc: w.client.pc, e: w.client.e, in: &inbox{}}
	o.link()
	o.server.s = NewDatagram(3, o.server.l, o.server.env, true)
	o.client.s = NewDatagram(3, o.client.l, o.client.env, false)
	for _, st := range []*station{o.server, o.client} {
		st.in.s = st.s
		st.s.Start(st.in)
		w.t.Cleanup(st.s.Abort) // before those of w
	}
	return o
}

// quiet is a socket whose datagrams go nowhere.
type quiet struct {
	once   sync.Once
	closed chan struct{}
}

func newVoid() *void { return &void{quiet{closed: make(chan struct{})}} }

func (q *quiet) ReadFrom([]byte) (int, net.Addr, error) {
	<-q.closed
	return 0, nil, net.ErrClosed
}

func (q *quiet) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-q.closed
	return 0, netip.AddrPort{}, net.ErrClosed
}

func (q *quiet) WriteTo(p []byte, _ net.Addr) (int, error)                  { return len(p), nil }
func (q *quiet) WriteToUDPAddrPort(p []byte, _ netip.AddrPort) (int, error) { return len(p), nil }
func (q *quiet) Close() error                                               { q.once.Do(func() { close(q.closed) }); return nil }
func (q *quiet) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.1:1"))
}
func (q *quiet) SetDeadline(time.Time) error      { return nil }
func (q *quiet) SetReadDeadline(time.Time) error  { return nil }
func (q *quiet) SetWriteDeadline(time.Time) error { return nil }
