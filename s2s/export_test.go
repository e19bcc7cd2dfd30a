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
