//go:build !race

package udp

import (
	"net/netip"
	"testing"
)

func TestNoAllocations(t *testing.T) {
	v6, err := Listen("[::1]:0")
	if err == nil {
		v6.Close()
	}
	for _, tt := range []struct {
		listen, host string
		answered     bool // Local is given
	}{
		{loopback, "127.0.0.1", false},
		{"0.0.0.0:0", "127.0.0.1", true},
		{":0", "127.0.0.1", true},
		{":0", "::1", true},
	} {
		if tt.host == "::1" && v6 == nil {
			continue // no IPv6 here
		}
		for _, n := range []int{1, 64, 150} {
			s, err := Listen(tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			out, in := room(n), room(n)
			for i := range out {
				out[i].Buf = out[i].Buf[:100]
				out[i].Addr = netip.AddrPortFrom(netip.MustParseAddr(tt.host), s.LocalAddr().Port())
				if tt.answered {
					out[i].Local = netip.MustParseAddr(tt.host)
				}
			}
			allocs := testing.AllocsPerRun(100, func() {
				if sent := s.Write(out); sent != n {
					t.Fatalf("sent %d of %d", sent, n)
				}
				if got, err := s.Read(in); got != n || err != nil {
					t.Fatalf("read %d of %d, %v", got, n, err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s to %s: %v allocations for %d datagrams", tt.listen, tt.host, allocs, n)
			}
			s.Close()
		}
	}
}
