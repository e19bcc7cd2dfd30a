package client

import (
	"net/netip"
	"testing"

	"github.com/troupe-go/troupe/internal/link"
)

func TestMapping(t *testing.T) {
	for name, tt := range map[string]struct {
		first, second string
		want          link.Mapping
	}{
		"one port":                       {"198.51.100.1:4000", "198.51.100.1:4000", link.Independent},
		"no NAT, IPv6":                   {"[2600::1]:4000", "[2600::1]:4000", link.Independent},
		"counting up":                    {"198.51.100.1:4000", "198.51.100.1:4001", link.Sequential},
		"counting down by eight":         {"198.51.100.1:4008", "198.51.100.1:4000", link.Sequential},
		"farther than one counts":        {"198.51.100.1:4000", "198.51.100.1:4009", link.Random},
		"drawn":                          {"198.51.100.1:4000", "198.51.100.1:61000", link.Random},
		"from a pool of addresses":       {"198.51.100.1:4000", "198.51.100.2:4001", link.Random},
		"the port kept, not the address": {"198.51.100.1:4000", "198.51.100.2:4000", link.Random},
	} {
		seen := [2]netip.AddrPort{netip.MustParseAddrPort(tt.first), netip.MustParseAddrPort(tt.second)}
		if got := mapping(seen); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
