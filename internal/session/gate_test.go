package session

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		passed, resumed := 0, 0
		pass := func() {
			g.wait(func() { resumed++ })
			passed++
		}
		expect := func(p, r int) {
			t.Helper()
			synctest.Wait()
			if passed != p || resumed != r {
				t.Errorf("passed %d times, resumed %d; want %d, %d", passed, resumed, p, r)
			}
		}
		g.charge(maxInbound - 1)
		pass()
		expect(1, 0)

		g.charge(1)
		go pass()
		expect(1, 0)
		if !g.stuck() {
			t.Error("the reader passes at the limit")
		}
		g.credit(1)
		expect(2, 1)

		g.charge(1)
		go pass()
		expect(2, 1)
		g.lift()
		expect(3, 2)
		g.lift()
		pass()
		expect(4, 2)
		g.lower()
		pass()
		expect(5, 2)
		g.lower()
		go pass()
		expect(5, 2)
		if !g.stuck() {
			t.Error("a gate that was lowered lets the reader pass")
		}
		g.close()
		expect(6, 3)
		pass()
		expect(7, 3)
	})
}

// A reader that goes on counts as stuck until it has said that it does.
func TestGateStuckWhileResuming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.charge(maxInbound)
		go g.wait(func() { time.Sleep(time.Second) })
		synctest.Wait()
		g.credit(maxInbound)
		synctest.Wait()
		if !g.stuck() {
			t.Error("not stuck while it resumes")
		}
		time.Sleep(2 * time.Second)
		if g.stuck() {
			t.Error("stuck after it has resumed")
		}
	})
}
