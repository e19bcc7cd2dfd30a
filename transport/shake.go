package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// shake is a handshake by STREAM packets. It outlives its success until the
// client has shown that it heard of it.
type shake struct {
	// set once
	d     *door
	key   shakeKey
	local netip.Addr
	begun time.Time
	conn  *handshake.Conn
	once  sync.Once

	out []byte // conn's send alone uses it
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
	s.conn = handshake.NewConn(s.send, net.UDPAddrFromAddrPort(d.l.end.LocalAddr()), net.UDPAddrFromAddrPort(key.addr))
	return s
}

// send sends a STREAM packet.
func (s *shake) send(offset, ack uint32, data []byte) {
	m := packet.StreamDown{Nonce: s.key.nonce, Offset: offset, Ack: ack, Data: data}
	s.out = m.Append(s.out[:0])
	s.d.l.end.Send(s.out, s.key.addr, s.local)
}

// input takes one. It does not block.
func (s *shake) input(offset, ack uint32, data []byte) {
	if s.conn.Input(offset, ack, data) != nil {
		s.d.malformed.Add(1) // or late
	}
}

// over ends the handshake, whatever has come of it. Its key stays known for a
// while, lest a late packet begin it again. It waits for a send that is under way.
func (s *shake) over() {
	s.once.Do(func() {
		s.d.mu.Lock()
		s.d.open--
		s.d.mu.Unlock()
		s.conn.Close()
	})
}

// run does the handshake.
func (s *shake) run() {
	l := s.d.l
	t := l.t
	ctx, cancel := context.WithDeadline(l.ctx, s.begun.Add(t.env.HandshakeTimeout))
	defer cancel()
	entered := s.key.addr.Addr()
	tc := tls.Server(shakeConn{s.conn}, l.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		t.broken(l.url, s.key.addr, err)
		t.limit.shook(entered)
		t.limit.leave(entered)
		return // what TLS had to say is still said
	}
	sc := session.NewConn(tc)
	who, _, err := t.hello(ctx, sc, l.url, packet.SuiteAES256GCM)
	t.limit.shook(entered)
	if err != nil {
		t.turnAway(sc, l.url, err)
		t.limit.leave(entered)
		return
	}
	s.welcome(ctx, sc, who)
}

// welcome makes the session, which has nothing to do with the handshake's stream
// any more, and tells the client how to speak in it.
func (s *shake) welcome(ctx context.Context, sc *session.Conn, who Admitted) {
	l := s.d.l
	t := l.t
	entered := s.key.addr.Addr()
	dg, cfg := newKeys(l.end.Reserve())
	cfg.Remote, cfg.Source = s.key.addr, s.local
	// The handshake must not be waited for where the session's packets are read.
	cfg.First = func() { l.crew.run(s.over) }
	link, err := l.end.NewLink(cfg)
	if err != nil { // of no secret that is random
		who.Abandon()
		t.turnAway(sc, l.url, err)
		t.limit.leave(entered)
		return
	}
	id, reply := who.Welcome()
	ss := session.NewDatagram(id, link, t.env, true)
	ss.OnEnd(func() { t.limit.leave(entered) })
	if err := sc.Welcome(ctx, id, reply, t.env, dg); err != nil {
		who.Abandon()
		t.turnAway(sc, l.url, t.unwelcome(l.url, s.key.addr, err))
		ss.GiveUp()
		return
	}
	t.admitted.Add(1)
	who.Start(ss)
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
