package handshake

import (
	"encoding/binary"
	"testing"
	"time"
)

// Packets of a stranger: no panic, bounded memory and answers, and nothing is
// read at a position but one of the bytes that came for it.
func FuzzFlow(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05hello\x01\x20\x02\x40"))
	f.Add([]byte("\x00\x00\x00\x00\x05\x00\x00\x00\x00\x05hello\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05HELLO\x02\xff"))
	f.Add([]byte("\x03\xff\x00\x00\x00\x3f\xff\x00\x00\x00\x00\x09overtakes\x00\xff\xff\xff\xff\xff\xff\xff\xff\x04wrap"))
	f.Add([]byte("\x01\xff\x01\xff\x03\x10\x00\x00\x00\x00\x00\x00\x00\x04\x4c\x00\x03\xff\x03\xff\x03\xff\x03\xff"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		fl, now := NewFlow(epoch), epoch
		offered := map[int64][]byte{} // by position: the bytes that came for it
		read := int64(0)
		next := func(n int) []byte {
			n = min(n, len(ops))
			p := ops[:n]
			ops = ops[n:]
			return p
		}
		for len(ops) > 1 {
			calls, op := 100, next(1)[0]
			switch op % 4 {
			case 0: // a packet
				var h [8]byte
				copy(h[:], next(8))
				offset, ack := binary.BigEndian.Uint32(h[:]), binary.BigEndian.Uint32(h[4:])
				if op&4 != 0 {
					offset, ack = uint32(read)+offset%(Kept+2), uint32(fl.una)+ack%(Kept+2)
				}
				data := next(int(op>>3) * 40)
				calls = int(op>>2&1) * int(op>>3) // the next packet may come before all is sent
				for i, b := range data {
					pos := nearest(fl.in.next, offset) + int64(i)
					offered[pos] = append(offered[pos], b)
				}
				if sent := fl.sent; fl.Input(offset, ack, data, now) == nil && fl.una > sent {
					t.Fatal("more is acknowledged than was sent")
				}
			case 1: // the application writes
				fl.Write(pattern(0, int(op)*64), now)
			case 2: // and reads
				p := make([]byte, int(op)*16)
				for _, b := range p[:fl.Read(p)] {
					found := false
					for _, o := range offered[read] {
						found = found || o == b
					}
					if !found {
						t.Fatalf("read %#x at %d, where %v came", b, read, offered[read])
					}
					read++
				}
			case 3: // time passes
				now = now.Add(time.Duration(op) * time.Millisecond)
			}
			drained := false
			for range calls {
				_, ack, data, ok := fl.Next(now)
				if drained = !ok; drained {
					break
				}
				if len(data) > Data || ack != uint32(fl.in.next) {
					t.Fatalf("a packet of %d bytes that acknowledges %d", len(data), ack)
				}
			}
			if due := fl.Due(); drained && !due.IsZero() && !due.After(now) {
				t.Fatalf("after all is sent, due %v ago", now.Sub(due))
			}
			if fl.said > Unanswered || len(fl.out) > Kept || cap(fl.out) > 2*Kept {
				t.Fatalf("%d bytes unanswered, %d kept", fl.said, len(fl.out))
			}
			if err := fl.in.check(); err != "" {
				t.Fatalf("%s: %+v", err, fl.in.spans)
			}
		}
	})
}
