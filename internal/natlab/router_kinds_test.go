//go:build natlab && linux

package natlab

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// prober is a socket in a namespace.
type prober struct {
	t  *testing.T
	c  *net.UDPConn
	at netip.AddrPort // where others reach it, of a public one
}

func newProber(t *testing.T, n *namespace, at netip.Addr) prober {
	t.Helper()
	var c *net.UDPConn
	if err := n.in(func() (err error) { c, err = net.ListenUDP("udp4", nil); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return prober{t, c, netip.AddrPortFrom(at, c.LocalAddr().(*net.UDPAddr).AddrPort().Port())}
}

func (p prober) send(to netip.AddrPort, text string) {
	p.t.Helper()
	if _, err := p.c.WriteToUDPAddrPort([]byte(text), to); err != nil {
		p.t.Fatal(err)
	}
}

// heard reads until the text has come, and says from where; not valid when it
// does not come.
func (p prober) heard(text string) netip.AddrPort {
	b := make([]byte, 100)
	for p.c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); ; {
		n, from, err := p.c.ReadFromUDPAddrPort(b)
		if err != nil {
			return netip.AddrPort{}
		}
		if string(b[:n]) == text {
			return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		}
	}
}

// Each kind is what it is called: the matrix means nothing otherwise.
func TestKinds(t *testing.T) {
	needs(t)
	for k, want := range map[kind]string{
		open: "EIM EIF", firewall: "EIM APDF", fullCone: "EIM EIF", addrCone: "EIM ADF", portCone: "EIM APDF", linux: "EIM APDF",
		linuxAccept: "EIM APDF", symAddr: "ADM APDF", symSeq: "APDM APDF", symRandom: "APDM APDF", udpBlocked: "nothing",
	} {
		t.Run(string(k), func(t *testing.T) {
			in := newInternet(time.Millisecond, 0)
			t.Cleanup(in.wait)
			p, err := newPlace(in, k, site{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.close)
			var hosts [3]*namespace
			var at [3]netip.Addr
			for i := range hosts {
				if hosts[i], err = newNamespace(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(hosts[i].close)
				at[i] = netip.AddrFrom4([4]byte{203, 0, 113, byte(20 + i)})
				l, err := in.attach(hosts[i], 0, at[i])
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(l.close)
			}
			if got := classify(newProber(t, p.hosts[0], netip.Addr{}),
				newProber(t, hosts[0], at[0]), newProber(t, hosts[0], at[0]), newProber(t, hosts[0], at[0]),
				newProber(t, hosts[1], at[1]), newProber(t, hosts[2], at[2])); got != want {
				t.Errorf("it is %s, want %s", got, want)
			}
		})
	}
}

// classify tells what is between a client and three public hosts. It sends to
// two ports of the first and to the second; the first's third port and the third
// host are strangers to it.
func classify(client, first, sameHost, strangePort, second, stranger prober) string {
	eventually(1500*time.Millisecond, func() bool { // a LAN just made may lose a packet
		client.send(first.at, "hello")
		return first.heard("hello").IsValid()
	})
	var seen []netip.AddrPort
	for i, p := range []prober{first, sameHost, second} {
		text := fmt.Sprint("out ", i)
		client.send(p.at, text)
		seen = append(seen, p.heard(text))
	}
	if !seen[0].IsValid() {
		return "nothing"
	}
	mapping := "APDM"
	if seen[0] == seen[1] {
		if mapping = "ADM"; seen[0] == seen[2] {
			mapping = "EIM"
		}
	}
	first.send(seen[0], "answer")
	if !client.heard("answer").IsValid() {
		return mapping + ", and no answers come in"
	}
	filter := "APDF"
	strangePort.send(seen[0], "strange port")
	if client.heard("strange port").IsValid() {
		filter = "ADF"
	}
	stranger.send(seen[0], "stranger")
	if client.heard("stranger").IsValid() {
		filter = "EIF"
	}
	return mapping + " " + filter
}

// Hosts of one home that can't reach each other in its LAN do so through a
// router that turns back what is for its own outside, and only through such.
func TestHairpin(t *testing.T) {
	needs(t)
	for _, k := range []kind{portCone, fullCone} {
		for _, hairpin := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v %v", k, hairpin), func(t *testing.T) {
				in := newInternet(time.Millisecond, 0)
				t.Cleanup(in.wait)
				p, err := newPlace(in, k, site{hosts: 2, hairpin: hairpin, isolated: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.close)
				n, err := newNamespace()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(n.close)
				at := netip.AddrFrom4([4]byte{203, 0, 113, 20})
				l, err := in.attach(n, 0, at)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(l.close)
				public := newProber(t, n, at)
				var hosts [2]prober
				var seen [2]netip.AddrPort
				for i := range hosts {
					hosts[i] = newProber(t, p.hosts[i], netip.Addr{})
					eventually(1500*time.Millisecond, func() bool {
						hosts[i].send(public.at, "hello")
						return public.heard("hello").IsValid()
					})
					text := fmt.Sprint("out ", i)
					hosts[i].send(public.at, text)
					seen[i] = public.heard(text)
				}
				hosts[0].send(seen[1], "to the second")
				hosts[1].send(seen[0], "to the first")
				from := [2]netip.AddrPort{hosts[0].heard("to the first"), hosts[1].heard("to the second")}
				if hairpin && (from[0] != seen[1] || from[1] != seen[0]) || !hairpin && (from[0].IsValid() || from[1].IsValid()) {
					t.Errorf("packets came from %v, the outsides are %v", from, seen)
				}
			})
		}
	}
}
