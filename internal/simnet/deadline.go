package simnet

import (
	"sync"
	"time"
)

// deadline wakes those who wait on a condition when its time has come. The
// condition's lock guards it.
type deadline struct {
	at    time.Time // zero if there is none
	fired bool      // its timer says that it has passed, whatever the clock says
	timer *time.Timer
	set   uint64 // how often it was set: timers of before do not count
}

// passedLocked reports whether it has passed. In the very instant it has,
// whether its timer has fired yet or not.
func (d *deadline) passedLocked() bool {
	return d.fired || !d.at.IsZero() && !time.Now().Before(d.at)
}

func (d *deadline) setLocked(t time.Time, wake *sync.Cond) {
	d.stopLocked()
	d.at, d.fired = t, false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		wake.Broadcast()
		return
	}
	set := d.set
	d.timer = time.AfterFunc(left, func() {
		wake.L.Lock()
		defer wake.L.Unlock()
		if d.set == set {
			d.fired = true
			wake.Broadcast()
		}
	})
}

// stopLocked makes a deadline that has not passed never pass.
func (d *deadline) stopLocked() {
	d.set++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
