package packet

import (
	"encoding/binary"
	"net/netip"
)

// ObservedSize is what an address takes as [AppendObserved] writes it.
const ObservedSize = 18

// AppendObserved appends the address that a packet was seen to come from.
//
//	ip   [16]byte   IPv4 mapped into IPv6; a zone is left out
//	port uint16
func AppendObserved(b []byte, addr netip.AddrPort) []byte {
	ip := addr.Addr().As16()
	b = append(b, ip[:]...)
	return binary.BigEndian.AppendUint16(b, addr.Port())
}

// ParseObserved reads what [AppendObserved] wrote; the address is unmapped.
func ParseObserved(b []byte) (netip.AddrPort, error) {
	if len(b) < ObservedSize {
		return netip.AddrPort{}, ErrMessage
	}
	ip := netip.AddrFrom16([16]byte(b[:16])).Unmap()
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[16:])), nil
}
