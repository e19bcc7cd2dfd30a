package udp

import (
	"net"
	"net/netip"
)

// Message is one datagram.
type Message struct {
	// Buf is room for a datagram when reading, 1,500 bytes for any that came
	// unfragmented, and exactly the datagram's bytes when writing.
	Buf []byte
	N   int // how many bytes of Buf were read

	// Addr is the other end. An IPv4 address is never mapped into IPv6.
	Addr netip.AddrPort

	// Local is, when reading from a socket bound to no particular address, the
	// one the datagram was sent to; zero where that isn't known or nobody can
	// answer from it. When writing it is the source; zero lets the system choose.
	Local netip.Addr
}

// addrPort is a's address, unmapped; zero where a has none.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case nil:
		return netip.AddrPort{}
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	default:
		ap, err := netip.ParseAddrPort(a.String())
		if err != nil {
			return netip.AddrPort{}
		}
		return unmap(ap)
	}
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
