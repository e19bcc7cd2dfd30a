package transporttest

import (
	"crypto/rand"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/handshake"
	"github.com/troupe-go/troupe/internal/packet"
)

// Packets is a client's UDP socket, used by hand: for what package client does
// with one, and for what it would never do.
type Packets struct {
	Server netip.AddrPort

	t       testing.TB
	pc      net.PacketConn
	answers chan []byte   // packets that are for nobody else
	read    chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	shaking *handshake.Conn // nil: there is no handshake
	nonce   [8]byte         // of it
	link    *link           // nil: there is no session
	closed  bool
}

// NewPackets takes pc over and closes it when t ends.
func NewPackets(t testing.TB, pc net.PacketConn, server netip.AddrPort) *Packets {
	p := &Packets{Server: server, t: t, pc: pc, answers: make(chan []byte, 1<<10), read: make(chan struct{})}
	go p.receive() // ended by Close
	t.Cleanup(p.Close)
	return p
}

// Close closes the socket.
func (p *Packets) Close() {
	p.mu.Lock()
	p.closed = true
	conn := p.shaking
	l := p.link
	p.mu.Unlock()
	p.pc.Close() // an error says that it is closed
	<-p.read
	if conn != nil {
		conn.Close()
	}
	if l != nil {
		l.stop()
	}
}

// Send sends one datagram.
func (p *Packets) Send(b []byte) {
	p.pc.WriteTo(b, net.UDPAddrFromAddrPort(p.Server)) // what it does not take is lost, as on the way
}

// receive gives what comes to whom it concerns.
func (p *Packets) receive() {
	defer close(p.read)
	room := make([]byte, packet.ReadSize)
	for {
		n, _, err := p.pc.ReadFrom(room)
		p.mu.Lock()
		conn, l, over := p.shaking, p.link, p.closed
		p.mu.Unlock()
		if over {
			return
		}
		if err != nil { // a refusal that ICMP has told, on loopback
			continue
		}
		b := room[:n]
		var m packet.StreamDown
		switch {
		case packet.KindOf(b).IsData() && l != nil:
			l.input(b)
		case conn != nil && m.Parse(b) == nil && m.Nonce == p.nonce:
			conn.Input(m.Offset, m.Ack, m.Data) // an error says that it was dropped
		default:
			select {
			case p.answers <- append([]byte(nil), b...):
			default: // nobody wants to know
			}
		}
	}
}

// Answer is the next packet that is no part of a handshake or a session; nil
// when none comes in time.
func (p *Packets) Answer(in time.Duration) []byte {
	timer := time.NewTimer(in)
	defer timer.Stop()
	select {
	case b := <-p.answers:
		return b
	case <-timer.C:
		return nil
	}
}

// HelloPacket is a HELLO with a nonce of its own.
func HelloPacket() *packet.Hello {
	h := &packet.Hello{Version: packet.ProtocolVersion, Suite: packet.SuiteAES256GCM}
	rand.Read(h.Nonce[:]) // never fails
	return h
}

// Knock asks for a cookie, again until it comes or the time is over.
func (p *Packets) Knock(in time.Duration) (packet.Cookie, bool) {
	h := HelloPacket()
	hello := h.Append(nil)
	for end := time.Now().Add(in); time.Now().Before(end); {
		p.Send(hello)
		for until := time.Now().Add(250 * time.Millisecond); ; {
			b := p.Answer(time.Until(until))
			if b == nil {
				break
			}
			var c packet.Cookie
			if c.Parse(b) == nil && c.Nonce == h.Nonce {
				return c, true
			}
		}
	}
	return packet.Cookie{}, false
}

// Cookie is Knock that must come off.
func (p *Packets) Cookie() packet.Cookie {
	p.t.Helper()
	c, ok := p.Knock(patience)
	if !ok {
		p.t.Fatal("no COOKIE came")
	}
	return c
}

// Shake begins the stream of a handshake.
func (p *Packets) Shake(c packet.Cookie) *handshake.Conn {
	var out []byte
	conn := handshake.NewConn(func(offset, ack uint32, data []byte) {
		m := packet.StreamUp{Cookie: c, Offset: offset, Ack: ack, Data: data}
		out = m.Append(out[:0])
		p.Send(out)
	}, p.pc.LocalAddr(), net.UDPAddrFromAddrPort(p.Server))
	p.mu.Lock()
	p.shaking, p.nonce = conn, c.Nonce
	p.mu.Unlock()
	return conn
}
