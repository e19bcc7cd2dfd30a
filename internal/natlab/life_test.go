//go:build natlab && linux

package natlab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// accident is what befalls two clients that talk directly.
type accident struct {
	name   string
	kinds  [2]kind
	scheme string        // of the sessions
	after  time.Duration // of talking
	happen func(*lab, *meeting) error
	stall  time.Duration // that it may cost
	short  bool          // among the short ones
}

var accidents = []accident{
	// A path that held for 10 s is looked for at once when it is lost, else after
	// 15 s: it has to be there again before all is said.
	{"path cut, and healed", [2]kind{portCone, linux}, "tls", 10500 * time.Millisecond, cutAndHealed, time.Second, false},
	{"path cut, server by UDP alone", [2]kind{portCone, linux}, "udp", 10500 * time.Millisecond, cutAndHealed, time.Second, false},
	{"server out of reach for 6 s, then path cut", [2]kind{linux, portCone}, "tls", 2 * time.Second, serverAway, 5 * time.Second, false},
	{"router's mappings lost", [2]kind{portCone, linux}, "tls", 2 * time.Second, mappingsLost, time.Second, true},
	{"both routers' mappings lost", [2]kind{linux, linux}, "tls", 2 * time.Second, bothMappingsLost, time.Second, false},
	{"client's Rebind", [2]kind{linux, portCone}, "tls", 2 * time.Second, rebound, time.Second, false},
	{"client's Rebind, server by UDP alone", [2]kind{linux, portCone}, "udp", 2 * time.Second, rebound, time.Second, false},
	{"host's address changed", [2]kind{linux, portCone}, "udp", 2 * time.Second, readdressed(0), time.Second, false},
	{"host without an address for 2 s", [2]kind{linux, portCone}, "udp", 2 * time.Second, readdressed(2 * time.Second), 4 * time.Second, false},
}

// Whatever becomes of a pair's path while messages flow, none of them is lost,
// doubled or reordered, they don't stop for long, and the pair finds another.
func TestPathLife(t *testing.T) {
	l := newLab(t)
	stalls := make(map[string][]time.Duration)
	type result struct {
		accident
		*meeting
		stall time.Duration
	}
	results := make(chan result, *runs*len(accidents))
	var jobs []func()
	for range *runs {
		for _, a := range accidents {
			if !testing.Short() || a.short {
				jobs = append(jobs, func() {
					m, stall := l.befall(a)
					results <- result{a, m, stall}
				})
			}
		}
	}
	inLanes(jobs)
	close(results)
	for r := range results {
		name := r.accident.name
		t.Logf("%s: nothing came for %v, the oldest message took %v; %d messages each way", name, r.stall, r.worst, r.messages)
		for _, f := range r.faults {
			t.Errorf("%s: %s", name, f)
		}
		if r.stall > r.accident.stall && !testing.Short() && *loss == 0 {
			t.Errorf("%s: nothing came for %v", name, r.stall)
		}
		stalls[name] = append(stalls[name], r.stall)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "nothing came for, median (max) ms\n| what happens | stall |\n|---|---|\n")
	for _, a := range accidents {
		if s := stalls[a.name]; len(s) > 0 {
			fmt.Fprintf(&table, "| %s | %s |\n", a.name, spread(s))
		}
	}
	t.Log(table.String())
}

// befall has two clients talk, and something happen to them meanwhile. It tells
// how long nothing came from then on.
func (l *lab) befall(a accident) (m *meeting, stall time.Duration) {
	w := &town{in: l.internet}
	defer w.close()
	tk := between(a.name, w.home(a.kinds[0], site{}), w.home(a.kinds[1], site{}))
	if w.err != nil {
		m = new(meeting)
		m.fault("%v", w.err)
		return m, 0
	}
	tk.urls = [2]string{url(a.scheme, serverIP), url(a.scheme, serverIP)}
	if tk.messages = max(tk.messages, 2000); testing.Short() {
		tk.messages = 1000
	}
	m, ok := l.begin(tk)
	defer m.end()
	switch {
	case !ok:
		return m, 0
	case !eventually(patience, m.both(hasPath)):
		m.fault("no direct path")
		return m, 0
	}
	time.Sleep(a.after)
	begun := time.Now()
	if err := a.happen(l, m); err != nil {
		m.fault("%v", err)
	}
	if m.heardAll() {
		m.fault("all was said before it was over")
	}
	eventually(2*time.Duration(tk.messages)*pause+patience, m.heardAll)
	m.look()
	return m, m.stall(begun)
}

func cutAndHealed(l *lab, m *meeting) error {
	if err := cut(l, m); err != nil {
		return err
	}
	time.Sleep(time.Second)
	l.heal(m.hosts[0].place.line, m.hosts[1].place.line)
	if !eventually(patience, m.both(hasPath)) {
		return fmt.Errorf("no direct path again")
	}
	return nil
}

func cut(l *lab, m *meeting) error {
	l.cut(m.hosts[0].place.line, m.hosts[1].place.line)
	if !eventually(patience, m.both(hasNoPath)) {
		return fmt.Errorf("both believe in a path that is dead")
	}
	return nil
}

// serverAway takes the server away, which the path must not notice; when it is
// back the relay works.
func serverAway(l *lab, m *meeting) error {
	begun := time.Now()
	for _, h := range m.hosts {
		l.cut(h.place.line, l.line)
	}
	time.Sleep(6 * time.Second)
	for _, p := range m.ends {
		if told := p.all(func(w word) bool { return w.What == "path" && !w.Direct && w.At.After(begun) }); len(told) > 0 {
			return fmt.Errorf("without the server the path is left: %v", told)
		}
	}
	if stall := m.stall(begun); stall > time.Second && !testing.Short() {
		return fmt.Errorf("without the server nothing came for %v", stall)
	}
	for _, h := range m.hosts {
		l.heal(h.place.line, l.line)
	}
	time.Sleep(500 * time.Millisecond)
	return cut(l, m)
}

func mappingsLost(_ *lab, m *meeting) error {
	return m.moves(m.hosts[0].place.renumber)
}

func bothMappingsLost(_ *lab, m *meeting) error {
	return m.moves(func() error {
		for _, h := range m.hosts {
			if err := h.place.renumber(); err != nil {
				return err
			}
		}
		return nil
	})
}

func rebound(_ *lab, m *meeting) error {
	return m.moves(func() error { return m.ends[0].do("rebind") })
}

func readdressed(without time.Duration) func(*lab, *meeting) error {
	return func(_ *lab, m *meeting) error {
		return m.moves(func() error { return m.hosts[0].readdress(without) })
	}
}

// moves has the first end be elsewhere, and waits until the other finds it there.
func (m *meeting) moves(f func() error) error {
	before := m.ends[1].path()
	if err := f(); err != nil {
		return err
	}
	if !eventually(patience, func() bool {
		now := m.ends[1].path()
		return now.IsValid() && now != before && hasPath(m.ends[0])
	}) {
		return fmt.Errorf("the other end was at %v and is at %v", before, m.ends[1].path())
	}
	return nil
}
