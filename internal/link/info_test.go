package link

import (
	"net/netip"
	"slices"
	"testing"
)

func TestCandidates(t *testing.T) {
	for _, tt := range []struct {
		name       string
		cfg        Config
		self, peer Info
		want       []netip.AddrPort
	}{
		{name: "nothing told"},
		{
			name: "never",
			peer: Info{Host: addrs("127.0.0.1:5000", "[::1]:5000", "169.254.1.1:5000", "[fe80::1]:5000", "[fe80::1%eth0]:5000",
				"224.0.0.1:5000", "[ff02::1]:5000", "0.0.0.0:5000", "[::]:5000", "255.255.255.255:5000", "240.0.0.1:5000",
				"203.0.113.5:1023", "203.0.113.5:0", "[::ffff:127.0.0.1]:5000"), Reflexive: []netip.AddrPort{{}}, SamePublic: true},
		},
		{
			name: "private ones of a stranger's network",
			peer: Info{Host: addrs("192.168.0.2:5000", "10.0.0.1:5000", "172.16.0.1:5000", "100.64.0.1:5000", "[fd00::1]:5000", "[::ffff:10.0.0.1]:5000"),
				Reflexive: addrs("203.0.113.5:5000")},
			want: addrs("203.0.113.5:5000"),
		},
		{
			name: "near, in the order of classes",
			peer: Info{Host: addrs("[2001:db8::1]:5000", "192.168.0.2:5000"), Reflexive: addrs("203.0.113.5:5000"), SamePublic: true},
			want: addrs("192.168.0.2:5000", "[2001:db8::1]:5000", "203.0.113.5:5000"),
		},
		{
			name: "the server is in the private network",
			self: Info{Reflexive: addrs("192.168.0.3:5000")},
			peer: Info{Reflexive: addrs("192.168.0.2:5000")},
			want: addrs("192.168.0.2:5000"),
		},
		{
			name: "own ones, and twice",
			self: Info{Host: addrs("192.168.0.3:5000"), Reflexive: addrs("203.0.113.5:6000")},
			peer: Info{Host: addrs("192.168.0.3:5000", "192.168.0.3:5001", "[::ffff:203.0.113.5]:5000"),
				Reflexive: addrs("203.0.113.5:5000", "203.0.113.5:6000"), SamePublic: true},
			want: addrs("192.168.0.3:5001", "203.0.113.5:5000"),
		},
		{
			name: "no more than may be",
			cfg:  Config{MaxCandidates: 2},
			peer: Info{Reflexive: addrs("203.0.113.5:5000", "203.0.113.5:5001", "203.0.113.5:5002")},
			want: addrs("203.0.113.5:5000", "203.0.113.5:5001"),
		},
		{
			name: "predicted first",
			cfg:  Config{Predict: 3},
			peer: Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Sequential, Last: 5001, Delta: 2},
			want: addrs("203.0.113.5:5003", "203.0.113.5:5005", "203.0.113.5:5007", "203.0.113.5:5000"),
		},
		{
			name: "predicted downward to the last port",
			peer: Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Sequential, Last: 1026, Delta: -1},
			want: addrs("203.0.113.5:1025", "203.0.113.5:1024", "203.0.113.5:5000"),
		},
		{
			name: "no prediction",
			cfg:  Config{Predict: -1},
			peer: Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Sequential, Last: 5001, Delta: 1},
			want: addrs("203.0.113.5:5000"),
		},
		{
			name: "no prediction of IPv6",
			peer: Info{Reflexive: addrs("[2001:db8::1]:5000"), Mapping: Sequential, Last: 5001, Delta: 1},
			want: addrs("[2001:db8::1]:5000"),
		},
		{
			name: "loopback if allowed",
			cfg:  Config{Loopback: true},
			peer: Info{Host: addrs("127.0.0.1:5000")},
			want: addrs("127.0.0.1:5000"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.cfg, tt.self)
			r.Start(r.clock(), tt.peer, 0)
			r.step()
			var got []netip.AddrPort
			for _, p := range r.sent {
				got = append(got, p.to)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("first round to %v, want %v", got, tt.want)
			}
		})
	}
}
