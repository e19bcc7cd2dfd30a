package s2s_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// allocations is how often run allocates, both ends of a link and all together.
func allocations(rounds int, run func()) float64 {
	for range rounds / 2 {
		run()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		run()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(rounds)
}

// An event, a notice and an answer allocate nothing on their way from one
// behaviour to the other. A call does so for who waits: the request's place and
// the answer, which owns its bytes.
func TestAllocations(t *testing.T) {
	if session.Poison {
		t.Skip("poisoning builds re-use no memory")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools
	const inTurn = 64
	type burst struct{ notices bool }
	heard := make(chan struct{}, 1)
	n := 0
	count := func() {
		if n++; n%inTurn == 0 {
			heard <- struct{}{}
		}
	}
	body := wire.Payload(make([]byte, 64))
	l := onLoopback(t, func(c *s2s.Context) {
		switch m := c.Message().(type) {
		case burst:
			for range inTurn {
				if m.notices {
					c.Notify(1, body, wire.Reliable)
				} else {
					c.Event(1, body, wire.Reliable)
				}
			}
		case *s2s.Event:
			count()
		case *s2s.Operation:
			if m.Asks() {
				m.Respond(m.Body)
				return
			}
			count()
		}
	})
	for _, notices := range []bool{false, true} {
		each := allocations(400, func() {
			l.Ref().Send(burst{notices})
			<-heard
		}) / inTurn
		t.Logf("notices %v: %.3f allocations each", notices, each)
		if each > 0.05 { // the burst's own message, and what the runtime does besides
			t.Errorf("notices %v: %.3f allocations each", notices, each)
		}
	}
	each := allocations(2000, func() {
		if _, err := l.Call(t.Context(), 1, body); err != nil {
			t.Error(err)
		}
	})
	t.Logf("a call allocates %.2f times", each)
	if each > 3.1 {
		t.Errorf("a call allocates %.2f times", each)
	}
}
