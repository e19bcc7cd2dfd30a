//go:build natlab && linux

package natlab

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// topology is more than two places on the internet.
type topology struct {
	name  string
	build func(*town) talk
	want  chance
	at    func(netip.Addr) bool // where the ends find each other; nil is anywhere
	short bool                  // among the short ones
}

func sameLAN(k kind, s site) func(*town) talk {
	s.hosts = 2
	return func(w *town) talk {
		p := w.place(k, s)
		return between("", p.hosts[0], p.hosts[1])
	}
}

func sameCarrier(k kind, hairpin bool) func(*town) talk {
	return func(w *town) talk {
		c := w.place(k, site{carrier: true, hairpin: hairpin})
		return between("", w.home(linux, site{behind: c}), w.home(linux, site{behind: c}))
	}
}

func carrierAnd(carrier, other kind) func(*town) talk {
	return func(w *town) talk {
		c := w.place(carrier, site{carrier: true})
		return between("", w.home(linux, site{behind: c}), w.home(other, site{}))
	}
}

func apart(a, b kind) func(*town) talk {
	return func(w *town) talk { return between("", w.home(a, site{}), w.home(b, site{})) }
}

// knownByIPv6 is a home with IPv6 besides, whose client knows the server by that,
// and one without.
func knownByIPv6(a, b kind) func(*town) talk {
	return func(w *town) talk {
		tk := between("", w.home(a, site{ipv6: true}), w.home(b, site{}))
		tk.urls[0] = url("tls", serverIP6)
		return tk
	}
}

// dualStack is two homes with IPv6 besides, whose clients know the server by
// these addresses.
func dualStack(a, b kind, one, two netip.Addr) func(*town) talk {
	return func(w *town) talk {
		tk := between("", w.home(a, site{ipv6: true}), w.home(b, site{ipv6: true}))
		tk.urls = [2]string{url("tls", one), url("tls", two)}
		return tk
	}
}

var topologies = []topology{
	{"same LAN", sameLAN(linux, site{}), always, netip.Addr.IsPrivate, true},
	{"same LAN, symmetric", sameLAN(symRandom, site{}), always, netip.Addr.IsPrivate, false},
	{"same router, isolated", sameLAN(portCone, site{isolated: true}), never, nil, false},
	{"same router (port), isolated, hairpin", sameLAN(portCone, site{isolated: true, hairpin: true}), always, isPublic4, false},
	{"same router (fullcone), isolated, hairpin", sameLAN(fullCone, site{isolated: true, hairpin: true}), always, isPublic4, false},
	{"two homes, one carrier (port)", sameCarrier(portCone, false), never, nil, false},
	{"two homes, one carrier (port), hairpin", sameCarrier(portCone, true), always, isPublic4, true},
	{"two homes, one carrier (fullcone), hairpin", sameCarrier(fullCone, true), always, isPublic4, false},
	{"two homes, one carrier (sym)", sameCarrier(symRandom, false), never, nil, false},
	{"home behind carrier (port), linux", carrierAnd(portCone, linux), always, isPublic4, false},
	{"home behind carrier (port), fullcone", carrierAnd(portCone, fullCone), always, isPublic4, false},
	{"home behind carrier (sym), linux", carrierAnd(symRandom, linux), perhaps, isPublic4, false},
	{"home behind carrier (sym), fullcone", carrierAnd(symRandom, fullCone), always, isPublic4, false},
	{"symmetric both, IPv6, server by IPv4", dualStack(symRandom, symRandom, serverIP, serverIP), always, netip.Addr.Is6, true},
	{"symmetric both, IPv6, server by IPv6", dualStack(symRandom, symRandom, serverIP6, serverIP6), always, netip.Addr.Is6, false},
	{"symmetric both, IPv6, server by either", dualStack(symRandom, symRandom, serverIP, serverIP6), always, netip.Addr.Is6, false},
	{"port with IPv6, server by that, and fullcone without", knownByIPv6(portCone, fullCone), always, isPublic4, false},
	{"port with IPv6, server by that, and port without", knownByIPv6(portCone, portCone), perhaps, isPublic4, false},
	{"UDP blocked, linux", apart(udpBlocked, linux), never, nil, false},
	{"UDP blocked, both", apart(udpBlocked, udpBlocked), never, nil, false},
}

func isPublic4(a netip.Addr) bool { return a.Is4() && !a.IsPrivate() }

// Clients reach each other the nearest way that their networks have: in their
// LAN, through a router that turns packets for its own outside back, out of a
// carrier's NAT behind their own, by IPv6; and else by the relay, if need be by
// the stream.
func TestTopologies(t *testing.T) {
	l := newLab(t)
	var mu sync.Mutex
	done := make(map[string][]outcome)
	var todo []topology
	var jobs []func()
	for _, c := range topologies {
		if testing.Short() && !c.short || strings.Contains(c.name, "IPv6") && !hasIPv6() {
			continue
		}
		todo = append(todo, c)
		for range *runs {
			jobs = append(jobs, func() {
				o := l.insist(t, c.name, c.want, c.build)
				mu.Lock()
				done[c.name] = append(done[c.name], o)
				mu.Unlock()
			})
		}
	}
	inLanes(jobs)
	var table strings.Builder
	fmt.Fprintf(&table, legend+"| topology | direct |\n|---|---|\n")
	for _, c := range todo {
		for _, o := range done[c.name] {
			judge(t, c.name, o, c.want)
			for _, a := range o.at {
				if o.direct && c.at != nil && !c.at(a) {
					t.Errorf("%s: the ends find each other at %v", c.name, o.at)
				}
			}
		}
		fmt.Fprintf(&table, "| %s | %s |\n", c.name, sum(done[c.name]))
	}
	t.Log(table.String())
}
