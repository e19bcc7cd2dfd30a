package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// shakeTime is what a handshake has at most: the end of its stream's life is near
// then, and there must be time to say so.
const shakeTime = handshake.Life - time.Second

// shake is a handshake by STREAM packets. It outlives its success until the
// client has shown that it heard of it, and its failure until the client has
// acknowledged what it was told: so long it counts as a handshake of its
// address. Its end is the door's to decide, in [door.over] and [door.sweep].
type shake struct {
	// set once
	d     *door
	key   shakeKey
	local netip.Addr
	begun time.Time
	conn  *handshake.Conn

	out []byte // conn's send alone uses it

	refused bool                            // and told so; read once done
	done    atomic.Bool                     // run has returned
	session atomic.Pointer[session.Session] // what has come of it; nil: nothing
}

// shakeConn is what TLS and the handshake close: it is what was said last that
// matters, so it goes on being said.
type shakeConn struct{ *handshake.Conn }

// Close implements net.Conn.
func (c shakeConn) Close() error {
	c.Conn.Linger()
	return nil
}

func newShake(d *door, key shakeKey, local netip.Addr, now time.Time) *shake {
	s := &shake{d: d, key: key, local: local, begun: now}
	here := d.l.end.LocalAddr()
	if local.IsValid() {
		here = netip.AddrPortFrom(local, here.Port())
	}
	s.conn = handshake.NewConn(s.send, net.UDPAddrFromAddrPort(here), net.UDPAddrFromAddrPort(key.addr))
	return s
}

// send sends a STREAM packet.
func (s *shake) send(offset, ack uint32, data []byte) {
	m := packet.StreamDown{Nonce: s.key.nonce, Offset: offset, Ack: ack, Data: data}
	s.out = m.Append(s.out[:0])
	s.d.l.end.Send(s.out, s.key.addr, s.local)
}

// What a shake has come to.
const (
	shakeUnder   = iota // it goes on, or is said again
	shakeUnheard        // there is a session, of which the client may know; its stream can't tell any more
	shakeOver
)

// look says how things are.
func (s *shake) look(now time.Time) int {
	age, welcomed := now.Sub(s.begun), s.session.Load() != nil
	switch {
	case age >= bygoneTime, !welcomed && (age >= handshake.Life || s.done.Load() && s.told()):
		return shakeOver
	case age >= handshake.Life:
		return shakeUnheard
	}
	return shakeUnder
}

// told reports whether the client of a handshake that has failed has heard so.
// Once it has its Refuse it goes, and leaves TLS's own goodbye unanswered.
func (s *shake) told() bool {
	const goodbye = 5 + 2 + 1 + 16 // a sealed alert
	n := s.conn.Pending()
	return n == 0 || s.refused && n <= goodbye
}

// end ends what the door has forgotten, once; nil has ended.
func (s *shake) end() {
	if s != nil {
		s.conn.Close()
		s.d.l.t.limit.shook(s.key.addr.Addr())
	}
}

// ask has a client that knows of its session say so: it had reason to speak
// first, but that may have been lost.
func (s *shake) ask() {
	s.conn.Close()
	s.session.Load().Ping() // an error says that it is ending
}

// giveUp closes the session of a client that has not sent a packet in it: it
// has heard no Welcome, and will not any more.
func (s *shake) giveUp() {
	if ss := s.session.Load(); ss != nil {
		ss.GiveUp() // if nobody has started it
		ss.Close(wire.CodeHandshake, "nothing came after the Welcome")
	}
}

// run does the handshake.
func (s *shake) run() {
	defer s.done.Store(true)
	l := s.d.l
	t := l.t
	ctx, cancel := context.WithDeadline(l.ctx, s.begun.Add(min(t.env.HandshakeTimeout, shakeTime)))
	defer cancel()
	tc := tls.Server(shakeConn{s.conn}, l.tls)
	err := tc.HandshakeContext(ctx)
	if err == nil {
		err = t.checkALPN(tc)
	}
	if err != nil {
		t.broken(l.url, s.key.addr, err)
		tc.Close() // what TLS had to say is still said
		t.limit.leave(s.key.addr.Addr())
		return
	}
	sc := session.NewConn(tc)
	if t.proto.Take != nil {
		s.refused = !t.arrive(ctx, &Arrival{Conn: sc, Listener: l.url, t: t, entered: s.key.addr.Addr(), shake: s})
		return
	}
	who, _, err := t.hello(ctx, sc, l.url, packet.SuiteAES256GCM)
	if err == nil {
		err = s.welcome(ctx, sc, who)
	}
	if err != nil {
		t.turnAway(sc, l.url, err)
		s.refused = true
		t.limit.leave(s.key.addr.Addr())
	}
}

// open makes the session, which has nothing to do with the handshake's stream any
// more, and what tells the client how to speak in it.
func (s *shake) open(id wire.ID) (*session.Session, *wirepb.Datagrams, error) {
	d, key := s.d, s.key // the link must not keep s
	l := d.l
	dg, cfg := newKeys(l.end.Reserve())
	d.second(dg)
	cfg.Remote, cfg.Source = key.addr, s.local
	// The handshake must not be waited for where the session's packets are read.
	cfg.First = func() { l.crew.run(func() { d.over(key) }) }
	link, err := l.end.NewLink(cfg)
	if err != nil { // of no secret that is random
		l.end.Free(cfg.Self)
		return nil, nil, err
	}
	return session.NewDatagram(id, link, l.t.env, true), dg, nil
}

// welcome makes the client's session and tells the client of it.
func (s *shake) welcome(ctx context.Context, sc *session.Conn, who Admitted) error {
	t, addr := s.d.l.t, s.key.addr
	id, reply := who.Welcome()
	ss, dg, err := s.open(id)
	if err == nil {
		if err = sc.Welcome(ctx, id, reply, t.env, dg); err != nil {
			ss.GiveUp()
			err = t.unwelcome(s.d.l.url, addr, err)
		}
	}
	if err != nil {
		who.Abandon()
		return err
	}
	ss.OnEnd(func() { t.limit.leave(addr.Addr()) })
	s.session.Store(ss)
	t.admitted.Add(1)
	who.Start(ss)
	return nil
}

// newKeys makes what a link is made of, here and at the client.
func newKeys(server packet.ID) (*wirepb.Datagrams, session.LinkConfig) {
	cfg := session.LinkConfig{Self: server, Server: true}
	var b [12]byte
	rand.Read(cfg.Secret[:]) // never fails
	rand.Read(b[:])
	cfg.Key = binary.BigEndian.Uint64(b[:])
	cfg.Peer = packet.ID(binary.BigEndian.Uint32(b[8:]))
	return &wirepb.Datagrams{
		Suite: packet.SuiteAES256GCM, Id: cfg.Key, Server: uint32(server), Client: uint32(cfg.Peer), Secret: cfg.Secret[:],
	}, cfg
}
