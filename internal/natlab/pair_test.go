//go:build natlab && linux

package natlab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

const (
	delay      = 20 * time.Millisecond // one way, between any two places
	serverPort = 4530
	// settle is when a pair that has no direct path will not find one: an attempt
	// lasts 5 s.
	settle = 5500 * time.Millisecond
)

var serverIP = netip.MustParseAddr("203.0.113.10")

// lab is an internet with a server.
type lab struct {
	*internet
	at     netip.AddrPort
	ns     *namespace
	line   *line
	server *program
	pin    string
}

// needs skips the test where there can be no lab.
func needs(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (packages iproute2 and nftables): %v", tool, err)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("needs TUN devices: %v", err)
	}
	n, err := newNamespace()
	if err != nil {
		t.Skipf("needs network namespaces: %v", err)
	}
	n.close()
}

func newLab(t *testing.T) *lab {
	t.Helper()
	needs(t)
	l := &lab{internet: newInternet(delay, *loss), at: netip.AddrPortFrom(serverIP, serverPort)}
	var err error
	if l.ns, err = newNamespace(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.wait)
	t.Cleanup(l.ns.close)
	if l.line, err = l.attach(l.ns, 0, serverIP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.line.close)
	if l.server, err = start(l.ns, "-role=server", "-server="+l.at.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.server.stop(); err != nil {
			t.Errorf("the server: %v", err)
		}
		if t.Failed() {
			t.Logf("the server said %s", l.server.said.String())
		}
	})
	if !eventually(10*time.Second, func() bool { return len(l.server.told("pin")) > 0 }) {
		t.Fatalf("the server does not listen: %s", l.server.said.String())
	}
	l.pin = l.server.told("pin")[0].Text
	return l
}

// eventually waits for what is so.
func eventually(limit time.Duration, so func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if so() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

var met atomic.Int32 // pairs

// outcome is what became of a pair.
type outcome struct {
	faults    []string
	udp       [2]bool
	direct    bool
	fromJoin  time.Duration // until both ends had a direct path
	fromProbe time.Duration // the same, from the first packet between the two places
	relayed   time.Duration // from the join until each end had the other's first message
	worst     time.Duration // age of a message
	late      time.Duration // median age of the last messages: by which way they came
	packets   [2]int        // between the places, either way
	apart     time.Duration // the two sides' first packets; a router that takes a port from who is late tells them by more than the delay
}

// meeting is two clients that share a group.
type meeting struct {
	ends   [2]*program
	joined time.Time // when both knew
	outcome
}

func (m *meeting) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// both reports whether something is so of both ends.
func (m *meeting) both(so func(*program) bool) func() bool {
	return func() bool { return so(m.ends[0]) && so(m.ends[1]) }
}

func hasPath(p *program) bool { return !p.direct().IsZero() }

func hasAll(p *program) bool { return len(p.told("message")) >= *messages }

// begin has clients in two hosts share a group; end ends them, whatever begin
// says.
func (l *lab) begin(name string, hosts [2]*namespace) (m *meeting, ok bool) {
	m = new(meeting)
	name = fmt.Sprint(name, " ", met.Add(1)) // the server knows pairs by their names
	for i, h := range hosts {
		p, err := start(h, "-role=client", "-server="+l.at.String(), "-pin="+l.pin, "-pair="+name, fmt.Sprint("-messages=", *messages), fmt.Sprint("-linger=", *linger))
		if err != nil {
			m.fault("%v", err)
			return m, false
		}
		m.ends[i] = p
	}
	if !eventually(40*time.Second, m.both(func(p *program) bool { return len(p.told("join")) > 0 })) {
		m.fault("no group: %s%s", &m.ends[0].said, &m.ends[1].said)
		return m, false
	}
	m.joined = later(m.ends[0].told("join")[0].At, m.ends[1].told("join")[0].At)
	for i, p := range m.ends {
		if r := p.told("ready"); len(r) > 0 {
			m.udp[i] = r[0].Direct
		}
	}
	return m, true
}

func (m *meeting) end() {
	for _, p := range m.ends {
		if p == nil {
			continue
		}
		if err := p.stop(); err != nil {
			m.fault("%v", err)
		}
	}
}

// meet has clients in two hosts share a group and exchange messages, until all
// have come and nothing changes any more.
func (l *lab) meet(name string, a, b *place, hosts [2]*namespace) outcome {
	m, ok := l.begin(name, hosts)
	if ok {
		l.watch(m, a, b)
	}
	m.end()
	return m.outcome
}

func (l *lab) watch(m *meeting, a, b *place) {
	eventually(15*time.Second, m.both(hasAll))
	eventually(time.Until(m.joined.Add(settle)), m.both(hasPath))
	time.Sleep(300 * time.Millisecond) // for what unsettles it
	m.look()
	if a == b {
		return
	}
	there, back := l.went(a.line, b.line), l.went(b.line, a.line)
	m.packets, m.apart = [2]int{there.packets, back.packets}, there.first.Sub(back.first).Abs()
	if m.direct {
		m.fromProbe = later(m.ends[0].direct(), m.ends[1].direct()).Sub(earlier(there.first, back.first))
		if m.fromProbe < 2*delay {
			m.fault("direct before a probe can have come back: %v", m.fromProbe)
		}
		if min(m.packets[0], m.packets[1]) < *messages/2 {
			m.fault("direct, but only %v packets went between the places", m.packets)
		}
	}
}

// look reads what the ends have told.
func (m *meeting) look() {
	var ages []time.Duration
	for _, p := range m.ends {
		got := p.told("message")
		if len(got) > 0 {
			m.relayed = max(m.relayed, got[0].At.Sub(m.joined))
		}
		for _, w := range got[max(0, len(got)-50):] {
			ages = append(ages, w.Took)
		}
		for _, w := range got {
			m.worst = max(m.worst, w.Took)
		}
		if len(got) != *messages {
			m.fault("%d messages arrived, want %d", len(got), *messages)
		}
		for _, w := range append(p.told("fault"), p.told("closed")...) {
			m.fault("%s %s %d", w.What, w.Text, w.Number)
		}
	}
	if slices.Sort(ages); len(ages) > 0 {
		m.late = ages[len(ages)/2]
	}
	one, two := m.ends[0].direct(), m.ends[1].direct()
	m.direct = !one.IsZero() && !two.IsZero()
	if one.IsZero() != two.IsZero() {
		m.fault("one end says direct, the other does not: %v, %v", m.ends[0].told("path"), m.ends[1].told("path"))
	}
	if m.direct {
		m.fromJoin = later(one, two).Sub(m.joined)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlier of two times, of which the zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
