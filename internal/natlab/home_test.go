//go:build natlab && linux

package natlab

import (
	"testing"
)

// Two clients behind one router: they reach each other in their LAN, or through
// the router where that turns packets for its own address back, or not at all.
func TestSameHome(t *testing.T) {
	if testing.Short() {
		t.Skip("not among the short ones")
	}
	l := newLab(t)
	for _, c := range []struct {
		name     string
		kind     kind
		hairpin  bool
		isolated bool // from each other, as guests are
		want     chance
	}{
		{"LAN", linux, false, false, always},
		{"symmetric-LAN", symRandom, false, false, always},
		{"isolated", portCone, false, true, never},
		{"isolated-hairpin-port", portCone, true, true, always},
		{"isolated-hairpin-fullcone", fullCone, true, true, always},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPlace(l.internet, c.kind, site{hosts: 2, hairpin: c.hairpin, isolated: c.isolated})
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			judge(t, c.name, l.meet(c.name, p, p, [2]*namespace{p.hosts[0], p.hosts[1]}), c.want)
		})
	}
}
