package session

import (
	"bytes"
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

// Of a queue that is never empty, what has left makes room for what comes: the
// memory is as much as waits asks for, and every frame leaves, whole and in order.
func TestBacklogMakesRoom(t *testing.T) {
	const size, backlog = 4 << 10, 1 << 20
	q := outbox{soft: 4 << 20, hard: 4 << 20, budget: NewBudget(0), writing: true}
	var in, out byte
	for n := range 5000 {
		body := bytes.Repeat([]byte{in}, size)
		e := wire.Event{Code: 1, Delivery: wire.Reliable, Body: wire.Payload(body)}
		b, err := q.begin(wire.FrameSize(e.Size()), e.Delivery, lane{})
		if err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		q.commit(e.AppendFrame(b))
		in++
		q.mu.Lock()
		for q.queuedLocked() > backlog {
			b := q.takeLocked()
			if len(b.unread()) == 0 {
				t.Fatalf("nothing is taken of %d bytes", q.queuedLocked())
			}
			for rest := b.unread(); len(rest) > 0; {
				_, body, n, err := wire.ParseFrame(rest, wire.MaxFrame)
				var got wire.Event
				if err == nil {
					err = got.Parse(body)
				}
				if err != nil || !bytes.Equal(got.Payload, bytes.Repeat([]byte{out}, size)) {
					t.Fatalf("%.20q… instead of %d: %v", got.Payload, out, err)
				}
				out++
				rest = rest[n:]
			}
			q.releaseLocked(b)
		}
		q.mu.Unlock()
		if used := q.budget.Used(); used > 4*backlog {
			t.Fatalf("%d bytes of memory for %d", used, backlog)
		}
	}
}
