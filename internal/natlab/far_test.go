//go:build natlab && linux

package natlab

import (
	"fmt"
	"testing"
	"time"
)

// Some routers give a port away to who sends to it before their own client has.
// So the server has both ends send their first probes at the same time, however
// much farther from it one of them is than they are from each other.
func TestUnequalDistance(t *testing.T) {
	if testing.Short() {
		t.Skip("not among the short ones")
	}
	const near, far, peers = 5 * time.Millisecond, 80 * time.Millisecond, 10 * time.Millisecond
	l := newLab(t)
	rows := []struct {
		a, b kind
		to   time.Duration // from the server to b
	}{
		{linuxAccept, linuxAccept, far},
		{linuxAccept, linux, near},
		{linuxAccept, linuxReject, far},
		{linux, linuxAccept, far},
		{linux, linuxReject, far},
	}
	done := make([][]outcome, len(rows))
	var jobs []func()
	for i, c := range rows {
		done[i] = make([]outcome, *runs)
		for run := range *runs {
			jobs = append(jobs, func() {
				done[i][run] = l.insist(t, fmt.Sprintf("%v-%v", c.a, c.b), always, func(w *town) talk {
					a, b := w.home(c.a, site{}), w.home(c.b, site{})
					if w.err == nil {
						l.apart(l.line, a.place.line, near)
						l.apart(l.line, b.place.line, c.to)
						l.apart(a.place.line, b.place.line, peers)
					}
					return between("", a, b)
				})
			})
		}
	}
	inLanes(jobs)
	for i, c := range rows {
		name := fmt.Sprintf("%v near, %v at %v", c.a, c.b, c.to)
		for _, o := range done[i] {
			judge(t, name, o, always)
		}
		t.Logf("%s: direct %s", name, sum(done[i]))
	}
}
