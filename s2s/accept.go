package s2s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

const (
	maxHello = wire.MaxFrame // bytes of a first frame
	sdk      = "troupe-go"   // this library in the other server's logs
)

// payloadLimit is how many bytes a Target's payload, or a reply, may have; a
// handshake's stream over datagrams carries fewer.
func payloadLimit(udp bool) int {
	if udp {
		return 8 << 10
	}
	return 60 << 10
}

// hello is another server's dial, for the keeper to decide on.
type hello struct {
	msg     *wirepb.LinkHello
	arrival *transport.Arrival
	name    string // this server's
	reply   []byte

	taken   atomic.Bool
	verdict chan error // capacity 1
}

// claim makes it the caller's to decide, or to give up.
func (h *hello) claim() bool { return h.taken.CompareAndSwap(false, true) }

func (h *hello) decide(err error) { h.verdict <- err }

// open answers the hello.
func (h *hello) open(incarnation, generation uint64) (*session.Session, error) {
	return h.arrival.Open(wire.KindLinkWelcome, func(dg *wirepb.Datagrams) proto.Message {
		return &wirepb.LinkWelcome{From: h.name, Incarnation: incarnation, Generation: generation, Reply: h.reply, Datagrams: dg}
	})
}

// Release implements actor.Releaser: the link has ended.
func (h *hello) Release() {
	if h.claim() {
		h.decide(actor.ErrStopped)
	}
}

// take is transport.Protocol's: it decides on a connection.
func (ls *Links) take(ctx context.Context, a *transport.Arrival) error {
	m, err := readHello(ctx, a.Conn)
	if err != nil {
		return err
	}
	if err := ls.judge(a, m); err != nil {
		return err
	}
	k := key{m.From, m.App}
	h := &hello{msg: m, arrival: a, name: ls.cfg.Name, verdict: make(chan error, 1)}
	for {
		l, err := ls.invite(a, m, k, h)
		if err != nil {
			return err
		}
		if l.ref.Force(h) == actor.Accepted {
			if err = h.await(ctx); err != actor.ErrStopped {
				return err
			}
		}
		select { // it has just ended: another may be begun
		case <-l.ref.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
		h.taken.Store(false)
	}
}

// await waits for the verdict.
func (h *hello) await(ctx context.Context) error {
	select {
	case err := <-h.verdict:
		return err
	case <-ctx.Done():
		if h.claim() {
			return ctx.Err()
		}
		return <-h.verdict
	}
}

func readHello(ctx context.Context, c *session.Conn) (*wirepb.LinkHello, error) {
	k, body, err := c.ReadFirst(ctx, maxHello)
	switch {
	case err != nil:
		return nil, err
	case k == wire.KindHello:
		return nil, Refuse(wire.CodeProtocol, "this port is for servers")
	case k != wire.KindLinkHello:
		return nil, Refuse(wire.CodeProtocol, fmt.Sprintf("%v comes before %v", k, wire.KindLinkHello))
	}
	m := new(wirepb.LinkHello)
	if err := wire.Unmarshal(body, m); err != nil {
		return nil, Refuse(wire.CodeProtocol, "not a LinkHello")
	}
	return m, nil
}

// judge says why another server may not link with this one.
func (ls *Links) judge(a *transport.Arrival, m *wirepb.LinkHello) error {
	switch {
	case m.Version != wire.Version:
		return Refuse(wire.CodeVersion, fmt.Sprintf("this server speaks version %d", wire.Version))
	case !nameForm.MatchString(m.From):
		return Refuse(wire.CodeAuth, "that is no server's name")
	case m.Incarnation == 0 || m.Dial == 0:
		return Refuse(wire.CodeProtocol, "a LinkHello without its numbers")
	}
	if state, ok := a.TLS(); ok {
		if err := named(state.PeerCertificates[0], m.From); err != nil {
			return Refuse(wire.CodeAuth, err.Error())
		}
	}
	switch {
	case m.From == ls.cfg.Name:
		return Refuse(wire.CodeSelf, "this is "+m.From+" itself")
	case m.To != ls.cfg.Name:
		return Refuse(wire.CodeAuth, fmt.Sprintf("this is %s, not %q", ls.cfg.Name, m.To))
	case ls.cfg.Allow != nil && !ls.cfg.Allow(m.From):
		return Refuse(wire.CodeAuth, m.From+" is not allowed here")
	case checkApp(m.App) != nil:
		return Refuse(wire.CodeApp, "no such application")
	case ls.isClosed():
		return Refuse(wire.CodeShutdown, stopsText)
	}
	return nil
}

// invite finds the link for a hello, or begins it, as the application says.
func (ls *Links) invite(a *transport.Arrival, m *wirepb.LinkHello, k key, h *hello) (*Link, error) {
	l := ls.find(k)
	switch {
	case l != nil && ls.cfg.Link == nil: // this server dials it, too
		return l, nil
	case l == nil && !ls.cfg.knows(m.App):
		return nil, Refuse(wire.CodeApp, fmt.Sprintf("there is no application %q here", m.App))
	case ls.cfg.Link == nil:
		return nil, Refuse(wire.CodeRefused, ls.cfg.Name+" takes no links")
	}
	in := &Init{
		Listener: a.Listener, Name: m.From, App: m.App, SDK: m.Sdk, Local: a.LocalAddr(), Remote: a.RemoteAddr(), Payload: m.Payload,
	}
	if state, ok := a.TLS(); ok {
		in.TLS = &state
	}
	b, reply, err := ls.ask(in)
	if err != nil {
		return nil, err
	}
	if h.reply = reply; l != nil {
		return l, nil
	}
	l, _, err = ls.link(k, func() (Behavior, error) { b, _, err := ls.ask(in); return b, err }, b)
	if err != nil {
		return nil, Refuse(wire.CodeShutdown, stopsText)
	}
	return l, nil
}

// ask calls Config.Link with a copy of Init, so that each behaviour starts from
// the same.
func (ls *Links) ask(in *Init) (b Behavior, reply []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			ls.caught(r, debug.Stack(), slog.Any("addr", in.Remote), slog.String("link", in.Name))
			err = Refuse(wire.CodeInternal, "")
		}
	}()
	c := *in
	b, err = ls.cfg.Link(&c)
	if limit := payloadLimit(strings.HasPrefix(in.Listener, Scheme+"udp:")); err == nil && len(c.Reply) > limit {
		err = fmt.Errorf("s2s: reply of %d bytes, at most %d are allowed", len(c.Reply), limit)
	}
	if _, refused := errors.AsType[*RefusedError](err); err != nil && !refused {
		ls.cfg.Logger.Error("Config.Link", slog.String("link", in.Name), slog.Any("err", err))
		err = Refuse(wire.CodeInternal, "")
	}
	if err == nil && b == nil {
		err = Refuse(wire.CodeRefused, "")
	}
	return b, c.Reply, err
}

// caught counts and logs a panic of the application's.
func (ls *Links) caught(value any, stack []byte, who ...any) {
	ls.stats.panics.Add(1)
	ls.cfg.Logger.Error("link panic", append(who, slog.Any("panic", value), slog.String("stack", string(stack)))...)
}

// expiryOf is when the other end's certificate expires; zero in plaintext.
func expiryOf(c *session.Conn) time.Time {
	if state, ok := c.TLS(); ok {
		return state.PeerCertificates[0].NotAfter
	}
	return time.Time{}
}
