package link

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
)

// preset is a way to be attached to the internet, and what a server would say of
// its mapping.
type preset struct {
	name    string
	nat     *simnet.NAT // nil is none
	mapping Mapping
}

func presets() []preset {
	p := func(n simnet.NAT) *simnet.NAT { return &n }
	openSymmetric := simnet.Symmetric()
	openSymmetric.Filtering = simnet.EndpointIndependent
	return []preset{
		{"open", nil, Independent},
		{"firewall", p(simnet.Firewall()), Independent},
		{"fullcone", p(simnet.FullCone()), Independent},
		{"restricted", p(simnet.RestrictedCone()), Independent},
		{"port", p(simnet.PortRestricted()), Independent},
		{"linux", p(simnet.Linux()), Independent},
		{"symseq", p(simnet.SymmetricSequential()), Sequential},
		{"sym", p(simnet.Symmetric()), Random},
		{"sym-eif", p(openSymmetric), Random},
		{"blocked", p(simnet.Blocked()), Blocked},
	}
}

// theory says Y, P or B for a pair of presets, in either order; "" is a pair that
// has to relay.
var theory = func() map[[2]string]string {
	table := `
		open       Y Y Y Y Y Y Y Y Y -
		firewall   . Y Y Y Y Y P B B -
		fullcone   . . Y Y Y Y Y Y Y -
		restricted . . . Y Y Y Y Y Y -
		port       . . . . Y Y P B B -
		linux      . . . . . Y P B B -
		symseq     . . . . . . P - - -
		sym        . . . . . . . - - -
		sym-eif    . . . . . . . . Y -
		blocked    . . . . . . . . . -`
	names := presets()
	m := map[[2]string]string{}
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		for j, cell := range strings.Fields(line)[1:] {
			if j >= i && cell != "-" {
				m[[2]string{names[i].name, names[j].name}] = cell
			}
		}
	}
	return m
}()

// driver is the least a caller does: one socket, a packet a probe.
//
//	kind     byte   challenge or response
//	nonce    [8]byte
//	observed [18]byte of a response
type driver struct {
	link   *Link
	conn   *simnet.PacketConn // the pair's; with birthday an extra one takes its place
	in     chan arrival
	host   *simnet.Host
	rng    *rand.Rand
	probes int
	direct time.Time
	stop   chan struct{}
	done   chan struct{}
	kick   chan func(*Link)
}

type arrival struct {
	conn *simnet.PacketConn
	from netip.AddrPort
	data [27]byte
}

const (
	challenge = 1
	response  = 2
	question  = 3 // to the server: where do you see me?
)

var natServer = netip.MustParseAddrPort("203.0.113.1:3478")

// serve answers questions with the address they come from.
func serve(n *simnet.Net, t *testing.T) {
	c, err := n.Host(natServer.Addr().String()).ListenPacket(natServer.Port())
	if err != nil {
		t.Fatal(err)
	}
	go func() { // until the net is closed
		var b [27]byte
		for {
			_, from, err := c.ReadFromUDPAddrPort(b[:])
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(appendObserved(b[:9], from), from)
		}
	}()
}

func appendObserved(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().As16()
	return binary.BigEndian.AppendUint16(append(b, ip[:]...), a.Port())
}

func observed(b []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[:16])).Unmap(), binary.BigEndian.Uint16(b[16:]))
}

// attach makes an end behind a preset and asks the server about it.
func attach(t *testing.T, n *simnet.Net, i int, p preset, cfg Config) (d *driver, info Info) {
	t.Helper()
	wan := fmt.Sprintf("198.51.100.%d", 7+i)
	d = &driver{in: make(chan arrival, 64), kick: make(chan func(*Link), 4), stop: make(chan struct{}), done: make(chan struct{}), rng: rand.New(rand.NewPCG(uint64(i), 5))}
	switch {
	case p.nat == nil:
		d.host = n.Host(wan)
	case p.nat.Routed:
		d.host = n.Router("198.51.100."+fmt.Sprint(107+i), *p.nat).Host(wan)
	default:
		d.host = n.Router(wan, *p.nat).Host("192.168.0.2")
	}
	d.conn = d.open(t)
	info = Info{Host: []netip.AddrPort{d.conn.AddrPort()}, Mapping: p.mapping, Delta: 1, Birthday: cfg.Birthday}
	if p.mapping != Blocked {
		d.conn.WriteToUDPAddrPort([]byte{question, 26: 0}, natServer)
		a := <-d.in
		seen := observed(a.data[9:])
		info.Reflexive, info.Last = []netip.AddrPort{seen}, seen.Port()
	}
	d.link = New(cfg, info, func() (b [8]byte) { binary.BigEndian.PutUint64(b[:], d.rng.Uint64()); return b })
	return d, info
}

// open opens a socket and reads it until the net is closed.
func (d *driver) open(t *testing.T) *simnet.PacketConn {
	c, err := d.host.ListenPacket(0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			a := arrival{conn: c}
			_, from, err := c.ReadFromUDPAddrPort(a.data[:])
			if err != nil {
				return
			}
			a.from = from
			select {
			case d.in <- a:
			case <-d.stop:
				return
			}
		}
	}()
	return c
}

// run is the loop that a caller of Link has.
func (d *driver) run(t *testing.T) {
	defer close(d.done)
	timer := time.NewTimer(0)
	for {
		select {
		case <-d.stop:
			return
		case f := <-d.kick:
			f(d.link)
		case a := <-d.in:
			d.take(a)
		case <-timer.C:
		}
		for due := d.link.Due(); !due.IsZero() && !due.After(time.Now()); due = d.link.Due() {
			d.step(t)
		}
		if due := d.link.Due(); !due.IsZero() {
			timer.Reset(time.Until(due))
		}
	}
}

func (d *driver) take(a arrival) {
	nonce := [8]byte(a.data[1:9])
	switch a.data[0] {
	case challenge:
		b := append([]byte{response}, nonce[:]...)
		a.conn.WriteToUDPAddrPort(appendObserved(b, a.from), a.from)
		if d.direct.IsZero() {
			d.conn = a.conn // the one the peer has found
		}
		d.link.Challenged(time.Now(), a.from)
	case response:
		d.link.Answered(time.Now(), nonce, observed(a.data[9:]))
	}
}

func (d *driver) step(t *testing.T) {
	out := d.link.Step(time.Now(), func(to netip.AddrPort, nonce [8]byte) bool {
		d.probes++
		d.conn.WriteToUDPAddrPort(append(append([]byte{challenge}, nonce[:]...), make([]byte, 18)...), to)
		return true
	})
	for _, e := range out.Events {
		if e.To == Direct && d.direct.IsZero() {
			d.direct = e.At
		}
	}
	for range out.Sockets {
		c := d.open(t)
		var b [27]byte
		b[0] = challenge
		binary.BigEndian.PutUint64(b[1:], d.rng.Uint64())
		c.WriteToUDPAddrPort(b[:], out.Target)
	}
}

// punchThrough joins two ends by an internet with a round trip of 40 ms and
// returns when both were direct, from the start.
func punchThrough(t *testing.T, seed uint64, a, b preset, cfg Config, loss float64, wait time.Duration) (took time.Duration, ok bool, probes int) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed)
		defer n.Close()
		n.SetLink(netip.Addr{}, netip.Addr{}, simnet.Link{Delay: 20 * ms})
		serve(n, t)
		x, xInfo := attach(t, n, 0, a, cfg)
		y, yInfo := attach(t, n, 1, b, cfg)
		n.SetLink(netip.Addr{}, netip.Addr{}, simnet.Link{Delay: 20 * ms, Loss: loss})
		start := time.Now()
		go x.run(t) // until stop
		go y.run(t)
		x.kick <- func(l *Link) { l.Start(time.Now(), yInfo, 0) }
		y.kick <- func(l *Link) { l.Start(time.Now(), xInfo, 0) }
		time.Sleep(wait)
		for _, d := range []*driver{x, y} {
			close(d.stop)
			<-d.done
			probes = max(probes, d.probes)
		}
		if ok = !x.direct.IsZero() && !y.direct.IsZero(); ok {
			took = max(x.direct.Sub(start), y.direct.Sub(start))
		}
	})
	return took, ok, probes
}

func TestNATMatrix(t *testing.T) {
	all := presets()
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-11s", "")
	for _, p := range all {
		fmt.Fprintf(&table, "%11s", p.name)
	}
	for i, a := range all {
		fmt.Fprintf(&table, "\n%-11s%*s", a.name, 11*i, "")
		for _, b := range all[i:] {
			took, ok, probes := punchThrough(t, 1, a, b, Config{}, 0, 5*time.Second)
			cell := "-"
			if ok {
				cell = took.Round(ms).String()
			}
			fmt.Fprintf(&table, "%11s", cell)
			want := theory[[2]string{a.name, b.name}]
			if possible := want == "Y" || want == "P"; ok != possible {
				t.Errorf("%s and %s: direct %v, theory says %q", a.name, b.name, ok, want)
			}
			limit := 45 * ms
			if sym := func(m Mapping) bool { return m == Random || m == Sequential }; want == "Y" && (sym(a.mapping) || sym(b.mapping)) {
				limit = 65 * ms
			}
			if ok && took > limit {
				t.Errorf("%s and %s: direct after %v, want %v", a.name, b.name, took, limit)
			}
			if probes > 600 {
				t.Errorf("%s and %s: %d probes", a.name, b.name, probes)
			}
		}
	}
	t.Log(table.String())
}

// The pairs that theory says need a birthday; the time is of luck.
func TestBirthdayThroughNATs(t *testing.T) {
	var took []time.Duration
	find := func(name string) preset {
		for _, p := range presets() {
			if p.name == name {
				return p
			}
		}
		t.Fatal(name)
		return preset{}
	}
	for _, name := range []string{"firewall", "port", "linux"} {
		for seed := range uint64(70) {
			d, ok, probes := punchThrough(t, seed, find(name), find("sym"), Config{Birthday: true}, 0, 6*time.Second)
			if !ok || probes > 2048+300 {
				t.Errorf("%s and sym, seed %d: direct %v, %d probes", name, seed, ok, probes)
				continue
			}
			took = append(took, d)
		}
	}
	if len(took) == 0 {
		return
	}
	median, worst := spread(took)
	t.Logf("median %v, worst %v of %d", median, worst, len(took))
	if median > 1300*ms {
		t.Errorf("median %v", median)
	}
}
