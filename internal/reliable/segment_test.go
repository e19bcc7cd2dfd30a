package reliable

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// pair is two ends that have exchanged n messages, nothing on its way; what
// they send from then on is gathered.
func pair(t testing.TB, n int) (a, b *end) {
	a, b = &end{}, &end{}
	a.Channel = New(3, func(p []byte) { a.arriving = append(a.arriving, arrival{segments: bytes.Clone(p)}) })
	b.Channel = New(3, func(p []byte) { b.arriving = append(b.arriving, arrival{segments: bytes.Clone(p)}) })
	for range n {
		for _, e := range [][2]*end{{a, b}, {b, a}} {
			if err := e[0].Send([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			e[0].deliver(t, e[1])
		}
	}
	for range 3 { // the last acks
		a.deliver(t, b)
		b.deliver(t, a)
	}
	if a.Active() || b.Active() {
		t.Fatal("not quiet after the exchange")
	}
	return a, b
}

// deliver flushes and brings all that e has sent to another end, which takes
// every message.
func (e *end) deliver(t testing.TB, to *end) {
	e.Flush()
	sent := e.arriving
	e.arriving = nil
	for _, p := range sent {
		if err := to.Input(p.segments); err != nil {
			t.Fatalf("an honest packet: %v", err)
		}
	}
	for to.Next() >= 0 {
		to.receive()
	}
}

func TestHeader(t *testing.T) {
	const golden = "0300000051" + "3a" + "0001" + "04030201" + "08070605" + "0c0b0a09" + "58040000"
	h := header{conv: 3, command: push, fragment: 58, window: 256, time: 0x01020304, seq: 0x05060708, una: 0x090a0b0c, length: 1112}
	b := h.append(nil)
	if got := hex.EncodeToString(b); got != golden {
		t.Errorf("appended %s, want %s", got, golden)
	}
	if got := parseHeader(b); got != h {
		t.Errorf("parsed %+v, want %+v", got, h)
	}
}

func TestNumberOf(t *testing.T) {
	b := header{conv: 255, command: windowAsk}.append(nil)
	if n, err := NumberOf(b); n != 255 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for n := range b {
		if _, err := NumberOf(b[:n]); !errors.Is(err, ErrSegment) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := NumberOf((header{conv: 256, command: windowAsk}).append(nil)); !errors.Is(err, ErrSegment) {
		t.Errorf("256: %v", err)
	}
}

// An end that has sent 4 segments of which all are acknowledged and one that is
// not, and has received 4, refuses what its counterpart cannot have sent, and
// is none the worse for it.
func TestImpossibleSegments(t *testing.T) {
	full := make([]byte, Segment)
	segment := func(h header, body []byte) []byte { return append(h.append(nil), body...) }
	honest := func(change func(*header)) []byte {
		h := header{conv: 3, command: push, window: 256, seq: 4, una: 4, length: 5}
		change(&h)
		return segment(h, make([]byte, min(h.length, 2000)))
	}
	ackOf := func(change func(*header)) []byte {
		h := header{conv: 3, command: ack, window: 256, seq: 3, una: 4}
		change(&h)
		return h.append(nil)
	}
	for _, test := range []struct {
		name string
		b    []byte
	}{
		{"nothing", nil},
		{"half a header", honest(func(*header) {})[:23]},
		{"half a piece", honest(func(*header) {})[:26]},
		{"a tail", append(honest(func(*header) {}), 0)},
		{"more than MTU", bytes.Repeat(ackOf(func(*header) {}), MTU/headerSize+1)},
		{"T1: a piece larger than KCP's buffers", honest(func(h *header) { h.length = 1600 })},
		{"a piece larger than Segment", segment(header{conv: 3, command: push, window: 256, seq: 4, una: 4, length: Segment + 1}, full)},
		{"T4: an empty piece", honest(func(h *header) { h.length = 0 })},
		{"T6: another channel's", honest(func(h *header) { h.conv, h.seq = 4, 0 })},
		{"T6: another conversation's", honest(func(h *header) { h.conv = 1<<8 | 3 })},
		{"one after its own kind of another channel", append(ackOf(func(*header) {}), ackOf(func(h *header) { h.conv = 2 })...)},
		{"a length of 2^31", segment(header{conv: 3, command: push, seq: 4, una: 4, length: 1 << 31}, full)},
		{"a length of 2^32 - 1", segment(header{conv: 3, command: push, seq: 4, una: 4, length: 1<<32 - 1}, full)},
		{"a length of 2^32 - 24", segment(header{conv: 3, command: push, seq: 4, una: 4, length: 1<<32 - 24}, full)},
		{"command 80", honest(func(h *header) { h.command = 80 })},
		{"command 85", honest(func(h *header) { h.command, h.length = 85, 0 })},
		{"a window larger than ours", honest(func(h *header) { h.window = 257 })},
		{"una of what was not sent", honest(func(h *header) { h.una = 6 })},
		{"una 0x7fffffff", ackOf(func(h *header) { h.una = 0x7fffffff })},
		{"una 0x7fffffff of a tell", ackOf(func(h *header) { h.command, h.una = windowTell, 0x7fffffff })},
		{"an ack of what was not sent", ackOf(func(h *header) { h.seq = 5 })},
		{"an ack of 0x7fffffff", ackOf(func(h *header) { h.seq = 0x7fffffff })},
		{"an ack with a piece", segment(header{conv: 3, command: ack, window: 256, seq: 3, una: 4, length: 1}, []byte{1})},
		{"an ack with fragments", ackOf(func(h *header) { h.fragment = 1 })},
		{"a tell with a piece", segment(header{conv: 3, command: windowTell, window: 256, una: 4, length: 1}, []byte{1})},
		{"T2: more fragments than MaxMessage has", segment(header{conv: 3, command: push, window: 256, seq: 4, una: 4, fragment: maxFragments, length: Segment}, full)},
		{"fragment 255", segment(header{conv: 3, command: push, window: 256, seq: 4, una: 4, fragment: 255, length: Segment}, full)},
		{"a short piece with more to follow", honest(func(h *header) { h.fragment = 1 })},
		{"a piece beyond the window", honest(func(h *header) { h.seq = 4 + Window })},
		{"a good segment and a bad one", append(honest(func(*header) {}), ackOf(func(h *header) { h.una = 6 })...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := pair(t, 4)
			a.Send([]byte("on its way"))
			a.Flush()
			onItsWay := a.arriving
			a.arriving = nil
			if err := a.Input(test.b); !errors.Is(err, ErrSegment) {
				t.Errorf("Input: %v", err)
			}
			if a.Waiting() != 1 || a.Next() >= 0 || len(a.arriving) > 0 {
				t.Errorf("%d wait, next %d, %d packets sent", a.Waiting(), a.Next(), len(a.arriving))
			}
			// The channel goes on.
			a.arriving = onItsWay
			got := 0
			a.received = func([]byte) { got++ }
			b.received = a.received
			b.Send([]byte("answer"))
			for range 2 {
				a.deliver(t, b)
				b.deliver(t, a)
			}
			if got != 2 || a.Waiting()+b.Waiting() > 0 {
				t.Errorf("after it %d messages arrived, %d and %d segments wait", got, a.Waiting(), b.Waiting())
			}
		})
	}
}

// The largest that is possible is not refused.
func TestPossibleSegments(t *testing.T) {
	for _, test := range []struct {
		name string
		h    header
	}{
		{"una of all that was sent", header{command: ack, seq: 3, una: 5}},
		{"an old una", header{command: ack, seq: 3, una: 1}},
		{"an old ack", header{command: ack, seq: 0, una: 4}},
		{"an ack of the last", header{command: ack, seq: 4, una: 4}},
		{"the first fragment of the largest message", header{command: push, seq: 4, una: 4, fragment: maxFragments - 1, length: Segment}},
		{"the last of the window", header{command: push, seq: 4 + Window - 1, una: 4, length: 1}},
		{"an old push", header{command: push, seq: 0, una: 0, length: 5}},
	} {
		a, _ := pair(t, 4)
		a.Send([]byte("on its way"))
		a.Flush()
		test.h.conv = 3
		test.h.window = Window
		if err := a.Input(append(test.h.append(nil), make([]byte, test.h.length)...)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// Pieces that never end a message make none larger than MaxMessage: the channel
// refuses everything from there on.
func TestMessageWithoutEnd(t *testing.T) {
	a, _ := pair(t, 0)
	for seq := range uint32(Window) {
		h := header{conv: 3, command: push, window: Window, seq: seq, fragment: maxFragments - 1, length: Segment}
		if err := a.Input(append(h.append(nil), make([]byte, Segment)...)); err != nil {
			t.Fatal(err)
		}
		a.Flush()
	}
	if n := a.Next(); n != -1 {
		t.Fatalf("next %d", n)
	}
	if n := a.Recv(make([]byte, 1<<20)); n != -1 {
		t.Errorf("Recv %d", n)
	}
	if err := a.Input((header{conv: 3, command: windowAsk, window: Window}).append(nil)); !errors.Is(err, ErrSegment) {
		t.Errorf("Input after it: %v", err)
	}
}

// What waits for a Recv that never comes is bounded, though the other end sends
// on and on.
func TestBacklogBounded(t *testing.T) {
	a, _ := pair(t, 0)
	taken := 0
	for range 3 {
		for seq := range uint32(10 * Window) {
			h := header{conv: 3, command: push, window: Window, seq: seq, length: Segment}
			if a.Input(append(h.append(nil), make([]byte, Segment)...)) == nil {
				taken = max(taken, int(seq)+1)
			}
			a.Flush()
			a.arriving = nil
		}
	}
	if taken != 2*Window {
		t.Errorf("%d segments taken, want %d", taken, 2*Window)
	}
}
