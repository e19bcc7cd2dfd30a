//go:build natlab && linux

package natlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
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

var hellos atomic.Int32

// seenBy is where a public prober sees this one; not valid where it does not.
func (p prober) seenBy(public prober) (at netip.AddrPort) {
	p.t.Helper()
	text := fmt.Sprint("hello ", hellos.Add(1))
	eventually(3*time.Second, func() bool { // a LAN just made may lose a packet
		p.send(public.at, text)
		at = public.heard(text)
		return at.IsValid()
	})
	return at
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

// publics are namespaces on an internet, with their addresses.
func publics(t *testing.T, in *internet, n int) (all []*namespace, at []netip.Addr) {
	t.Helper()
	for i := range n {
		h, err := newNamespace()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.close)
		a := netip.AddrFrom4([4]byte{203, 0, 113, byte(20 + i)})
		l, err := in.attach(h, []netip.Addr{a})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.close)
		all, at = append(all, h), append(at, a)
	}
	return all, at
}

// around makes a place on an internet of its own, with n public hosts.
func around(t *testing.T, k kind, s site, n int) (p *place, hosts []*namespace, at []netip.Addr) {
	t.Helper()
	in := newInternet(time.Millisecond, 0)
	t.Cleanup(in.wait)
	p, err := newPlace(in, k, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	hosts, at = publics(t, in, n)
	return p, hosts, at
}

// Each kind is what it is called: the matrix means nothing otherwise.
func TestKinds(t *testing.T) {
	needs(t)
	for k, want := range map[kind]string{
		open: "EIM EIF", firewall: "EIM APDF", fullCone: "EIM EIF", addrCone: "EIM ADF", portCone: "EIM APDF", linux: "EIM APDF",
		linuxAccept: "EIM APDF", linuxReject: "EIM APDF", symAddr: "ADM APDF", symSeq: "APDM APDF", symRandom: "APDM APDF", udpBlocked: "nothing",
	} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			p, hosts, at := around(t, k, site{}, 3)
			var got string
			for range 3 { // on a busy machine packets come late
				if got = classify(newProber(t, p.hosts[0].namespace, netip.Addr{}),
					newProber(t, hosts[0], at[0]), newProber(t, hosts[0], at[0]), newProber(t, hosts[0], at[0]),
					newProber(t, hosts[1], at[1]), newProber(t, hosts[2], at[2])); got == want {
					return
				}
				t.Logf("it seems to be %s", got)
			}
			t.Errorf("it is %s, want %s", got, want)
		})
	}
}

// classify tells what is between a client and three public hosts. It sends to
// two ports of the first and to the second; the first's third port and the third
// host are strangers to it.
func classify(client, first, sameHost, strangePort, second, stranger prober) string {
	seen := []netip.AddrPort{client.seenBy(first)}
	if !seen[0].IsValid() {
		return "nothing"
	}
	seen = append(seen, client.seenBy(sameHost), client.seenBy(second))
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
				t.Parallel()
				p, hosts, at := around(t, k, site{hosts: 2, hairpin: hairpin, isolated: true}, 1)
				public := newProber(t, hosts[0], at[0])
				var ends [2]prober
				var seen [2]netip.AddrPort
				for i := range ends {
					ends[i] = newProber(t, p.hosts[i].namespace, netip.Addr{})
					seen[i] = ends[i].seenBy(public)
				}
				var from [2]netip.AddrPort
				turned := eventually(time.Second, func() bool {
					ends[0].send(seen[1], "to the second")
					ends[1].send(seen[0], "to the first")
					from = [2]netip.AddrPort{ends[1].heard("to the second"), ends[0].heard("to the first")}
					return from[0].IsValid() && from[1].IsValid()
				})
				if turned != hairpin || hairpin && from != seen {
					t.Errorf("packets came from %v, the outsides are %v", from, seen)
				}
			})
		}
	}
}

// A router that accepts what nobody has asked for gives the port away that it was
// sent to: its client's answer leaves by another. Those that drop or reject don't.
func TestRemapTrap(t *testing.T) {
	needs(t)
	for k, trap := range map[kind]bool{linux: false, linuxAccept: true, linuxReject: false} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			p, hosts, at := around(t, k, site{}, 2)
			known := newProber(t, hosts[0], at[0])
			trapped := 0
			for range 3 {
				client, stranger := newProber(t, p.hosts[0].namespace, netip.Addr{}), newProber(t, hosts[1], at[1])
				seen := client.seenBy(known)
				stranger.send(seen, "unasked")
				client.heard("unasked") // it does not come; this is time for it to reach the router
				if client.seenBy(stranger) != seen {
					trapped++
				}
			}
			if want := map[bool]int{true: 3}[trap]; trapped != want {
				t.Errorf("of 3 ports %d were given away, want %d", trapped, want)
			}
		})
	}
}

// What a router forgets comes back with another port, when it is renumbered.
func TestRenumber(t *testing.T) {
	needs(t)
	for _, k := range []kind{fullCone, addrCone, portCone, linux} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			p, hosts, at := around(t, k, site{}, 2)
			one, other := newProber(t, hosts[0], at[0]), newProber(t, hosts[1], at[1])
			client := newProber(t, p.hosts[0].namespace, netip.Addr{})
			before := client.seenBy(one)
			if err := errors.Join(p.renumber(), p.router.forget()); err != nil {
				t.Fatal(err)
			}
			one.send(before, "late")
			if client.heard("late").IsValid() {
				t.Error("the old mapping lives")
			}
			after, toOther := client.seenBy(one), client.seenBy(other)
			if !after.IsValid() || after == before || after != toOther {
				t.Errorf("the mapping was %v, is %v, and %v toward another host", before, after, toOther)
			}
		})
	}
}
