package knock

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Time is how long an answer to HELLOs, or to CONNECTs, is waited for: who has
// other ways tries them.
const Time = 5 * time.Second

// knockPause is that between them, after the first. Where three packets in ten are
// lost each way, one dialler in a thousand waits for longer than 2 s.
const knockPause = 200 * time.Millisecond

// headStart is how long an IPv6 address is tried before IPv4 is, too (RFC 8305).
const headStart = 250 * time.Millisecond

// ErrNoAnswer says that nobody answers.
var ErrNoAnswer = errors.New("no answer by UDP")

// Knocker knocks by a socket of its own. Its methods may be called from any
// goroutine.
type Knocker struct {
	End *session.Endpoint // the socket's; set before it starts

	mu      sync.Mutex
	knocks  map[[8]byte]chan<- Door // HELLOs that wait for a COOKIE
	shaking *handshake.Conn         // nil while there is no handshake
	nonce   [8]byte                 // of it
}

// New takes a socket over and begins to read it. Its endpoint's Close closes it.
func New(pc net.PacketConn, env *session.Env) *Knocker {
	k := new(Knocker)
	k.End = session.NewEndpoint(udp.New(pc), env, session.EndpointConfig{Stranger: k.Stranger})
	k.End.Start()
	return k
}

// Door is the answer to a HELLO.
type Door struct {
	Addr   netip.AddrPort
	Cookie packet.Cookie
	wrong  bool // the server does not speak our version
}

// Stranger implements session.Stranger.
func (k *Knocker) Stranger(b []byte, from netip.AddrPort, _ netip.Addr, _ time.Time) {
	var d Door
	var nonce [8]byte
	switch packet.KindOf(b) {
	case packet.KindCookie:
		if d.Cookie.Parse(b) != nil {
			return
		}
		nonce = d.Cookie.Nonce
	case packet.KindVersion:
		var v packet.Version
		if v.Parse(b) != nil {
			return
		}
		nonce, d.wrong = v.Nonce, true
	case packet.KindStreamDown:
		k.stream(b)
		return
	default:
		return
	}
	d.Addr = from
	k.mu.Lock()
	answer := k.knocks[nonce]
	delete(k.knocks, nonce) // the first one counts
	k.mu.Unlock()
	if answer != nil {
		answer <- d // capacity 1
	}
}

func (k *Knocker) stream(b []byte) {
	var m packet.StreamDown
	if m.Parse(b) != nil {
		return
	}
	k.mu.Lock()
	conn := k.shaking
	if m.Nonce != k.nonce {
		conn = nil
	}
	k.mu.Unlock()
	if conn != nil {
		conn.Input(m.Offset, m.Ack, m.Data) // an error says that it was dropped
	}
}

// Knock sends HELLOs to a server's addresses until one is answered.
func (k *Knocker) Knock(ctx context.Context, addrs []netip.AddrPort) (Door, error) {
	h := packet.Hello{Version: packet.ProtocolVersion, Suite: packet.SuiteAES256GCM}
	rand.Read(h.Nonce[:]) // never fails
	hello := h.Append(nil)
	answer := make(chan Door, 1)
	k.mu.Lock()
	if k.knocks == nil {
		k.knocks = make(map[[8]byte]chan<- Door)
	}
	k.knocks[h.Nonce] = answer
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.knocks, h.Nonce)
		k.mu.Unlock()
	}()
	first, rest := preferred(addrs)
	d, err := Insist(ctx, answer, func() {
		for _, a := range first {
			k.End.Send(hello, a, netip.Addr{})
		}
		first, rest = append(first, rest...), nil
	})
	if err == nil && d.wrong {
		err = &session.RefusedError{Code: wire.CodeVersion, Text: "the server speaks another version"}
	}
	return d, err
}

// Insist calls send again and again, until there is an answer.
func Insist[T any](ctx context.Context, answer <-chan T, send func()) (got T, err error) {
	over := time.NewTimer(Time)
	defer over.Stop()
	for pause := headStart; ; pause = knockPause {
		send()
		again := time.NewTimer(pause)
		select {
		case got = <-answer:
		case <-again.C:
			continue
		case <-over.C:
			err = ErrNoAnswer
		case <-ctx.Done():
			err = ctx.Err()
		}
		again.Stop()
		return got, err
	}
}

// preferred splits addresses into those to try first and the others: IPv6
// first, where there are both. At most two of each.
func preferred(addrs []netip.AddrPort) (first, rest []netip.AddrPort) {
	for _, a := range addrs {
		switch {
		case a.Addr().Is6() && len(first) < 2:
			first = append(first, a)
		case a.Addr().Is4() && len(rest) < 2:
			rest = append(rest, a)
		}
	}
	if len(first) == 0 {
		return rest, nil
	}
	return first, rest
}

// Shake begins a handshake's stream with who gave the cookie.
func (k *Knocker) Shake(d Door) *handshake.Conn {
	var out []byte
	conn := handshake.NewConn(func(offset, ack uint32, data []byte) {
		m := packet.StreamUp{Cookie: d.Cookie, Offset: offset, Ack: ack, Data: data}
		out = m.Append(out[:0])
		k.End.Send(out, d.Addr, netip.Addr{})
	}, net.UDPAddrFromAddrPort(k.End.LocalAddr()), net.UDPAddrFromAddrPort(d.Addr))
	k.mu.Lock()
	k.shaking, k.nonce = conn, d.Cookie.Nonce
	k.mu.Unlock()
	return conn
}

// Find finds a host's addresses; nil asks the system.
func Find(ctx context.Context, look func(ctx context.Context, network, host string) ([]netip.Addr, error), host string, port uint16) ([]netip.AddrPort, error) {
	if look == nil {
		look = net.DefaultResolver.LookupNetIP
	}
	ips, err := look(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), port))
	}
	return addrs, nil
}

var errDatagrams = errors.New("the server does not say how to speak UDP")

// LinkTo is the link that a server offers.
func LinkTo(dg *wirepb.Datagrams) (session.LinkConfig, error) {
	if dg == nil || dg.Suite != packet.SuiteAES256GCM || len(dg.Secret) != len(packet.Secret{}) || dg.Client == 0 {
		return session.LinkConfig{}, errDatagrams
	}
	return session.LinkConfig{
		Secret: packet.Secret(dg.Secret), Key: dg.Id, Self: packet.ID(dg.Client), Peer: packet.ID(dg.Server),
	}, nil
}
