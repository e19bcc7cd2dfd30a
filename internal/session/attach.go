package session

import (
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
)

// Admit takes the sealed packet of a CONNECT, before the link is bound or while
// it has carried nothing: check is given the body of its Connect frame. Then the
// client is at from. After the first packet of another kind it admits nobody:
// what the CONNECT was for has been used up.
func (l *Link) Admit(p []byte, from netip.AddrPort, local netip.Addr, now time.Time, check func(body []byte) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun || l.over {
		return false
	}
	body, _, newest, err := l.crypt.Open(p, now)
	if err != nil || !newest { // an older one, that comes late, does not take the address back
		return false
	}
	t, frame, _, err := packet.NextFrame(body)
	if err != nil || t != packet.FrameConnect || !check(frame) {
		return false
	}
	l.remote, l.source, l.roam = from, local, nil
	return true
}

// Accept answers a CONNECT, again where it was answered before and nothing has
// come since.
func (l *Link) Accept(nonce [16]byte, observed netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun || l.over {
		return
	}
	m := packet.Accept{Nonce: nonce, Observed: observed}
	l.extra = packet.AppendFrame(l.extra[:0], packet.FrameAccept, m.Append(nil))
	l.urge()
}

// Connect seals the packet of a CONNECT whose Packet must have size bytes.
func (l *Link) Connect(a *packet.Attach, size int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := make([]byte, packet.HeaderSize, size)
	p = packet.AppendFrame(p, packet.FrameConnect, a.Append(nil))
	return l.crypt.Seal(packet.Pad(p, size-packet.TagSize), l.peer)
}
