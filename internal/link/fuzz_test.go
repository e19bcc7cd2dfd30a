package link

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// FuzzInputs feeds a Link any sequence of inputs: it never panics, always has a
// route, is never direct without an echo, and stays bounded.
func FuzzInputs(f *testing.F) {
	f.Add([]byte{0, 0, 0, 9, 9, 1, 0, 9, 20, 2, 0, 9, 30, 3, 0, 9, 100})
	f.Add([]byte{0, 7, 0, 1, 1, 1, 1, 2, 1, 3, 9, 200, 8, 1, 4, 0, 9, 255, 6, 1, 9, 255})
	f.Add([]byte{0, 2, 1, 0, 9, 10, 2, 0, 3, 0, 4, 0, 5, 90, 9, 255, 9, 255, 6, 3, 7, 0, 9, 255, 0, 1})
	f.Add([]byte{0, 9, 9, 100, 9, 100, 9, 100, 9, 100, 9, 100, 9, 100, 9, 100, 9, 100, 9, 100, 9, 100, 2, 3, 10, 0, 9, 9})
	f.Fuzz(func(t *testing.T, in []byte) {
		var sent []probing
		var count uint64
		back := map[netip.AddrPort]bool{}
		now := time.Unix(0, 0)
		info := func(b byte) Info {
			i := Info{Mapping: Mapping(b % 6), Last: uint16(b) << 8, Delta: int(b%5) - 2, SamePublic: b&32 != 0, Birthday: true}
			for k := range int(b % 12) {
				i.Reflexive = append(i.Reflexive, netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(k)}), uint16(b)<<7|uint16(k)))
				i.Host = append(i.Host, netip.AddrPortFrom(netip.AddrFrom16([16]byte{b, 1, 15: byte(k)}), 5000))
			}
			return i
		}
		l := New(Config{Birthday: true}, info(1), func() (n [8]byte) {
			count++
			binary.BigEndian.PutUint64(n[:], count)
			return n
		})
		inputs := 0
		for ; len(in) >= 2; in = in[2:] {
			b := in[1]
			inputs++
			switch in[0] % 12 {
			case 0:
				l.Start(now, info(b), time.Duration(b)*ms)
			case 1:
				l.Challenged(now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, b}), uint16(b)<<8))
			case 2:
				if len(sent) > 0 {
					p := sent[len(sent)-1-int(b)%len(sent)]
					back[p.to] = true
					l.Answered(now, p.nonce, p.to)
				}
			case 3:
				l.Answered(now, [8]byte{b}, netip.AddrPort{})
			case 4:
				l.Sent(now)
			case 5:
				l.RelayRTT(time.Duration(b) * ms)
			case 6:
				l.NetworkChanged(now, info(b))
			case 7:
				l.Stop(now)
			case 8:
				l.Invited(now)
				l.PeerDirect()
			case 9:
				now = now.Add(time.Duration(b) * time.Duration(b) * ms)
			case 10:
				now = now.Add(-time.Duration(b) * ms)
			case 11:
				l.Heard(now)
			}
			for i := 0; ; i++ {
				before := len(sent)
				out := l.Step(now, func(to netip.AddrPort, n [8]byte) bool {
					sent = append(sent, probing{to: to, nonce: n})
					return b%7 != 0
				})
				if n := len(sent) - before; n > 2*(maxPaths+sprayBurst) {
					t.Fatalf("%d probes in a step", n)
				}
				for _, e := range out.Events {
					if e.To == Direct && !back[e.Path] {
						t.Fatalf("direct to %v without an echo", e.Path)
					}
				}
				if due := l.Due(); due.IsZero() || due.After(now) {
					break
				}
				if i > 10 {
					t.Fatalf("due at %v again and again, now %v", l.Due(), now)
				}
			}
			to, direct, relay := l.Route()
			if !direct && !relay || direct != to.IsValid() || direct && !back[to] {
				t.Fatalf("route %v, %v, %v in %v", to, direct, relay, l.State())
			}
			if len(l.paths) > maxPaths+1 || len(l.probes.ring) > probesMost || l.triggers < 0 || l.triggers > len(l.paths) {
				t.Fatalf("%d paths, %d probes kept, %d triggers", len(l.paths), len(l.probes.ring), l.triggers)
			}
			due := 0
			for _, p := range l.paths {
				if p.trigger {
					due++
				}
			}
			if due != l.triggers {
				t.Fatalf("%d triggers counted, there are %d", l.triggers, due)
			}
			if s := l.State(); l.started && l.possible() && l.active == nil && l.Due().IsZero() {
				t.Fatalf("%v without a path, and nothing to come", s)
			}
		}
		if len(sent) > inputs*1000 {
			t.Fatalf("%d probes for %d inputs", len(sent), inputs)
		}
	})
}
