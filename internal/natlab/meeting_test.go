//go:build natlab && linux

package natlab

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// over is when a pair that has no direct path will not find one: an attempt
// lasts 5 s.
const over = 5500 * time.Millisecond

// talk is what two clients are to do.
type talk struct {
	name     string
	hosts    [2]host
	urls     [2]string // of the server
	messages int       // that each sends the other
	more     bool      // and more until it is enough
}

// between is a talk as most are: by TLS, and UDP beside it.
func between(name string, a, b host) talk {
	return talk{name: name, hosts: [2]host{a, b}, urls: [2]string{url("tls", serverIP), url("tls", serverIP)}, messages: *messages}
}

func url(scheme string, at netip.Addr) string {
	return fmt.Sprintf("%s://%v", scheme, netip.AddrPortFrom(at, serverPort))
}

// outcome is what became of a pair.
type outcome struct {
	faults    []string
	udp       [2]bool
	direct    bool
	at        [2]netip.Addr // where the ends find each other, directly
	sought    time.Duration // from the making of the group until both ends had a direct path
	fromProbe time.Duration // the same, from the first packet between the two places
	relayed   time.Duration // from the join until each end had the other's first message
	worst     time.Duration // age of a message
	recent    time.Duration // median age of the last messages: by which way they came
	packets   [2]int        // between the places, either way
	apart     time.Duration // the two sides' first packets
	late      bool          // one of them was sent when the other had come: some routers have given a port away then
}

// meeting is two clients that share a group.
type meeting struct {
	talk
	ends   [2]*program
	made   time.Time // the group, at the server
	joined time.Time // when both knew of it
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

func hasNoPath(p *program) bool { return !hasPath(p) }

// heardAll reports whether both ends have got everything.
func (m *meeting) heardAll() bool {
	for i, p := range m.ends {
		if n, all := m.sent(1 - i); !all || len(p.told("message")) < n {
			return false
		}
	}
	return true
}

// sent is how many messages an end has sent, once it has sent all.
func (m *meeting) sent(end int) (n int, all bool) {
	if told := m.ends[end].told("sent"); len(told) > 0 {
		return told[0].Number, true
	}
	return 0, false
}

var met atomic.Int32 // pairs

// begin has the clients share a group; end ends them, whatever begin says.
func (l *lab) begin(tk talk) (m *meeting, ok bool) {
	m = &meeting{talk: tk}
	name := fmt.Sprint(tk.name, " ", met.Add(1)) // the server knows pairs by their names
	for i, h := range tk.hosts {
		p, err := start(h.namespace, "-role=client", "-server="+tk.urls[i], "-pin="+l.pin, "-pair="+name,
			fmt.Sprint("-messages=", tk.messages), fmt.Sprint("-more=", tk.more), fmt.Sprint("-linger=", *linger), fmt.Sprint("-birthday=", *birthday))
		if err != nil {
			m.fault("%v", err)
			return m, false
		}
		m.ends[i] = p
	}
	if !eventually(2*patience, m.both(func(p *program) bool { return len(p.told("join")) > 0 })) {
		m.fault("no group: %s%s", &m.ends[0].said, &m.ends[1].said)
		return m, false
	}
	eventually(patience, func() bool { // the server has told it, but we may not have read it
		for _, w := range l.server.told("group") {
			if w.Pair == name {
				m.made = w.At
			}
		}
		return !m.made.IsZero()
	})
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

// meet has two clients share a group and exchange messages, until all have come
// and nothing changes any more.
func (l *lab) meet(tk talk) outcome {
	m, ok := l.begin(tk)
	if ok {
		l.watch(m)
	}
	m.end()
	return m.outcome
}

func (l *lab) watch(m *meeting) {
	eventually(patience, m.heardAll)
	eventually(time.Until(m.joined.Add(over)), m.both(hasPath))
	time.Sleep(300 * time.Millisecond) // for what unsettles it
	m.look()
	a, b := m.hosts[0].place.line, m.hosts[1].place.line
	if a == b { // the internet sees nothing of them
		return
	}
	there, back := l.went(a, b), l.went(b, a)
	m.packets = [2]int{there.packets, back.packets}
	if there.packets > 0 && back.packets > 0 {
		m.apart = there.first.Sub(back.first).Abs()
	}
	m.late = m.apart >= l.length(a, b) || (there.packets > 0) != (back.packets > 0)
	if !m.direct {
		return
	}
	since := later(m.ends[0].direct(), m.ends[1].direct())
	m.fromProbe = since.Sub(earlier(there.first, back.first))
	if m.fromProbe < l.length(a, b)+l.length(b, a) {
		m.fault("direct before a probe can have come back: %v", m.fromProbe)
	}
	for i, packets := range m.packets { // some messages share one
		if n := len(m.ends[1-i].toldSince("message", since.Add(time.Second))); packets < n/4 {
			m.fault("direct, but there went %d packets for %d messages", packets, n)
		}
	}
}

// look reads what the ends have told.
func (m *meeting) look() {
	var ages []time.Duration
	for i, p := range m.ends {
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
		if n, all := m.sent(1 - i); !all || len(got) != n || n < m.messages {
			m.fault("%d messages arrived, of %d, at least %d; all are sent: %v", len(got), n, m.messages, all)
		}
		for _, w := range slices.Concat(p.told("fault"), p.told("closed")) {
			m.fault("%s %s %d", w.What, w.Text, w.Number)
		}
		m.at[i] = p.path().Addr()
	}
	if slices.Sort(ages); len(ages) > 0 {
		m.recent = ages[len(ages)/2]
	}
	one, two := m.ends[0].direct(), m.ends[1].direct()
	m.direct = !one.IsZero() && !two.IsZero()
	if one.IsZero() != two.IsZero() {
		m.fault("one end says direct, the other does not: %v, %v", m.ends[0].told("path"), m.ends[1].told("path"))
	}
	if m.direct {
		m.sought = later(one, two).Sub(m.made)
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
