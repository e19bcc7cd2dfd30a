package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
)

// knockTime is how long an answer to HELLOs, or to CONNECTs, is waited for: who
// has other ways tries them.
const knockTime = 5 * time.Second

// knockPause is that between them, after the first. Where three packets in ten
// are lost each way, one client in a thousand waits for longer than 2 s.
const knockPause = 200 * time.Millisecond

// headStart is how long an IPv6 address is tried before IPv4 is, too (RFC 8305).
const headStart = 250 * time.Millisecond

var errNoAnswer = errors.New("no answer by UDP")

// port is a client's UDP socket: all of it goes by one, so that a NAT has one
// mapping for it.
type port struct {
	// set once
	end  *session.Endpoint
	sock *udp.Socket
	swap *swap // below it

	mu      sync.Mutex
	knocks  map[[8]byte]chan<- knocked // HELLOs that wait for a COOKIE
	shaking *handshake.Conn            // nil while there is no handshake
	nonce   [8]byte                    // of it
}

// knocked is the answer to a HELLO.
type knocked struct {
	addr   netip.AddrPort
	cookie packet.Cookie
	wrong  bool // the server does not speak our version
}

// openPort opens the socket.
func (cfg *Config) openPort(ctx context.Context, env *session.Env) (*port, error) {
	low, err := newSwap(ctx, func(ctx context.Context) (net.PacketConn, error) {
		pc, err := cfg.ListenPacket(ctx)
		if err != nil {
			return nil, err
		}
		return cfg.Simulate.Wrap(pc), nil
	})
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	p := &port{sock: udp.New(low), swap: low, knocks: make(map[[8]byte]chan<- knocked)}
	p.end = session.NewEndpoint(p.sock, env, session.EndpointConfig{Batch: clientBatch, Stranger: p.stranger})
	p.end.Start()
	return p, nil
}

// clientBatch is how many packets a client reads and writes at once.
const clientBatch = 8

// stranger implements session.Stranger.
func (p *port) stranger(b []byte, from netip.AddrPort, _ netip.Addr, _ time.Time) {
	var k knocked
	var nonce [8]byte
	switch packet.KindOf(b) {
	case packet.KindCookie:
		if k.cookie.Parse(b) != nil {
			return
		}
		nonce = k.cookie.Nonce
	case packet.KindVersion:
		var v packet.Version
		if v.Parse(b) != nil {
			return
		}
		nonce, k.wrong = v.Nonce, true
	case packet.KindStreamDown:
		p.stream(b)
		return
	default:
		return
	}
	k.addr = from
	p.mu.Lock()
	answer := p.knocks[nonce]
	delete(p.knocks, nonce) // the first one counts
	p.mu.Unlock()
	if answer != nil {
		answer <- k // capacity 1
	}
}

func (p *port) stream(b []byte) {
	var m packet.StreamDown
	if m.Parse(b) != nil {
		return
	}
	p.mu.Lock()
	conn := p.shaking
	if m.Nonce != p.nonce {
		conn = nil
	}
	p.mu.Unlock()
	if conn != nil {
		conn.Input(m.Offset, m.Ack, m.Data) // an error says that it was dropped
	}
}

// knock sends HELLOs to a server's addresses until one is answered.
func (p *port) knock(ctx context.Context, addrs []netip.AddrPort) (knocked, error) {
	h := packet.Hello{Version: packet.ProtocolVersion, Suite: packet.SuiteAES256GCM}
	rand.Read(h.Nonce[:]) // never fails
	hello := h.Append(nil)
	answer := make(chan knocked, 1)
	p.mu.Lock()
	p.knocks[h.Nonce] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.knocks, h.Nonce)
		p.mu.Unlock()
	}()
	first, rest := preferred(addrs)
	k, err := insist(ctx, answer, func() {
		for _, a := range first {
			p.end.Send(hello, a, netip.Addr{})
		}
		first, rest = append(first, rest...), nil
	})
	if err == nil && k.wrong {
		err = &RefusedError{Code: wire.CodeVersion, Text: "the server speaks another version"}
	}
	return k, err
}

// insist calls send again and again, until there is an answer.
func insist[T any](ctx context.Context, answer <-chan T, send func()) (got T, err error) {
	over := time.NewTimer(knockTime)
	defer over.Stop()
	for pause := headStart; ; pause = knockPause {
		send()
		again := time.NewTimer(pause)
		select {
		case got = <-answer:
		case <-again.C:
			continue
		case <-over.C:
			err = errNoAnswer
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

// shake begins a handshake's stream with who gave the cookie.
func (p *port) shake(k knocked) *handshake.Conn {
	var out []byte
	conn := handshake.NewConn(func(offset, ack uint32, data []byte) {
		m := packet.StreamUp{Cookie: k.cookie, Offset: offset, Ack: ack, Data: data}
		out = m.Append(out[:0])
		p.end.Send(out, k.addr, netip.Addr{})
	}, net.UDPAddrFromAddrPort(p.end.LocalAddr()), net.UDPAddrFromAddrPort(k.addr))
	p.mu.Lock()
	p.shaking, p.nonce = conn, k.cookie.Nonce
	p.mu.Unlock()
	return conn
}

// find finds a server's addresses.
func (cfg *Config) find(ctx context.Context, host string, number uint16) ([]netip.AddrPort, error) {
	look := cfg.lookup
	if look == nil {
		look = net.DefaultResolver.LookupNetIP
	}
	ips, err := look(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), number))
	}
	return addrs, nil
}
