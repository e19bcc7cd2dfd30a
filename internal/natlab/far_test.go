//go:build natlab && linux

package natlab

import (
	"testing"
	"time"
)

// The server has both ends send their first probes at once, however much farther
// away one of them is: some routers give a port away to who is early.
func TestFar(t *testing.T) {
	const farther = 60 * time.Millisecond
	if testing.Short() {
		t.Skip("not among the short ones")
	}
	l := newLab(t)
	a, err := newPlace(l.internet, linuxAccept, site{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := newPlace(l.internet, linuxAccept, site{extra: farther})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	o := l.meet("far", a, b, [2]*namespace{a.hosts[0], b.hosts[0]})
	judge(t, "far", o, always)
	if o.apart > farther/2 {
		t.Errorf("the ends' first probes are %v apart", o.apart)
	}
}
