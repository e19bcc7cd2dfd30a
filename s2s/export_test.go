package s2s

import (
	"net"
	"net/netip"

	"github.com/troupe-go/troupe/actor"
)

// ListenOn is Listen on a socket of the caller's.
func (ls *Links) ListenOn(url string, socket net.Listener) (netip.AddrPort, actor.Ref, error) {
	return ls.transport.ListenOn(url, socket)
}

// ListenPacket is ListenOn for UDP.
func (ls *Links) ListenPacket(url string, socket net.PacketConn) (netip.AddrPort, actor.Ref, error) {
	return ls.transport.ListenPacket(url, socket, nil)
}
