package session

import (
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// What newer messages have superseded takes no memory, however many they were.
func TestSupersededTakeNoMemory(t *testing.T) {
	s, _ := newSession(t, Limits{})
	put := func(d wire.Delivery, n int) {
		t.Helper()
		if err := s.PutEvent(&wire.Event{Code: 1, Delivery: d, Body: wire.Payload(make([]byte, n))}); err != nil {
			t.Fatal(err)
		}
		s.Flush()
	}
	put(wire.Reliable, 10) // is being written from now on
	for range 5000 {
		put(wire.Sequenced(1), 30_000)
		put(wire.Unreliable, 1000)
	}
	if used := s.env.Budget.Used(); used > 1<<20 {
		t.Errorf("%d bytes of buffers for 94,000 bytes of messages", used)
	}
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if n := len(s.out.lossy); n > 2*(maxLossy+maxSequenced)+1 {
		t.Errorf("%d segments are kept", n)
	}
}

// A burst between two flushes leaves nothing behind.
func TestBurstLeavesNothing(t *testing.T) {
	s, v := newSession(t, Limits{})
	v.open()
	for range 5000 {
		if err := s.PutEvent(&wire.Event{Code: 1, Delivery: wire.Unreliable}); err != nil {
			t.Fatal(err)
		}
	}
	s.Flush()
	if used := s.env.Budget.Used(); used != 0 {
		t.Errorf("%d bytes of buffers are held", used)
	}
	if n := cap(s.out.lossy); n > maxLossy {
		t.Errorf("room for %d segments is held", n)
	}
}
