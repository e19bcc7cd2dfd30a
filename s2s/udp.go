package s2s

import (
	"context"
	"crypto/tls"
	"strconv"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/arbiter"
	"github.com/troupe-go/troupe/internal/knock"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// socket is a link's own, by which it goes by UDP.
type socket struct {
	home *sockets
	door *knock.Knocker
	link *session.Link
}

// sockets are those whose sessions are over, and which go on answering what comes
// late.
type sockets struct {
	mu   sync.Mutex
	wg   sync.WaitGroup
	over chan struct{} // closed by wait: they answer no longer; nil before any has come
}

// open makes the session that the socket carries.
func (s *socket) open(env *session.Env) *session.Session {
	ss := session.NewDatagram(wire.None, s.link, env, false)
	ss.OnEnd(s.retire)
	return ss
}

func (s *socket) close() { s.door.End.Close() }

// retireTick is how often a socket is looked at whose session is over.
const retireTick = 250 * time.Millisecond

// retire closes the socket once it has answered what comes late. It does not wait.
func (s *socket) retire() {
	h := s.home
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = make(chan struct{})
	}
	over := h.over
	h.wg.Go(func() { // ended by the session's last answers, or by wait
		tick := time.NewTicker(retireTick)
		defer tick.Stop()
		for s.door.End.Links() > 0 {
			select {
			case <-tick.C:
				continue
			case <-over:
			}
			break
		}
		s.close()
	})
}

// wait closes what is left, and waits for it until ctx ends.
func (h *sockets) wait(ctx context.Context) error {
	h.mu.Lock()
	if h.over == nil {
		h.over = make(chan struct{})
	}
	select {
	case <-h.over:
	default:
		close(h.over)
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { // ended by the sockets' end
		h.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enterUDP does all of a handshake by UDP.
func (ls *Links) enterUDP(ctx context.Context, d *dialled, r *route, h arbiter.Hello) error {
	number, err := strconv.ParseUint(r.url.Port(), 10, 16)
	if err != nil {
		return err
	}
	addrs, err := knock.Find(ctx, nil, r.url.Hostname(), uint16(number))
	if err != nil {
		return err
	}
	pc, err := ls.cfg.ListenPacket(ctx)
	if err != nil {
		return err
	}
	s := &socket{home: &ls.sockets, door: knock.New(pc, ls.transport.Env())}
	door, err := s.door.Knock(ctx, addrs)
	if err == nil {
		err = ls.shake(ctx, d, s, door, r, h)
	}
	if err != nil {
		s.close()
		return err
	}
	d.socket = s
	return nil
}

// shake does TLS and says hello, and leaves the handshake's stream behind.
func (ls *Links) shake(ctx context.Context, d *dialled, s *socket, door knock.Door, r *route, h arbiter.Hello) error {
	stream := s.door.Shake(door)
	defer stream.Close()
	tc := tls.Client(stream, ls.cfg.diallerTLS(r.target.Name, alpn))
	if err := tc.HandshakeContext(ctx); err != nil {
		return err
	}
	if err := checkALPN(tc, r.target.Name); err != nil {
		return err
	}
	c := session.NewConn(tc)
	w, err := ls.greet(ctx, c, &r.target, h)
	if err != nil {
		return err
	}
	cfg, err := knock.LinkTo(w.Datagrams)
	if err != nil {
		return err
	}
	cfg.Remote = door.Addr
	if s.link, err = s.door.End.NewLink(cfg); err != nil {
		return err
	}
	d.welcome, d.expiry = w, expiryOf(c)
	return nil
}
