package session

import (
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/udp"
)

// StartSecond reads another socket, which the endpoint takes over. Clients ask
// there how their NAT maps them toward another port; nothing else is answered,
// and no address changes for it. stranger returns the answer to a packet that
// is not sealed, or nil.
func (e *Endpoint) StartSecond(sock *udp.Socket, stranger func(p []byte, from netip.AddrPort, now time.Time) []byte) {
	e.mu.Lock()
	e.second = sock
	over := e.over
	e.mu.Unlock()
	if over {
		sock.Close() // an error says that it is closed
		return
	}
	e.wg.Go(func() { // ended by the closed socket
		ms := []udp.Message{{Buf: make([]byte, packet.ReadSize)}}
		for {
			n, err := sock.Read(ms)
			if err != nil {
				return
			}
			for i := range n {
				m := &ms[i]
				p, now := m.Buf[:m.N], time.Now()
				var answer []byte
				if id, ok := packet.Receiver(p); !ok {
					answer = stranger(p, m.Addr, now)
				} else if l := e.find(id); l != nil {
					answer = l.receiveSecond(p, m.Addr, now)
				}
				if answer != nil {
					sock.Write([]udp.Message{{Buf: answer, Addr: m.Addr, Local: m.Local}})
				}
			}
		}
	})
}

// Bind asks the server where this end is seen from one of its ports. The answer,
// if neither is lost, comes to Hooks.Bound.
func (s *Session) Bind(nonce [nonceSize]byte, to netip.AddrPort) {
	l := s.dg.Load().link.Load()
	if l == nil {
		return
	}
	// An answer may not be longer than what it answers.
	const size = packet.HeaderSize + packet.FrameHeaderSize + nonceSize + packet.ObservedSize + packet.ReceiptSize
	l.mu.Lock()
	if !l.over {
		p := packet.AppendFrame(make([]byte, packet.HeaderSize, size+packet.TagSize), packet.FrameBind, nonce[:])
		if sealed := l.crypt.Seal(packet.Pad(p, size), l.peer); sealed != nil {
			l.e.tx.sendRaw(sealed, to, netip.Addr{})
		}
	}
	l.mu.Unlock()
	l.e.tx.run()
}

func (e *Endpoint) find(id packet.ID) *Link {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.links[id]
}

// receiveSecond answers a Bind that came to the second socket.
func (l *Link) receiveSecond(p []byte, from netip.AddrPort, now time.Time) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	body, _, _, err := l.crypt.Open(p, now)
	if err != nil {
		l.refused(err)
		return nil
	}
	t, frame, _, err := packet.NextFrame(body)
	if err != nil || t != packet.FrameBind {
		return nil
	}
	return l.bound(frame, from, len(p), now)
}
