//go:build natlab && linux

package natlab

import (
	"testing"
	"time"
)

// A direct path that dies without a word is left for the relay, and no reliable
// message is lost, doubled or reordered by it.
func TestCut(t *testing.T) {
	if testing.Short() {
		t.Skip("not among the short ones")
	}
	l := newLab(t)
	a, err := newPlace(l.internet, portCone, site{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := newPlace(l.internet, linux, site{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	m, ok := l.begin("cut", [2]*namespace{a.hosts[0], b.hosts[0]})
	if ok {
		cut(t, l, m, a, b)
	}
	m.end()
	for _, f := range m.faults {
		t.Error(f)
	}
}

func cut(t *testing.T, l *lab, m *meeting, a, b *place) {
	if !eventually(time.Second, m.both(hasPath)) {
		m.fault("no direct path")
		return
	}
	time.Sleep(300 * time.Millisecond)
	l.cut(a.line, b.line)
	begun := time.Now()
	if !eventually(4*time.Second, m.both(func(p *program) bool { return !hasPath(p) })) {
		m.fault("both believe in a path that is dead")
		return
	}
	took := time.Since(begun)
	eventually(10*time.Second, m.both(hasAll))
	m.look()
	t.Logf("by the relay after %v; the oldest message took %v, the last ones %v", took, m.worst, m.late)
	if m.worst > time.Second {
		t.Errorf("a message took %v", m.worst)
	}
}
