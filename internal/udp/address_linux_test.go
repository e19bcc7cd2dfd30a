package udp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNames(t *testing.T) {
	tests := []struct {
		addr   string
		v4, v6 bool   // sockets that can send there
		want   string // "" for the same
	}{
		{"127.0.0.1:4530", true, true, ""},
		{"255.255.255.255:65535", true, true, ""},
		{"[::ffff:192.0.2.1]:1", true, true, "192.0.2.1:1"},
		{"[2001:db8::1:2]:258", false, true, ""},
		{"[fe80::1%lo]:9", false, true, ""},
		{"[fe80::1%1]:9", false, true, "[fe80::1%lo]:9"},
		{"[fe80::1%4000000000]:9", false, true, ""},
		{"[fe80::1%nothing]:9", false, true, "[fe80::1]:9"},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			a := netip.MustParseAddrPort(tt.addr)
			want := a
			if tt.want != "" {
				want = netip.MustParseAddrPort(tt.want)
			}
			for _, v6 := range []bool{false, true} {
				var n name
				var z zones
				ok := n.set(a, v6, &z)
				if ok != (v6 && tt.v6 || !v6 && tt.v4) {
					t.Errorf("IPv6 %v: sendable is %v", v6, ok)
				}
				if got := n.addrPort(&z); ok && got != want {
					t.Errorf("IPv6 %v: came back as %v, want %v", v6, got, want)
				}
			}
		})
	}
	var n name
	if n.set(netip.AddrPort{}, false, nil) || n.set(netip.AddrPort{}, true, nil) {
		t.Error("no address was accepted")
	}
	n.raw.Family = unix.AF_UNIX
	if got := n.addrPort(nil); got.IsValid() {
		t.Errorf("another family is %v", got)
	}
}

func TestControls(t *testing.T) {
	tests := []struct {
		addr   string
		v4, v6 string // what the family's sockets make of it, "" nothing
	}{
		{"127.0.0.2", "127.0.0.2", "127.0.0.2"},
		{"2001:db8::7", "", "2001:db8::7"},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"255.255.255.255", "", ""},
		{"224.0.0.251", "", ""},
		{"ff02::fb", "", ""},
	}
	for _, tt := range tests {
		for v6, want := range map[bool]string{false: tt.v4, true: tt.v6} {
			var c control
			size := c.setSource(netip.MustParseAddr(tt.addr), v6)
			var wanted netip.Addr
			if want != "" {
				wanted = netip.MustParseAddr(want)
			}
			if got := c.destination(size); got != wanted {
				t.Errorf("%s, IPv6 %v: %v, want %v", tt.addr, v6, got, wanted)
			}
			for n := range size { // cut short by the kernel
				if got := c.destination(n); got.IsValid() {
					t.Errorf("%s, IPv6 %v: %v in %d bytes of %d", tt.addr, v6, got, n, size)
				}
			}
		}
	}
	var c control
	size := c.setSource(netip.MustParseAddr("127.0.0.1"), false)
	c.head.Type = unix.IP_TTL
	if got := c.destination(size); got.IsValid() {
		t.Errorf("another message is %v", got)
	}
}
