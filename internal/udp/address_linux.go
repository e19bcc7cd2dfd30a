package udp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// name is room for the kernel's form of an address, of either family.
type name struct{ raw unix.RawSockaddrInet6 }

func (n *name) v4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw))
}

func (n *name) room() (*byte, uint32) {
	return (*byte)(unsafe.Pointer(&n.raw)), unix.SizeofSockaddrInet6
}

// used is what the kernel has to read of a name that was set.
func (n *name) used(v6 bool) (*byte, uint32) {
	if v6 {
		return n.room()
	}
	return (*byte)(unsafe.Pointer(&n.raw)), unix.SizeofSockaddrInet4
}

// addrPort is the address that the kernel has filled in, unmapped.
func (n *name) addrPort(z *zones) netip.AddrPort {
	switch n.raw.Family {
	case unix.AF_INET:
		sa := n.v4()
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), hostOrder(sa.Port))
	case unix.AF_INET6:
		a := netip.AddrFrom16(n.raw.Addr).Unmap()
		if n.raw.Scope_id != 0 && a.Is6() {
			a = a.WithZone(z.name(n.raw.Scope_id))
		}
		return netip.AddrPortFrom(a, hostOrder(n.raw.Port))
	default:
		return netip.AddrPort{}
	}
}

// set reports whether a socket of the family can send to a.
func (n *name) set(a netip.AddrPort, v6 bool, z *zones) bool {
	ip := a.Addr()
	if v6 {
		if !ip.IsValid() {
			return false
		}
		n.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: netOrder(a.Port()), Addr: ip.As16()}
		if zone := ip.Zone(); zone != "" {
			n.raw.Scope_id = z.index(zone)
		}
		return true
	}
	if ip = ip.Unmap(); !ip.Is4() {
		return false
	}
	*n.v4() = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: netOrder(a.Port()), Addr: ip.As4()}
	return true
}

func hostOrder(port uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&port))[:])
}

func netOrder(port uint16) (p uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&p))[:], port)
	return p
}

// control is room for one control message, the one that says which address of
// this machine a datagram was sent to, or shall leave from.
//
//	IP_PKTINFO    interface [4]byte | to answer from [4]byte | sent to [4]byte
//	IPV6_PKTINFO  sent to [16]byte | interface [4]byte
//
// A socket of both families has the latter for both, with IPv4 mapped.
type control struct {
	head unix.Cmsghdr
	data [unix.SizeofInet6Pktinfo]byte
}

const controlSize = int(unsafe.Sizeof(control{}))

// askDestination has the kernel add that message to each datagram.
func askDestination(fd int, v6 bool) error {
	if v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

func (c *control) bytes() *byte { return (*byte)(unsafe.Pointer(c)) }

// destination is the address in the size bytes that the kernel has filled in;
// zero where there is none, or none to answer from.
func (c *control) destination(size int) netip.Addr {
	if size < unix.SizeofCmsghdr {
		return netip.Addr{}
	}
	var a netip.Addr
	switch {
	case c.head.Level == unix.IPPROTO_IP && c.head.Type == unix.IP_PKTINFO && size >= unix.CmsgLen(unix.SizeofInet4Pktinfo):
		a = netip.AddrFrom4([4]byte(c.data[4:]))
	case c.head.Level == unix.IPPROTO_IPV6 && c.head.Type == unix.IPV6_PKTINFO && size >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		a = netip.AddrFrom16([16]byte(c.data[:])).Unmap()
	}
	if a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return a
}

// setSource has a datagram leave from a. It returns how long the message is, 0
// where the socket has no such address.
func (c *control) setSource(a netip.Addr, v6 bool) int {
	var size int
	c.data = [unix.SizeofInet6Pktinfo]byte{}
	if v6 {
		size = unix.SizeofInet6Pktinfo
		c.head.Level, c.head.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		*(*[16]byte)(c.data[:]) = a.As16()
	} else {
		size = unix.SizeofInet4Pktinfo
		if a = a.Unmap(); !a.Is4() {
			return 0
		}
		c.head.Level, c.head.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		*(*[4]byte)(c.data[4:]) = a.As4()
	}
	c.head.SetLen(unix.CmsgLen(size))
	return unix.CmsgLen(size)
}
