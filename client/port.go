package client

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
)

// helloTimes are the pauses between HELLOs, or CONNECTs, until one is answered.
var helloTimes = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, time.Second, time.Second, 1250 * time.Millisecond}

// headStart is how long an IPv6 address is tried before IPv4 is, too (RFC 8305).
const headStart = 250 * time.Millisecond

var errNoAnswer = errors.New("no answer by UDP")

// port is a client's UDP socket: all of it goes by one, so that a NAT has one
// mapping for it.
type port struct {
	end *session.Endpoint

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
	pc, err := cfg.ListenPacket(ctx)
	if err != nil {
		return nil, err
	}
	p := &port{knocks: make(map[[8]byte]chan<- knocked)}
	p.end = session.NewEndpoint(udp.New(cfg.Simulate.Wrap(pc)), env, session.EndpointConfig{Batch: clientBatch, Stranger: p.stranger})
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
	late := time.NewTimer(headStart)
	defer late.Stop()
	if len(rest) == 0 {
		late.Stop()
	}
	for _, pause := range helloTimes {
		for _, a := range first {
			p.end.Send(hello, a, netip.Addr{})
		}
		again := time.NewTimer(pause)
		for waiting := true; waiting; {
			select {
			case k := <-answer:
				again.Stop()
				if k.wrong {
					return k, &RefusedError{Code: wire.CodeVersion, Text: "the server speaks another version"}
				}
				return k, nil
			case <-late.C:
				for _, a := range rest {
					p.end.Send(hello, a, netip.Addr{})
				}
				first = append(first, rest...)
			case <-again.C:
				waiting = false
			case <-ctx.Done():
				again.Stop()
				return knocked{}, ctx.Err()
			}
		}
	}
	return knocked{}, errNoAnswer
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

// lookup finds a server's addresses.
func lookup(ctx context.Context, host string, number uint16) ([]netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), number))
	}
	return addrs, nil
}
