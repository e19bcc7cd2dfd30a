//go:build natlab && linux

package natlab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// place is a home: a line to the internet and, behind what its kind puts there,
// hosts. A carrier's has homes there.
type place struct {
	kind    kind
	line    *line      // the carrier's, of a home behind one
	carried bool       // it is
	router  *namespace // nil where it is open
	subnet  string     // of the LAN: the first three numbers
	subnet6 string     // of the place, the first three of IPv6; "" is none
	plugged int        // into the LAN
	hosts   []host
}

// host is a namespace for a client.
type host struct {
	*namespace
	place *place
}

var placed atomic.Int32 // the places there have been: each has addresses of its own

// site is what a place may have besides its kind.
type site struct {
	hosts    int    // 0 means 1; an open place has one
	hairpin  bool   // the router turns back what is for its own outside
	isolated bool   // hosts reach the router alone
	carrier  bool   // homes come behind it, and no hosts
	behind   *place // the carrier; nil is none
	ipv6     bool   // besides, without translation: what answers comes in
}

func newPlace(in *internet, k kind, s site) (p *place, err error) {
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
		p.hosts = []host{{first, p}}
	} else {
		p.router = first
	}
	if s.ipv6 {
		if err = first.allowIPv6(); err != nil {
			return p, err
		}
	}
	outside, err := p.connect(in, first, s)
	if err != nil || k == open {
		return p, err
	}
	if err = p.makeLAN(); err != nil {
		return p, err
	}
	if err = first.run(rules(k, outside, 20000+rand.IntN(20000), s.hairpin), "nft", "-f", "-"); err != nil {
		return p, err
	}
	for i := 0; i < max(s.hosts, 1) && !s.carrier; i++ {
		if err = p.addHost(s.isolated); err != nil {
			return p, err
		}
	}
	return p, nil
}

// connect gives a place its way to the internet, and returns its address there.
func (p *place) connect(in *internet, first *namespace, s site) (outside netip.Addr, err error) {
	if s.behind != nil {
		p.line, p.carried = s.behind.line, true
		return s.behind.plug(first, "wan", false)
	}
	n := int(placed.Add(1))
	outside = netip.AddrFrom4([4]byte{198, 51, byte(100 + n/250), byte(1 + n%250)})
	at := []netip.Addr{outside}
	var networks []netip.Prefix
	if s.carrier {
		p.subnet = "100.64.0" // RFC 6598
	}
	if p.kind == firewall {
		p.subnet = fmt.Sprintf("100.%d.%d", 200+n/250, 1+n%250)
		networks = append(networks, netip.MustParsePrefix(p.subnet+".0/24"))
	}
	if s.ipv6 {
		p.subnet6 = fmt.Sprintf("2001:db8:%x", n)
		at = append(at, netip.MustParseAddr(p.subnet6+"::1"))
		networks = append(networks, netip.MustParsePrefix(p.subnet6+":1::/64"))
	}
	p.line, err = in.attach(first, at, networks...)
	return outside, err
}

// makeLAN has the router route, between its line and a bridge.
func (p *place) makeLAN() error {
	commands := []string{"link add lan type bridge forward_delay 0", "link set lan up"}
	for _, network := range p.networks() {
		commands = append(commands, addAddr(network.Addr().Next(), network.Bits(), "lan"))
	}
	err := errors.Join(p.router.set("ipv4/ip_forward", "1"), p.router.ip(commands...))
	if p.subnet6 != "" {
		err = errors.Join(err, p.router.set("ipv6/conf/all/forwarding", "1"))
	}
	return err
}

// networks are those of the LAN, in which the router has the first addresses.
func (p *place) networks() []netip.Prefix {
	all := []netip.Prefix{netip.MustParsePrefix(p.subnet + ".0/24")}
	if p.subnet6 != "" {
		all = append(all, netip.MustParsePrefix(p.subnet6+":1::/64"))
	}
	return all
}

// addHost puts a host into the LAN; isolated ones reach the router alone.
func (p *place) addHost(isolated bool) error {
	h, err := newNamespace()
	if err != nil {
		return err
	}
	p.hosts = append(p.hosts, host{h, p})
	if p.subnet6 != "" {
		if err := h.allowIPv6(); err != nil {
			return err
		}
	}
	_, err = p.plug(h, "eth0", isolated)
	return err
}

// plug connects a namespace to the LAN by a device, and returns its address
// there, the next one.
func (p *place) plug(h *namespace, dev string, isolated bool) (at netip.Addr, err error) {
	p.plugged++
	commands := []string{fmt.Sprintf("link add %s type veth peer name port%d netns %s", dev, p.plugged, p.router.path())}
	commands = append(commands, p.settle(p.plugged, dev)...)
	if err := h.ip(commands...); err != nil {
		return at, err
	}
	port := []string{fmt.Sprintf("link set port%d master lan", p.plugged), fmt.Sprintf("link set port%d up", p.plugged)}
	if isolated {
		port = append(port, fmt.Sprintf("link set port%d type bridge_slave isolated on", p.plugged))
	}
	return p.address(p.networks()[0], p.plugged), p.router.ip(port...)
}

// settle are the commands by which the LAN's n-th guest has its addresses on a
// device.
func (p *place) settle(n int, dev string) []string {
	commands := []string{"link set " + dev + " up"}
	for _, network := range p.networks() {
		at := p.address(network, n)
		commands = append(commands, addAddr(at, network.Bits(), dev),
			fmt.Sprintf("route add %s via %v", everywhere(at), network.Addr().Next()))
	}
	return commands
}

// address of the n-th guest in a network.
func (p *place) address(network netip.Prefix, n int) netip.Addr {
	b := network.Addr().AsSlice()
	b[len(b)-1] = byte(10 + n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// renumber has the router give other ports than so far to flows that it does not
// know: once it forgets those it does, which alone would have them come back the
// same.
func (p *place) renumber() error {
	base := 10000 + rand.IntN(10000) // no system's own ports are there
	return p.router.run(fmt.Sprintf(`
insert rule ip nat post oifname wan meta l4proto udp masquerade to :%d-%d
flush map ip nat eim
flush map ip nat back
flush set ip nat adf
`, base, base+1000), "nft", "-f", "-")
}

// readdress gives a host another address, after some time without any.
func (h host) readdress(without time.Duration) error {
	if err := h.ip("addr flush dev eth0"); err != nil { // the route goes with it
		return err
	}
	time.Sleep(without)
	h.place.plugged++
	return h.ip(h.place.settle(h.place.plugged, "eth0")...)
}

func (p *place) close() {
	if p.line != nil && !p.carried {
		p.line.close()
	}
	for _, h := range p.hosts {
		h.close()
	}
	if p.router != nil {
		p.router.close()
	}
}

// town is places that are built, and go, together.
type town struct {
	in     *internet
	places []*place
	err    error // the first
}

// place adds one. After an error it is of no use.
func (w *town) place(k kind, s site) *place {
	useless := &place{hosts: make([]host, max(s.hosts, 1))}
	if w.err != nil {
		return useless
	}
	p, err := newPlace(w.in, k, s)
	if err != nil {
		w.err = err
		return useless
	}
	w.places = append(w.places, p)
	return p
}

// home adds one with one host, and returns that.
func (w *town) home(k kind, s site) host { return w.place(k, s).hosts[0] }

func (w *town) close() {
	for _, p := range w.places {
		p.close()
	}
}
