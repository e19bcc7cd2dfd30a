package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// fakeID is the id that fakes give to their clients.
const fakeID wire.ID = 0x100

// fake is a server of one connection that sends what the test says, right or
// wrong.
type fake struct {
	t     *testing.T
	env   *session.Env
	s     *session.Session
	offer *session.Offer
	came  chan struct{} // holds a token when operations have come

	mu      sync.Mutex
	ops     []wire.Operation
	answers []wire.Response
	sends   []wire.GroupSend
	acks    []string
	sets    []*wirepb.GroupSet
	why     *session.CloseError
}

// accept answers the Hello on conn.
func accept(t *testing.T, conn *session.Conn, env *session.Env) (*fake, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	offer, err := session.ReadHello(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := conn.Welcome(ctx, fakeID, []byte("reply"), env, nil); err != nil {
		conn.Close()
		return nil, err
	}
	f := &fake{t: t, env: env, s: session.New(fakeID, conn, env, true), offer: offer, came: make(chan struct{}, 1)}
	f.s.Start(f)
	return f, nil
}

// welcomeOf is the least that a Welcome says.
func welcomeOf(id wire.ID) *wirepb.Welcome { return &wirepb.Welcome{Peer: uint64(id)} }

// pipe is a DialContext whose other ends come out of conns.
func pipe(conns chan<- net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		a, b := net.Pipe()
		select {
		case conns <- b:
			return a, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open connects a client with a fake over a pipe, and closes both at the end of
// the test.
func open(t *testing.T, cfg Config) (*Client, *fake) {
	t.Helper()
	return openWith(t, cfg, session.Limits{}, plain)
}

// openWith is open with limits for the fake, and with ends of the pipe wrapped.
func openWith(t *testing.T, cfg Config, server session.Limits, wrap func(net.Conn) net.Conn) (*Client, *fake) {
	t.Helper()
	conns := make(chan net.Conn, 1)
	dial := pipe(conns)
	cfg.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		return wrap(nc), err
	}
	fakes := make(chan *fake, 1)
	go func() {
		f, err := accept(t, session.NewConn(wrap(<-conns)), session.NewEnv(server))
		if err != nil {
			t.Errorf("the fake could not accept: %v", err)
		}
		fakes <- f
	}()
	c, err := Dial(t.Context(), cfg, "tcp://fake:1")
	f := <-fakes
	if err != nil || f == nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() {
		c.Close()
		<-c.Done()
		f.s.Abort()
		f.env.Wait(context.Background())
	})
	return c, f
}

func plain(nc net.Conn) net.Conn { return nc }

// delayed is one end of a connection whose writes arrive later.
type delayed struct {
	net.Conn
	by   time.Duration
	sent chan parcel
	once sync.Once
	done chan struct{}
}

type parcel struct {
	due  time.Time
	data []byte
}

func delay(by time.Duration) func(net.Conn) net.Conn {
	return func(nc net.Conn) net.Conn {
		d := &delayed{Conn: nc, by: by, sent: make(chan parcel, 1024), done: make(chan struct{})}
		go d.deliver()
		return d
	}
}

func (d *delayed) Write(p []byte) (int, error) {
	d.sent <- parcel{time.Now().Add(d.by), slices.Clone(p)}
	return len(p), nil
}

func (d *delayed) Close() error {
	d.once.Do(func() { close(d.done) })
	return d.Conn.Close()
}

func (d *delayed) deliver() {
	for {
		select {
		case p := <-d.sent:
			time.Sleep(time.Until(p.due))
			d.Conn.Write(p.data) // an error says that it is closed
		case <-d.done:
			return
		}
	}
}

// Frame implements session.Receiver.
func (f *fake) Frame(k wire.Kind, body []byte, _ *session.Buffer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch k {
	case wire.KindOperation:
		var m wire.Operation
		if err := m.Parse(body); err != nil {
			return err
		}
		m.Body = m.Body.Clone()
		f.ops = append(f.ops, m)
		select {
		case f.came <- struct{}{}:
		default:
		}
	case wire.KindResponse:
		var m wire.Response
		if err := m.Parse(body); err != nil {
			return err
		}
		m.Body = m.Body.Clone()
		f.answers = append(f.answers, m)
	}
	return nil
}

// EndRead implements session.Receiver.
func (f *fake) EndRead() error { return nil }

// Ended implements session.Receiver.
func (f *fake) Ended(why *session.CloseError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why = why
}

// route notes what a client sends to one group.
type route struct {
	f     *fake
	group wire.ID
}

func (r route) Send(m wire.GroupSend, _ *session.Buffer) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	m.Body = m.Body.Clone()
	m.To = wire.MakeIDs(slices.Collect(m.To.All())...)
	r.f.sends = append(r.f.sends, m)
	return nil
}

func (r route) Ack(position uint64) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	r.f.acks = append(r.f.acks, fmt.Sprintf("%d:%d", r.group, position))
	return nil
}

func (r route) Set(m *wirepb.GroupSet, _ bool) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	r.f.sets = append(r.f.sets, m)
	return nil
}

func (r route) EndRead(bool) error       { return nil }
func (r route) Gone(*session.CloseError) {}

// send sends frames in one write.
func (f *fake) send(frames ...[]byte) {
	for _, frame := range frames {
		if err := f.s.PutFrame(frame, wire.Reliable); err != nil {
			f.t.Errorf("the fake could not send: %v", err)
		}
	}
	f.s.Flush()
}

func event(code uint16, text string) []byte {
	m := wire.Event{Code: code, Body: wire.Text(text)}
	return m.AppendFrame(nil)
}

func operation(code uint16, request uint32, text string) []byte {
	m := wire.Operation{Code: code, Request: request, Body: wire.Text(text)}
	return m.AppendFrame(nil)
}

func entry(m *wirepb.GroupEntry) []byte {
	frame, err := wire.MarshalFrame(nil, wire.KindGroupEntry, m)
	if err != nil {
		panic(err)
	}
	return frame
}

// member is a member that joined at epoch.
func member(id wire.ID, epoch uint64) *wirepb.Member {
	return &wirepb.Member{Id: uint64(id), Epoch: epoch, Payload: fmt.Appendf(nil, "p%d", id)}
}

// joined is the entry of the client's own join, with the others that are in.
func (f *fake) joined(group wire.ID, position uint64, others ...*wirepb.Member) []byte {
	f.s.AddRoute(group, route{f, group}, 0)
	return entry(&wirepb.GroupEntry{Group: uint64(group), Position: position, Entry: &wirepb.GroupEntry_Joined{
		Joined: &wirepb.Joined{Own: true, Members: append(others, member(fakeID, position)), Payload: []byte("payload")},
	}})
}

func join(group wire.ID, position uint64, ids ...wire.ID) []byte {
	e := &wirepb.Joined{}
	for _, id := range ids {
		e.Members = append(e.Members, member(id, position))
	}
	return entry(&wirepb.GroupEntry{Group: uint64(group), Position: position, Entry: &wirepb.GroupEntry_Joined{Joined: e}})
}

func leave(group wire.ID, position uint64, id wire.ID, epoch uint64) []byte {
	return entry(&wirepb.GroupEntry{Group: uint64(group), Position: position, Entry: &wirepb.GroupEntry_Left{
		Left: &wirepb.Left{Member: uint64(id), Epoch: epoch, Reason: uint32(wire.CodeLeft)},
	}})
}

func destroyed(group wire.ID, position uint64) []byte {
	return entry(&wirepb.GroupEntry{Group: uint64(group), Position: position, Entry: &wirepb.GroupEntry_Destroyed{
		Destroyed: &wirepb.Destroyed{Reason: uint32(wire.CodeDestroyed)},
	}})
}

// properties is a change of a group's properties.
func properties(group wire.ID, position uint64, kv ...any) []byte {
	return entry(&wirepb.GroupEntry{Group: uint64(group), Position: position, Entry: &wirepb.GroupEntry_Properties{
		Properties: &wirepb.Properties{Set: wire.P(kv...).PB(), By: uint64(fakeID)},
	}})
}

// message is a reliable message in a group's log.
func message(group wire.ID, position uint64, from wire.ID, epoch uint64, text string) []byte {
	m := wire.GroupMessage{Group: group, Position: position, Sender: from, Epoch: epoch, Body: wire.Text(text)}
	return m.AppendFrame(nil)
}

// lossy is a message outside the log.
func lossy(group, from wire.ID, epoch uint64, d wire.Delivery, text string) []byte {
	m := wire.GroupMessage{Group: group, Sender: from, Epoch: epoch, Delivery: d, Body: wire.Text(text)}
	return m.AppendFrame(nil)
}

// transcript is what callbacks were told, in order.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (r *transcript) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last take.
func (r *transcript) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.Join(r.lines, "; ")
	r.lines = nil
	return s
}

// config notes every callback.
func (r *transcript) config() Config {
	return Config{
		OnEvent: func(m wire.Event) { r.add("event %d %s", m.Code, m.Payload) },
		OnGroup: r.watch,
		OnClose: func(err error) {
			if closed, ok := err.(*CloseError); ok {
				r.add("closed %d", closed.Code)
			}
		},
	}
}

// watch notes a group's callbacks.
func (r *transcript) watch(g *Group) {
	r.add("group %d", g.ID())
	g.OnJoin = func(m Member) { r.add("join %d/%d", m.ID, m.Epoch) }
	g.OnLeave = func(m Member, why wire.Code) { r.add("leave %d/%d %d", m.ID, m.Epoch, why) }
	g.OnMessage = func(m Member, e wire.Event) { r.add("%d/%d: %s", m.ID, m.Epoch, e.Payload) }
	g.OnPath = func(m Member, p Path) { r.add("path %d/%d %v", m.ID, m.Epoch, p.Direct) }
	g.OnProperties = func(changed wire.Params) { r.add("properties %v", changed) }
	g.OnEnd = func(why wire.Code) { r.add("end %d", why) }
}

// expect compares the transcript since the last time, once everything rests.
func (r *transcript) expect(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := r.take(); got != want {
		t.Errorf("told\n  %s\nwant\n  %s", got, want)
	}
}

// acked compares the acks since the last time, "group:position" each.
func (f *fake) acked(want string) {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := strings.Join(f.acks, " "); got != want {
		f.t.Errorf("acks %q, want %q", got, want)
	}
	f.acks = nil
}

// closed is why the server's end has ended, or nil.
func (f *fake) closed() *session.CloseError {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why
}
