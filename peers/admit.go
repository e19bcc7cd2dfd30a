package peers

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// Admit is for transport.New: it authenticates a client and makes its peer.
func (p *Peers) Admit(ctx context.Context, h *transport.Hello) (transport.Admitted, error) {
	if p.dir.isClosed(p) {
		return nil, errStopping()
	}
	in := &Init{
		Listener: h.Listener, App: h.App, SDK: h.SDK, Local: h.Local, Remote: h.Remote, TLS: h.TLS,
		Auth: h.Auth, Payload: h.Payload,
	}
	if p.cfg.Auth != nil {
		if err := p.authenticate(ctx, in); err != nil {
			return nil, err
		}
	}
	peer := &Peer{home: p, id: p.dir.ids.next(), init: in}
	peer.shell.p, peer.read.p = peer, peer
	if in.User != "" {
		peer.gone, peer.kicked = make(chan struct{}), make(chan struct{})
		if err := p.claim(ctx, peer); err != nil {
			return nil, err
		}
	}
	b, reply, err := p.fresh(in)
	if err != nil {
		p.dir.release(peer)
		return nil, err
	}
	peer.shell.behavior, in.Reply = b, reply
	return admitted{peer}, nil
}

func errStopping() error { return Refuse(wire.CodeShutdown, "the server stops") }

// over says why a handshake has ended whose context has.
func over(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return errStopping()
	}
	return Refuse(wire.CodeHandshake, "not finished in time")
}

func (p *Peers) authenticate(ctx context.Context, in *Init) error {
	limited, cancel := context.WithTimeout(ctx, p.cfg.AuthTimeout)
	defer cancel()
	err := p.cfg.Auth(limited, in)
	var refused *RefusedError
	switch {
	case err == nil || errors.As(err, &refused):
		return err
	case ctx.Err() != nil:
		return over(ctx)
	case limited.Err() != nil:
		return Refuse(wire.CodeBusy, "authentication takes too long")
	}
	return err
}

// claim takes the user's place in the directory, by the rule for second logins.
func (p *Peers) claim(ctx context.Context, peer *Peer) error {
	old, ok := p.dir.claim(peer, p.cfg.SecondLogin)
	if !ok {
		return Refuse(wire.CodeDuplicate, "already connected")
	}
	if p.cfg.SecondLogin != KickOld || len(old) == 0 {
		return nil
	}
	for _, o := range old {
		o.Close(wire.CodeReplaced, replacedText)
	}
	if err := p.awaitGone(ctx, peer, old); err != nil {
		p.dir.release(peer)
		return err
	}
	return nil
}

const replacedText = "logged in elsewhere"

// awaitGone waits until the old peers have had their Closed, or for AuthTimeout:
// where a behaviour blocks the new one must not wait for ever.
func (p *Peers) awaitGone(ctx context.Context, peer *Peer, old []*Peer) error {
	limited, cancel := context.WithTimeout(ctx, p.cfg.AuthTimeout)
	defer cancel()
	for _, o := range old {
		select {
		case <-o.gone:
		case <-peer.kicked:
		case <-limited.Done():
		}
	}
	select {
	case <-peer.kicked: // a still newer one has come
		return Refuse(wire.CodeReplaced, replacedText)
	case <-ctx.Done():
		return over(ctx)
	default:
		return nil
	}
}

// fresh calls Config.Peer with a copy of Init, so that each behaviour starts
// from the same.
func (p *Peers) fresh(in *Init) (b Behavior, reply []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.caught(r, debug.Stack(), slog.Any("addr", in.Remote))
			err = Refuse(wire.CodeInternal, "")
		}
	}()
	c := *in
	b, err = p.cfg.Peer(&c)
	if err == nil && b == nil {
		err = Refuse(wire.CodeRefused, "")
	}
	return b, c.Reply, err
}

// caught counts and logs a panic of the application's.
func (p *Peers) caught(value any, stack []byte, who ...any) {
	p.stats.panics.Add(1)
	p.cfg.Logger.Error("peer panic", append(who, slog.Any("panic", value), slog.String("stack", string(stack)))...)
}

// admitted is a peer on its way in.
type admitted struct{ *Peer }

// Welcome implements transport.Admitted.
func (a admitted) Welcome() (wire.ID, []byte) { return a.id, a.init.Reply }

// Abandon implements transport.Admitted.
func (a admitted) Abandon() { a.home.dir.release(a.Peer) }

// Start implements transport.Admitted.
func (a admitted) Start(s *session.Session) {
	p := a.Peer
	props := actor.Props{Name: "peer", Mailbox: p.home.cfg.Mailbox}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session, p.started = s, true
	p.ref = p.home.sys.SpawnUnder(p.home.ref, props, func() actor.Behavior { return &p.shell })
	s.OnPath(p.pathChanged)
	if b := (begin{p}); p.ref.Force(b) != actor.Accepted {
		b.Release()
	}
}

// begin is a peer's first message: by then p.ref is known.
type begin struct{ p *Peer }

// Release implements actor.Releaser: the server has stopped before the peer
// could start. Its behaviour hears nothing of it.
func (b begin) Release() {
	p := b.p
	p.closing.Store(true)
	p.home.dir.release(p)
	p.session.Close(wire.CodeShutdown, "the server stops")
	p.read.start() // what is read is thrown away until the client has gone
}
