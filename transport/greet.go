package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// greet does Hello and Welcome on a connection that is counted under entered,
// and hands the session over.
func (t *Transport) greet(ctx context.Context, sc *session.Conn, url string, entered netip.Addr) {
	if t.proto.Take != nil {
		t.arrive(ctx, &Arrival{Conn: sc, Listener: url, t: t, entered: entered})
		return
	}
	who, features, err := t.hello(ctx, sc, url, 0)
	t.limit.shook(entered)
	if err != nil {
		t.turnAway(sc, url, err)
		t.limit.leave(entered)
		return
	}
	var beside *beside // UDP, where there is any and the client asks for it
	if features&session.FeatureDatagrams != 0 {
		beside = t.beside()
	}
	id, reply := who.Welcome()
	if err := sc.Welcome(ctx, id, reply, t.env, beside.first()); err != nil {
		who.Abandon()
		beside.end()
		t.turnAway(sc, url, t.unwelcome(url, sc.RemoteAddr(), err))
		t.limit.leave(entered)
		return
	}
	t.admitted.Add(1)
	s := session.New(id, sc, t.env, true)
	beside.begin(s)
	s.OnEnd(func() {
		t.limit.leave(entered)
		beside.end()
	})
	who.Start(s)
}

// unwelcome is what the client is told when its Welcome can't be sent.
func (t *Transport) unwelcome(url string, remote netip.AddrPort, err error) error {
	if !errors.Is(err, wire.ErrTooLarge) {
		return err
	}
	// The application's fault.
	t.cfg.Logger.Error("welcome", slog.String("listener", url), slog.Any("addr", remote), slog.Any("err", err))
	return &session.RefusedError{Code: wire.CodeInternal}
}

// hello waits for the client's Hello and has it judged. suite is that of the
// datagrams which carry it, 0 on streams: a client that was told of another one
// has been lied to.
func (t *Transport) hello(ctx context.Context, sc *session.Conn, url string, suite uint32) (who Admitted, features uint64, err error) {
	offer, err := session.ReadHello(ctx, sc)
	if err != nil {
		return nil, 0, err
	}
	if offer.Suite != suite {
		return nil, 0, &session.RefusedError{Code: wire.CodeVersion, Text: "the Hello names another suite than the datagrams"}
	}
	h := &Hello{
		Listener: url, App: offer.App, SDK: offer.SDK, Auth: offer.Auth, Payload: offer.Payload,
		Local: sc.LocalAddr(), Remote: sc.RemoteAddr(),
	}
	if state, ok := sc.TLS(); ok {
		h.TLS = &state
	}
	if who, err = t.judge(ctx, h); err == nil {
		return who, offer.Features, nil
	}
	var refused *session.RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, 0, refused
	case ctx.Err() != nil: // whatever came of it
		return nil, 0, ctx.Err()
	}
	t.blame(url, h.Remote, err)
	return nil, 0, &session.RefusedError{Code: wire.CodeInternal}
}

// judge calls admit, which is the application's.
func (t *Transport) judge(ctx context.Context, h *Hello) (who Admitted, err error) {
	defer func() {
		if r := recover(); r != nil {
			t.cfg.Logger.Error("authenticator panic", slog.String("listener", h.Listener), slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
			err = &session.RefusedError{Code: wire.CodeInternal}
		}
	}()
	return t.admit(ctx, h)
}

// turnAway closes a connection that is not let in, with a word where there is
// somebody to hear it.
func (t *Transport) turnAway(sc *session.Conn, url string, err error) {
	refused := refusal(err)
	if refused == nil {
		t.broken(url, sc.RemoteAddr(), err)
		sc.Close()
		return
	}
	t.refused.Add(1)
	// A time of its own: the handshake's may be over.
	ctx, cancel := context.WithTimeout(context.Background(), t.env.Linger)
	defer cancel()
	sc.Refuse(ctx, refused, t.env.Linger)
}

// refusal is what a client is told of err, nil where the connection is broken.
func refusal(err error) *session.RefusedError {
	var refused *session.RefusedError
	var wrong *session.CloseError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &wrong):
		if wrong.Remote {
			return nil
		}
		return &session.RefusedError{Code: wrong.Code, Text: wrong.Text}
	case errors.Is(err, context.Canceled):
		return &session.RefusedError{Code: wire.CodeShutdown}
	case errors.Is(err, context.DeadlineExceeded):
		return &session.RefusedError{Code: wire.CodeHandshake, Text: "not finished in time"}
	}
	return nil
}
