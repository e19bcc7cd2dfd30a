package simnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// probes is a server with two addresses and two ports each, as classifiers want.
// It answers from where the request asks with the source it sees.
type probes struct {
	conns [2][2]*PacketConn // by address and port
}

func newProbes(t *testing.T, n *Net) *probes {
	t.Helper()
	h := n.Host("203.0.113.1", "203.0.113.2")
	var p probes
	for i, a := range h.Addrs() {
		for j := range p.conns[i] {
			c, err := h.ListenPacketAt(netip.AddrPortFrom(a, uint16(3478+j)))
			if err != nil {
				t.Fatal(err)
			}
			p.conns[i][j] = c
			go p.serve(c) // until the net is closed
		}
	}
	return &p
}

func (p *probes) at(i, j int) netip.AddrPort { return p.conns[i][j].AddrPort() }

func (p *probes) serve(c *PacketConn) {
	buf := make([]byte, 2)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n == 2 {
			p.conns[buf[0]][buf[1]].WriteToUDPAddrPort([]byte(from.String()), from)
		}
	}
}

// ask asks probe (i, j) to answer from (k, l), and returns the source it saw.
func (p *probes) ask(t *testing.T, c *PacketConn, i, j, k, l int) (seen netip.AddrPort, ok bool) {
	t.Helper()
	send(t, c, p.at(i, j), string([]byte{byte(k), byte(l)}))
	got, from, ok := receive(t, c)
	if !ok {
		return seen, false
	}
	if from != p.at(k, l) {
		t.Fatalf("answer from %v, want %v", from, p.at(k, l))
	}
	return addrAt(got), true
}

// class is what a classifier finds out about a NAT.
type class struct {
	mapping   Dependence
	filtering Dependence
	deltas    [3]int // between the outer ports toward four remotes
}

// classify finds a NAT's kind from inside: mapping with one socket, filtering
// with a fresh one that has sent to a single remote only.
func (p *probes) classify(t *testing.T, h *Host) (c class, ok bool) {
	t.Helper()
	s := open(t, h, 0)
	defer s.Close()
	var seen [4]netip.AddrPort
	for i := range seen {
		if seen[i], ok = p.ask(t, s, i/2, i%2, i/2, i%2); !ok {
			return class{}, false
		}
		if i > 0 {
			c.deltas[i-1] = int(seen[i].Port()) - int(seen[i-1].Port())
		}
	}
	switch {
	case c.deltas == [3]int{}:
		c.mapping = EndpointIndependent
	case c.deltas[0] == 0 && c.deltas[2] == 0:
		c.mapping = AddressDependent
	default:
		c.mapping = AddressPortDependent
	}
	f := open(t, h, 0)
	defer f.Close()
	c.filtering = AddressPortDependent
	if _, ok := p.ask(t, f, 0, 0, 0, 1); ok {
		c.filtering = AddressDependent
	}
	if _, ok := p.ask(t, f, 0, 0, 1, 1); ok {
		c.filtering = EndpointIndependent
	}
	return c, true
}

func TestNATKinds(t *testing.T) {
	kinds := []Dependence{EndpointIndependent, AddressDependent, AddressPortDependent}
	for _, mapping := range kinds {
		for _, filtering := range kinds {
			for _, ports := range []Ports{RandomPorts, SequentialPorts, PreservedPorts} {
				c := NAT{Mapping: mapping, Filtering: filtering, Ports: ports, Step: 2}
				t.Run(fmt.Sprintf("mapping %v, filtering %v, ports %d", mapping, filtering, ports), func(t *testing.T) {
					bubble(t, func(t *testing.T, n *Net) {
						got, ok := newProbes(t, n).classify(t, n.Router("198.51.100.1", c).Host("192.168.0.2"))
						if !ok || got.mapping != mapping || got.filtering != filtering {
							t.Errorf("classified as %+v (%v)", got, ok)
						}
						if ports == SequentialPorts && mapping == AddressPortDependent && got.deltas != [3]int{2, 2, 2} {
							t.Errorf("deltas %v, want steps of 2", got.deltas)
						}
						if ports == RandomPorts && mapping == AddressPortDependent && predictable(got.deltas) {
							t.Errorf("deltas %v of random ports", got.deltas)
						}
					})
				})
			}
		}
	}
}

func predictable(deltas [3]int) bool { return deltas[0] == deltas[1] && deltas[1] == deltas[2] }

func TestPresets(t *testing.T) {
	for _, c := range []struct {
		name      string
		nat       NAT
		mapping   Dependence
		filtering Dependence
		preserves bool
		steps     bool
		blocked   bool
	}{
		{name: "FullCone", nat: FullCone()},
		{name: "RestrictedCone", nat: RestrictedCone(), filtering: AddressDependent},
		{name: "PortRestricted", nat: PortRestricted(), filtering: AddressPortDependent},
		{name: "Symmetric", nat: Symmetric(), mapping: AddressPortDependent, filtering: AddressPortDependent},
		{name: "SymmetricSequential", nat: SymmetricSequential(), mapping: AddressPortDependent, filtering: AddressPortDependent, steps: true},
		{name: "Linux", nat: Linux(), filtering: AddressPortDependent, preserves: true},
		{name: "Blocked", nat: Blocked(), blocked: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				p, h := newProbes(t, n), n.Router("198.51.100.1", c.nat).Host("192.168.0.2")
				got, ok := p.classify(t, h)
				if ok == c.blocked || got.mapping != c.mapping || got.filtering != c.filtering {
					t.Errorf("classified as %+v (%v)", got, ok)
				}
				if c.mapping == AddressPortDependent && predictable(got.deltas) != c.steps {
					t.Errorf("deltas %v", got.deltas)
				}
				s := open(t, h, 40000)
				if seen, ok := p.ask(t, s, 0, 0, 0, 0); ok && (seen.Port() == 40000) != c.preserves {
					t.Errorf("port 40000 became %v", seen)
				}
			})
		})
	}
}

func TestPublicHostClassifiesAsOpen(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		got, ok := newProbes(t, n).classify(t, n.Host("203.0.113.9"))
		if !ok || got != (class{}) {
			t.Errorf("classified as %+v (%v)", got, ok)
		}
	})
}

// The more restrictive of two routers in a row decides.
func TestNestedRouters(t *testing.T) {
	for _, c := range []struct {
		name         string
		inner, outer NAT
		want         class
	}{
		{"inner filters", PortRestricted(), FullCone(), class{filtering: AddressPortDependent}},
		{"outer filters", FullCone(), RestrictedCone(), class{filtering: AddressDependent}},
		{"outer maps", FullCone(), SymmetricSequential(), class{AddressPortDependent, AddressPortDependent, [3]int{1, 1, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				home := n.Router("198.51.100.1", c.outer).Router("100.64.0.2", c.inner)
				got, ok := newProbes(t, n).classify(t, home.Host("192.168.0.2"))
				if !ok || got != c.want {
					t.Errorf("classified as %+v (%v), want %+v", got, ok, c.want)
				}
			})
		})
	}
}

// Sequential ports go on where they were, whether or not those before are free again.
func TestSequentialPortsGoOn(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		c := SymmetricSequential()
		c.FirstPort, c.LastPort = 6000, 6002
		p, h := newProbes(t, n), n.Router("198.51.100.1", c).Host("192.168.0.2")
		s := open(t, h, 0)
		last, _ := p.ask(t, s, 0, 0, 0, 0)
		for range 6 {
			time.Sleep(31 * time.Second)
			seen, _ := p.ask(t, s, 0, 0, 0, 0)
			if want := 6000 + (last.Port()-6000+1)%3; seen.Port() != want {
				t.Errorf("port %d after %d, want %d", seen.Port(), last.Port(), want)
			}
			last = seen
		}
	})
}

// Two hosts behind one router send to each other's outer address, after both
// have opened the other's way in.
func TestHairpin(t *testing.T) {
	for _, c := range []struct {
		name    string
		nat     NAT
		hairpin Hairpin
		want    string // whose address the receiver sees
	}{
		{"none", PortRestricted(), HairpinNone, ""},
		{"external", PortRestricted(), HairpinExternal, "outer"},
		{"internal", PortRestricted(), HairpinInternal, "inner"},
		{"full cone", FullCone(), HairpinExternal, "outer"},
		{"symmetric", Symmetric(), HairpinExternal, ""}, // the way in was opened elsewhere
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				c.nat.Hairpin = c.hairpin
				p, r := newProbes(t, n), n.Router("198.51.100.1", c.nat)
				a, b := open(t, r.Host("192.168.0.2"), 0), open(t, r.Host("192.168.0.3"), 0)
				outerA, _ := p.ask(t, a, 0, 0, 0, 0)
				outerB, _ := p.ask(t, b, 0, 0, 0, 0)
				send(t, b, outerA, "open")
				receive(t, a)
				send(t, a, outerB, "through")
				_, from, ok := receive(t, b)
				got := map[netip.AddrPort]string{outerA: "outer", a.AddrPort(): "inner"}[from]
				if got != c.want || ok != (got != "") {
					t.Errorf("seen from %v (%q), want %q", from, got, c.want)
				}
				if c.hairpin == HairpinNone && n.Stats().Lost[LostNoHairpin] != 2 {
					t.Errorf("lost %v, want two for no hairpin", n.Stats().Lost)
				}
			})
		})
	}
}

// Two homes behind one carrier's router reach each other through its hairpin.
func TestHairpinOfCarrier(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		c := PortRestricted()
		c.Hairpin = HairpinExternal
		p, carrier := newProbes(t, n), n.Router("198.51.100.1", c)
		a := open(t, carrier.Router("100.64.0.2", PortRestricted()).Host("192.168.0.2"), 0)
		b := open(t, carrier.Router("100.64.0.3", PortRestricted()).Host("192.168.0.2"), 0)
		outerA, _ := p.ask(t, a, 0, 0, 0, 0)
		outerB, _ := p.ask(t, b, 0, 0, 0, 0)
		send(t, a, outerB, "first")
		expectSilence(t, b)
		send(t, b, outerA, "second")
		if from := expect(t, a, "second"); from != outerB {
			t.Errorf("from %v, want %v", from, outerB)
		}
	})
}

// A minute of timeouts: what keeps a mapping alive is what the NAT says.
func TestMappingTimeout(t *testing.T) {
	for _, c := range []struct {
		name    string
		refresh bool
		traffic string
		alive   bool
	}{
		{"silence", false, "", false},
		{"outbound", false, "out", true},
		{"inbound does not count", false, "in", false},
		{"inbound counts", true, "in", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				r := n.Router("198.51.100.1", NAT{Filtering: AddressPortDependent, Timeout: 20 * time.Second, RefreshInbound: c.refresh})
				a, b := open(t, r.Host("192.168.0.2"), 0), open(t, n.Host("203.0.113.1"), 1)
				send(t, a, b.AddrPort(), "hello")
				outer := expect(t, b, "hello")
				for range 6 {
					time.Sleep(10 * time.Second)
					switch c.traffic {
					case "out":
						send(t, a, b.AddrPort(), "alive")
						expect(t, b, "alive")
					case "in":
						send(t, b, outer, "alive")
						receive(t, a)
					}
				}
				send(t, b, outer, "late")
				if _, _, ok := receive(t, a); ok != c.alive {
					t.Errorf("let in: %v, want %v", ok, c.alive)
				}
				if got := r.Mappings(); (got == 1) != c.alive || got > 1 {
					t.Errorf("%d mappings", got)
				}
			})
		})
	}
}

// The last moment of a mapping is before its timeout.
func TestMappingTimeoutIsExact(t *testing.T) {
	for late, want := range map[time.Duration]bool{-2: true, 0: false} {
		bubble(t, func(t *testing.T, n *Net) {
			r := n.Router("198.51.100.1", FullCone())
			a, b := open(t, r.Host("192.168.0.2"), 0), open(t, n.Host("203.0.113.1"), 1)
			send(t, a, b.AddrPort(), "hello")
			sent := time.Now()
			outer := expect(t, b, "hello")
			time.Sleep(time.Until(sent.Add(30*time.Second + late)))
			send(t, b, outer, "late")
			if _, _, ok := receive(t, a); ok != want {
				t.Errorf("%d ns after the timeout: let in %v, want %v", late, ok, want)
			}
		})
	}
}

// A filter entry times out of itself, though its mapping is kept alive.
func TestFilterTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		p, b := newProbes(t, n), open(t, n.Host("203.0.113.9"), 1)
		a := open(t, n.Router("198.51.100.1", PortRestricted()).Host("192.168.0.2"), 0)
		send(t, a, b.AddrPort(), "hello")
		outer := expect(t, b, "hello")
		for range 3 {
			time.Sleep(20 * time.Second)
			if seen, _ := p.ask(t, a, 0, 0, 0, 0); seen != outer {
				t.Fatalf("mapping moved from %v to %v", outer, seen)
			}
		}
		send(t, b, outer, "late")
		expectSilence(t, a)
		if got := n.Stats().Lost[LostFiltered]; got != 1 {
			t.Errorf("%d filtered, want 1", got)
		}
	})
}

func TestFlushAndRebind(t *testing.T) {
	for _, c := range []struct {
		name   string
		nat    NAT
		forget func(*Router)
		same   bool
	}{
		{"flush Linux", Linux(), (*Router).Flush, true},
		{"rebind Linux", Linux(), (*Router).Rebind, false},
		{"rebind cone", PortRestricted(), (*Router).Rebind, false},
		{"rebind sequential", SymmetricSequential(), (*Router).Rebind, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				r := n.Router("198.51.100.1", c.nat)
				a, b := open(t, r.Host("192.168.0.2"), 0), open(t, n.Host("203.0.113.1"), 1)
				send(t, a, b.AddrPort(), "before")
				before := expect(t, b, "before")
				c.forget(r)
				send(t, b, before, "to nobody")
				expectSilence(t, a)
				if got := n.Stats().Lost[LostNoMapping]; got != 1 {
					t.Errorf("%d without mapping, want 1", got)
				}
				send(t, a, b.AddrPort(), "after")
				after := expect(t, b, "after")
				if (after == before) != c.same {
					t.Errorf("outer address %v, then %v", before, after)
				}
				send(t, b, after, "back")
				expect(t, a, "back")
			})
		})
	}
}

// With few ports the ones of before a rebind come back rather than none.
func TestRebindWithoutOtherPorts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		r := n.Router("198.51.100.1", NAT{FirstPort: 5000, LastPort: 5000})
		a, b := open(t, r.Host("192.168.0.2"), 0), open(t, n.Host("203.0.113.1"), 1)
		for range 2 {
			send(t, a, b.AddrPort(), "x")
			if from := expect(t, b, "x"); from.Port() != 5000 {
				t.Errorf("from %v, want the only port", from)
			}
			r.Rebind()
		}
	})
}

// An unsolicited datagram takes the outer port away from the flow to its sender,
// and from no other.
func TestRemapTrap(t *testing.T) {
	for _, trap := range []bool{false, true} {
		t.Run(fmt.Sprint(trap), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				c := Linux()
				c.RemapTrap = trap
				p, r := newProbes(t, n), n.Router("198.51.100.1", c)
				a, b := open(t, r.Host("192.168.0.2"), 0), open(t, n.Host("203.0.113.9"), 1)
				outer, _ := p.ask(t, a, 0, 0, 0, 0)
				send(t, b, outer, "too early")
				expectSilence(t, a)
				for range 3 { // longer than the wrong entry lives: the flow keeps its port
					send(t, a, b.AddrPort(), "punch")
					from := expect(t, b, "punch")
					if (from != outer) != trap {
						t.Errorf("punched from %v, known as %v", from, outer)
					}
					send(t, b, from, "answer")
					expect(t, a, "answer")
					time.Sleep(20 * time.Second)
				}
				for i := range 4 {
					if seen, _ := p.ask(t, a, i/2, i%2, i/2, i%2); seen != outer {
						t.Errorf("toward others %v, want %v", seen, outer)
					}
				}
				time.Sleep(31 * time.Second)
				send(t, a, b.AddrPort(), "again")
				if from := expect(t, b, "again"); from != outer {
					t.Errorf("after the timeout from %v, want %v", from, outer)
				}
			})
		})
	}
}

// Two hosts with one fixed port get the same outer address toward different
// remotes, and different ones toward the same.
func TestLinuxSharesPorts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		p, r := newProbes(t, n), n.Router("198.51.100.1", Linux())
		a, b := open(t, r.Host("192.168.0.2"), 5000), open(t, r.Host("192.168.0.3"), 5000)
		first, _ := p.ask(t, a, 0, 0, 0, 0)
		second, _ := p.ask(t, b, 1, 0, 1, 0)
		if want := addrAt("198.51.100.1:5000"); first != want || second != want {
			t.Errorf("seen as %v and %v, want %v", first, second, want)
		}
		third, _ := p.ask(t, b, 0, 0, 0, 0)
		if third.Port() == 5000 || !third.IsValid() {
			t.Errorf("second host toward the first's remote is %v", third)
		}
	})
}

func TestTableLimit(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		r := n.Router("198.51.100.1", NAT{MaxMappings: 2})
		b := open(t, n.Host("203.0.113.1"), 1)
		h := r.Host("192.168.0.2")
		for i := range 4 {
			send(t, open(t, h, uint16(1+i)), b.AddrPort(), "x")
			if _, _, ok := receive(t, b); ok != (i < 2) {
				t.Errorf("flow %d passes: %v", i, ok)
			}
		}
		if got := n.Stats().Lost[LostTableFull]; got != 2 || r.Mappings() != 2 {
			t.Errorf("%d refused, %d mappings; want 2, 2", got, r.Mappings())
		}
		time.Sleep(30 * time.Second)
		send(t, open(t, h, 9), b.AddrPort(), "room again")
		expect(t, b, "room again")
	})
}

func TestPortsRunOut(t *testing.T) {
	for _, ports := range []Ports{RandomPorts, SequentialPorts, PreservedPorts} {
		bubble(t, func(t *testing.T, n *Net) {
			h := n.Router("198.51.100.1", NAT{Ports: ports, FirstPort: 7000, LastPort: 7002}).Host("192.168.0.2")
			b := open(t, n.Host("203.0.113.1"), 1)
			seen := map[netip.AddrPort]bool{}
			for range 4 {
				send(t, open(t, h, 0), b.AddrPort(), "x")
				if _, from, ok := receive(t, b); ok {
					seen[from] = true
				}
			}
			if len(seen) != 3 || n.Stats().Lost[LostTableFull] != 1 {
				t.Errorf("ports %d: flows %v, lost %v", ports, seen, n.Stats().Lost)
			}
		})
	}
}

// Blocking while running stops datagrams both ways, not streams.
func TestSetNATBlocks(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		r := n.Router("198.51.100.1", FullCone())
		client, server := r.Host("192.168.0.2"), n.Host("203.0.113.1")
		a, b := open(t, client, 0), open(t, server, 1)
		send(t, a, b.AddrPort(), "before")
		outer := expect(t, b, "before")
		r.SetNAT(Blocked())
		send(t, a, b.AddrPort(), "out")
		send(t, b, outer, "in")
		expectSilence(t, a)
		expectSilence(t, b)
		if got := n.Stats().Lost[LostBlocked]; got != 2 {
			t.Errorf("%d blocked, want 2", got)
		}
		near, far := connect(t, client, server)
		io.WriteString(near, "x")
		if _, err := far.Read(make([]byte, 1)); err != nil {
			t.Errorf("a stream past a router that blocks UDP: %v", err)
		}
		r.SetNAT(FullCone())
		send(t, b, outer, "known")
		expect(t, a, "known")
	})
}

// Public addresses behind a firewall: nobody gets in who was not asked.
func TestFirewall(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		p, r := newProbes(t, n), n.Router("198.51.100.1", Firewall())
		h := r.Host("192.0.2.5")
		got, ok := p.classify(t, h)
		if want := (class{filtering: AddressPortDependent}); !ok || got != want {
			t.Errorf("classified as %+v (%v), want %+v", got, ok, want)
		}
		a, b := open(t, h, 7), open(t, n.Host("203.0.113.9"), 1)
		send(t, b, a.AddrPort(), "unasked")
		expectSilence(t, a)
		send(t, a, b.AddrPort(), "hello")
		if from := expect(t, b, "hello"); from != a.AddrPort() {
			t.Errorf("from %v, want %v", from, a.AddrPort())
		}
		send(t, b, a.AddrPort(), "answer")
		expect(t, a, "answer")
	})
}

// A dual-stack home: IPv4 is translated, IPv6 is routed and filtered, also
// through a router in between.
func TestIPv6BehindRouters(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		carrier := n.Router("198.51.100.1", FullCone())
		home := carrier.Router("100.64.0.2", PortRestricted())
		a := open(t, home.Host("192.168.0.2", "2001:db8:1::2"), 1)
		b := open(t, n.Host("203.0.113.1", "2001:db8:2::1"), 2)
		six := addrAt("[2001:db8:1::2]:1")
		send(t, b, six, "unasked")
		expectSilence(t, a)
		send(t, a, addrAt("[2001:db8:2::1]:2"), "six")
		if from := expect(t, b, "six"); from != six {
			t.Errorf("from %v, want %v", from, six)
		}
		send(t, b, six, "answer")
		if from := expect(t, a, "answer"); from != addrAt("[2001:db8:2::1]:2") {
			t.Errorf("answer from %v", from)
		}
		send(t, a, addrAt("203.0.113.1:2"), "four")
		if from := expect(t, b, "four"); from.Addr() != carrier.Addr() {
			t.Errorf("from %v, want %v", from, carrier.Addr())
		}
	})
}

// Hosts of one LAN need no router; the same address elsewhere is somebody else.
func TestLANs(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		r := n.Router("198.51.100.1", Blocked())
		a, b := open(t, r.Host("192.168.0.2"), 1), open(t, r.Host("192.168.0.3"), 1)
		other := open(t, n.Router("198.51.100.2", FullCone()).Host("192.168.0.3"), 1)
		send(t, a, addrAt("192.168.0.3:1"), "neighbour")
		if from := expect(t, b, "neighbour"); from != a.AddrPort() {
			t.Errorf("from %v, want %v", from, a.AddrPort())
		}
		expectSilence(t, other)
		r.Cut(a.host.Addr(), b.host.Addr()) // a guest network
		send(t, a, addrAt("192.168.0.3:1"), "isolated")
		expectSilence(t, b)
	})
}

// A home's own line: settings between a host and its router.
func TestLANLink(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		r := n.Router("198.51.100.1", FullCone())
		a, b := open(t, r.Host("192.168.0.2"), 1), open(t, n.Host("203.0.113.1"), 1)
		n.SetLink(all, all, Link{Delay: 10 * time.Millisecond})
		r.SetLink(a.host.Addr(), r.Addr(), Link{Delay: 3 * time.Millisecond})
		start := time.Now()
		send(t, a, b.AddrPort(), "there")
		send(t, b, expect(t, b, "there"), "back")
		expect(t, a, "back")
		if got := time.Since(start); got != 26*time.Millisecond {
			t.Errorf("there and back in %v, want 26ms", got)
		}
	})
}

// Streams from behind a router come from its address, and none get in.
func TestStreamsThroughRouters(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		carrier := n.Router("198.51.100.1", Symmetric())
		client := carrier.Router("100.64.0.2", FullCone()).Host("192.168.0.2")
		server := n.Host("203.0.113.1")
		near, far := connect(t, client, server)
		if got := near.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); got != client.Addr() {
			t.Errorf("local address %v, want %v", got, client.Addr())
		}
		if got := far.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); got != carrier.Addr() {
			t.Errorf("seen as %v, want %v", got, carrier.Addr())
		}
		if _, err := client.ListenStream(1); err != nil {
			t.Fatal(err)
		}
		if _, err := server.DialStream(t.Context(), netip.AddrPortFrom(carrier.Addr(), 1)); !errors.Is(err, errRefused) {
			t.Errorf("dialling inwards: %v, want %v", err, errRefused)
		}
	})
}
