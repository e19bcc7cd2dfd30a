package reliable

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A window that closed because nobody received opens with the first Recv: the
// sender goes on a tick and a round trip later.
func TestClosedWindowReopens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := closedWindow(t)
		w.b.paused = false
		opened, before := w.elapsed, w.b.got
		w.until(time.Minute, func() bool { return w.b.got > before+Window })
		if took := w.elapsed - opened; took > 2*w.delay+w.grid {
			t.Errorf("the sender went on %v after", took)
		}
	})
}

// The tell may be lost, after a stall of any length: a closed window is asked
// for at a steady pace, which KCP's own questions do not keep.
func TestLostTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := closedWindow(t)
		w.until(time.Hour, func() bool { return w.elapsed > 10*time.Minute })
		w.b.paused, w.loss = false, 1
		opened, before := w.elapsed, w.b.got
		w.until(time.Minute, func() bool { return w.elapsed > opened+w.grid+time.Millisecond })
		w.loss = 0
		w.until(time.Minute, func() bool { return w.b.got > before+Window })
		if took := w.elapsed - opened; took > askEvery*w.grid+4*w.delay+2*w.grid {
			t.Errorf("the sender went on %v after", took)
		}
	})
}

// closedWindow is a world whose b has not received for 30 s, and whose a has
// more to send than b's window takes.
func closedWindow(t *testing.T) *world {
	w := newWorld(t, 1)
	w.delay = 20 * time.Millisecond
	w.b.received = func([]byte) { w.b.got++ }
	w.b.paused = true
	for range 3 * Window {
		w.a.Send(make([]byte, 100))
	}
	w.a.Flush()
	w.until(time.Minute, func() bool { return w.elapsed >= 30*time.Second })
	if n := w.a.Stats().Sent; n != Window || w.b.wnd != 0 {
		t.Fatalf("%d segments sent into a window of %d, %d told", n, Window, w.b.wnd)
	}
	packets := w.b.packets
	w.until(time.Minute, func() bool { return w.elapsed >= 31*time.Second })
	if n := w.b.packets - packets; n == 0 || n > 10 {
		t.Fatalf("%d packets told of the closed window in 1 s", n)
	}
	return w
}

// Acks leave with the answer when there is one, with Flush when asked to, and
// with Tick otherwise.
func TestAcks(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer bool
		leave  func(*Channel)
	}{
		{"with the answer", true, (*Channel).Flush},
		{"with Flush", false, (*Channel).Flush},
		{"with Tick", false, (*Channel).Tick},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := pair(t, 1)
			// b has something on its way that a's packet acknowledges: KCP
			// would send the ack of a's message within Input.
			b.Send([]byte("before"))
			b.deliver(t, a)
			a.Send([]byte("message"))
			a.deliver(t, b)
			if len(b.arriving) > 0 {
				t.Fatal("an ack left on its own within Input")
			}
			if !b.Active() {
				t.Fatal("an ack waits, and no Tick is wanted")
			}
			if test.answer {
				b.Send([]byte("answer"))
			}
			test.leave(b.Channel)
			if n := len(b.arriving); n != 1 {
				t.Fatalf("%d packets left, want 1", n)
			}
			b.deliver(t, a)
			if a.Waiting() != 0 {
				t.Error("the message is not acknowledged")
			}
		})
	}
}

// Held acks leave with the answer: those too that una does not cover, because
// what is before them was lost. Those that it covers leave only once.
func TestHeldAcksLeave(t *testing.T) {
	a, b := pair(t, 1) // sequence number 0 each way
	b.Send([]byte("before"))
	b.deliver(t, a)
	a.Send([]byte("lost")) // 1
	a.Flush()
	a.arriving = nil
	a.Send([]byte("arrives")) // 2
	a.deliver(t, b)
	b.Send([]byte("answer"))
	b.Flush()
	if len(b.arriving) != 1 {
		t.Fatalf("%d packets left, want 1", len(b.arriving))
	}
	var acks []uint32
	for s := b.arriving[0].segments; len(s) > 0; {
		h := parseHeader(s)
		s = s[headerSize+h.length:]
		if h.command == ack {
			acks = append(acks, h.seq)
		}
	}
	if !slices.Equal(acks, []uint32{2}) {
		t.Errorf("acks %d left, want 2", acks)
	}
}

// What is held is less than a packet, and nothing of it is lost but what newer
// acks cover.
func TestHold(t *testing.T) {
	var left []uint32
	c := New(3, func(p []byte) {
		if len(p) > MTU {
			t.Fatalf("%d bytes left", len(p))
		}
		for ; len(p) > 0; p = p[headerSize:] {
			left = append(left, parseHeader(p).seq)
		}
	})
	give := func(seq, una uint32) { c.hold(header{conv: 3, command: ack, seq: seq, una: una}.append(nil)) }
	give(0, 1)
	give(1, 2) // covers 0
	give(5, 2) // covers 1
	give(6, 2)
	c.release(nil)
	if !slices.Equal(left, []uint32{5, 6}) {
		t.Errorf("%d left, want 5 and 6", left)
	}
	left = nil
	for seq := range uint32(100) {
		give(seq+10, 2)
		if len(c.held) > maxHeld {
			t.Fatalf("%d bytes held", len(c.held))
		}
	}
	c.release(nil)
	if len(left) != 100 {
		t.Errorf("%d acks left of 100", len(left))
	}
	if len(c.held) > 0 {
		t.Errorf("%d bytes held after all", len(c.held))
	}
}

// Data that an ack makes room for leaves within Input: a sender needs no Flush
// to go on.
func TestAckReleasesData(t *testing.T) {
	a, b := pair(t, 1)
	for range 2 * Window {
		a.Send([]byte("m"))
	}
	a.Flush()
	a.deliver(t, b)
	b.Flush()
	for _, p := range b.arriving {
		a.Input(p.segments)
	}
	if len(a.arriving) == 0 {
		t.Error("nothing left when the window moved")
	}
}

// A channel at rest costs nothing: no packets, no Tick.
func TestRest(t *testing.T) {
	a, b := pair(t, 3)
	for range 10 {
		a.Tick()
		b.Tick()
		a.Flush()
		b.Flush()
	}
	if len(a.arriving)+len(b.arriving) > 0 || a.Active() || b.Active() {
		t.Errorf("%d and %d packets left at rest", len(a.arriving), len(b.arriving))
	}
}
