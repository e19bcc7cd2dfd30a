package groups

import "testing"

func TestRoomWakesWhoAskedBefore(t *testing.T) {
	var r room
	woken := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	first, _ := r.ask()
	if woken(first) {
		t.Error("woken by nobody")
	}
	r.wake()
	second, over := r.ask()
	if !woken(first) || woken(second) || over {
		t.Error("a wake is for those who asked before it")
	}
	r.close()
	if _, over := r.ask(); !over || !woken(second) {
		t.Error("a close is for all")
	}
	r.wake()
	r.close()
}
