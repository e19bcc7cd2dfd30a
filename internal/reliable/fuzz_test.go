package reliable

import "testing"

// FuzzInput gives arbitrary bytes to an end after an exchange, and has some of
// its segments on their way. Whatever they are, what was never sent stays
// queued, no message exceeds MaxMessage, what is held is bounded, and refused
// segments change nothing.
func FuzzInput(f *testing.F) {
	tell := header{conv: 3, command: windowTell, window: Window, una: 2}
	f.Add(tell.append(nil), uint8(2), uint16(3))
	f.Add(append(header{conv: 3, command: push, window: 3, seq: 2, una: 4, length: 3}.append(nil), "abc"...), uint8(2), uint16(300))
	f.Add(append(header{conv: 3, command: ack, seq: 5, una: 4}.append(nil), header{conv: 3, command: ack, window: 9, seq: 7, una: 5}.append(nil)...), uint8(4), uint16(30))
	f.Add(header{conv: 3, command: ack, window: 256, seq: 1, una: 0x7fffffff}.append(nil), uint8(1), uint16(5))
	f.Add(append(header{conv: 3, command: push, window: 3, seq: 1, fragment: 58, length: Segment}.append(nil), make([]byte, Segment)...), uint8(1), uint16(5))
	f.Add(header{conv: 3, command: push, window: 3, seq: 1, length: 1 << 31}.append(nil), uint8(1), uint16(5))
	f.Add(header{conv: 3, command: windowAsk, una: 300}.append(nil), uint8(0), uint16(600))

	f.Fuzz(func(t *testing.T, b []byte, exchanged uint8, queued uint16) {
		a, _ := pair(t, int(exchanged%8))
		before := a.Stats().Sent
		for range queued % 1000 {
			a.Send([]byte("message"))
		}
		a.Flush()
		for piece := range pieces(b) {
			waiting, next := a.Waiting(), a.Next()
			err := a.Input(piece)
			if err != nil && (a.Waiting() != waiting || a.Next() != next) {
				t.Fatalf("refused segments had an effect: %d -> %d wait", waiting, a.Waiting())
			}
			unsent := int(uint64(queued%1000) - (a.Stats().Sent - before))
			if a.Waiting() < unsent {
				t.Fatalf("%d wait of which %d were never sent", a.Waiting(), unsent)
			}
			if len(a.held) > maxHeld || a.Next() > MaxMessage {
				t.Fatalf("%d bytes of acks held, next message %d", len(a.held), a.Next())
			}
			if len(b)%2 == 0 {
				a.Flush()
			}
		}
		for range 3 {
			for a.Next() >= 0 {
				a.receive()
			}
			a.Flush()
			a.Tick()
		}
		for _, p := range a.arriving {
			if len(p.segments) > MTU {
				t.Fatalf("%d bytes sent", len(p.segments))
			}
		}
	})
}

// pieces cuts bytes into packets of a segment each, by their own lengths, and
// gives all that is left as one packet too.
func pieces(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(len(b), headerSize)
			if n == headerSize {
				n += int(min(parseHeader(b).length, uint32(len(b)-n)))
			}
			if !yield(b[:n]) || !yield(b) {
				return
			}
			b = b[n:]
		}
	}
}
