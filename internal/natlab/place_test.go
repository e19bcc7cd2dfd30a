//go:build natlab && linux

package natlab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// place is a home: a line to the internet and, behind what its kind puts there,
// hosts.
type place struct {
	kind   kind
	line   *line
	router *namespace // nil where it is open
	subnet string     // of the LAN: the first three numbers
	hosts  []*namespace
}

var placed atomic.Int32 // the places there have been: each has an address of its own

// site is what a place may have besides its kind.
type site struct {
	hosts    int           // 0 means 1; an open place has one
	hairpin  bool          // the router turns back what is for its own outside
	isolated bool          // hosts reach the router alone
	extra    time.Duration // that the line is slower than others
}

func newPlace(in *internet, k kind, s site) (p *place, err error) {
	n := int(placed.Add(1))
	outside := netip.AddrFrom4([4]byte{198, 51, byte(100 + n/250), byte(1 + n%250)})
	p = &place{kind: k, subnet: "192.168.0"} // the same everywhere, as at home
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	first, err := newNamespace()
	if err != nil {
		return p, err
	}
	if k == open {
		p.hosts = []*namespace{first}
		p.line, err = in.attach(first, s.extra, outside)
		return p, err
	}
	p.router = first
	var networks []netip.Prefix
	if k == firewall {
		p.subnet = fmt.Sprintf("100.%d.%d", 200+n/250, 1+n%250)
		networks = append(networks, netip.MustParsePrefix(p.subnet+".0/24"))
	}
	if p.line, err = in.attach(first, s.extra, outside, networks...); err != nil {
		return p, err
	}
	if err = first.set("ipv4/ip_forward", "1"); err != nil {
		return p, err
	}
	if err = first.ip("link add lan type bridge forward_delay 0", "addr add "+p.subnet+".1/24 dev lan", "link set lan up"); err != nil {
		return p, err
	}
	if err = first.run(rules(k, outside, 20000+rand.IntN(20000), s.hairpin), "nft", "-f", "-"); err != nil {
		return p, err
	}
	for i := range max(s.hosts, 1) {
		if err = p.addHost(i, s.isolated); err != nil {
			return p, err
		}
	}
	return p, nil
}

// addHost puts a host into the LAN; isolated ones reach the router alone.
func (p *place) addHost(i int, isolated bool) error {
	h, err := newNamespace()
	if err != nil {
		return err
	}
	p.hosts = append(p.hosts, h)
	if err := h.ip(
		fmt.Sprintf("link add eth0 type veth peer name port%d netns %s", i, p.router.path()),
		fmt.Sprintf("addr add %s.%d/24 dev eth0", p.subnet, 10+i),
		"link set eth0 up",
		fmt.Sprintf("route add default via %s.1", p.subnet),
	); err != nil {
		return err
	}
	port := []string{fmt.Sprintf("link set port%d master lan", i), fmt.Sprintf("link set port%d up", i)}
	if isolated {
		port = append(port, fmt.Sprintf("link set port%d type bridge_slave isolated on", i))
	}
	return p.router.ip(strings.Join(port, "\n"))
}

func (p *place) close() {
	if p.line != nil {
		p.line.close()
	}
	for _, h := range p.hosts {
		h.close()
	}
	if p.router != nil {
		p.router.close()
	}
}
