package packet

import (
	"encoding/binary"
	"testing"
)

func windowAt(size int, next uint64) *window {
	w := &window{bits: make([]uint64, size/64)}
	if next > 0 {
		w.commit(next - 1)
	}
	return w
}

func TestExpand(t *testing.T) {
	const half, whole = 1 << 31, 1 << 32
	for _, x := range []struct {
		next uint64
		low  uint32
		want uint64
	}{
		{0, 0, 0},
		{0, half, half},
		{0, 0xffffffff, 0xffffffff}, // nothing is below 0
		{5, 4, 4},
		{5, 5, 5},
		{half, 0, 0},
		{half + 1, 0, whole}, // next-half is too far, next+half-1 near enough
		{half + 1, 1, 1},
		{whole - 1, 0, whole},
		{whole - 1, 0xffffffff, whole - 1},
		{whole, 0xffffffff, whole - 1},
		{whole, 0, whole},
		{whole + 10, 0xfffffff0, whole - 16},
		{3*whole + 10, 0xfffffff0, 3*whole - 16},
		{3*whole - 10, 3, 3*whole + 3},
	} {
		if got := windowAt(1024, x.next).expand(x.low); got != x.want {
			t.Errorf("next %#x, low %#x: %#x, want %#x", x.next, x.low, got, x.want)
		}
	}
}

func TestWindowEdges(t *testing.T) {
	for _, size := range []uint64{64, 1024, 4096} {
		for _, next := range []uint64{1, 64, 65, size - 1, size, size + 1, 2*size + 17, 1<<32 - 1, 1 << 32, 1<<32 + 1} {
			w := windowAt(int(size), next)
			for _, x := range []struct {
				name string
				c    uint64
				want freshness
				ok   bool // whether there is such a counter
			}{
				{"the newest", next - 1, duplicate, true},
				{"the next", next, fresh, true},
				{"the oldest that is remembered", next - size, fresh, next > size},
				{"one older", next - size - 1, late, next > size},
				{"0", 0, late, next > size},
				{"far ahead", next + 10*size, fresh, true},
			} {
				if got := w.check(x.c); x.ok && got != x.want {
					t.Errorf("size %d, next %d, %s: %d, want %d", size, next, x.name, got, x.want)
				}
			}
		}
	}
}

// Moving on by any distance forgets all that falls out, and nothing else.
func TestWindowMoves(t *testing.T) {
	const size = 128
	for _, base := range []uint64{size, size + 1, size + 63, 1<<32 - 70} {
		for d := uint64(1); d < 2*size+2; d++ {
			w := windowAt(size, 0)
			for c := base - size; c < base; c++ {
				w.commit(c)
			}
			if !w.commit(base - 1 + d) {
				t.Fatalf("%d after %d is not the newest", base-1+d, base-1)
			}
			for c := base - size; c < base+d; c++ {
				want := fresh
				switch {
				case c+size < base+d:
					want = late
				case c < base || c == base-1+d:
					want = duplicate
				}
				if got := w.check(c); got != want {
					t.Fatalf("base %d, moved by %d: %d is %d, want %d", base, d, c, got, want)
				}
			}
		}
	}
}

// FuzzReplay holds the window against a set of all that was ever seen. Each
// three bytes are a counter: how far from the next, and in what unit.
func FuzzReplay(f *testing.F) {
	f.Add(uint64(0), uint8(0), []byte{0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255})
	f.Add(uint64(1<<32-3), uint8(1), []byte{0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 255, 250, 0, 255, 251})
	f.Add(uint64(1<<33), uint8(1), []byte{0, 4, 0, 0, 252, 0, 0, 251, 255, 0, 3, 255, 1, 0, 1, 2, 127, 255})
	f.Add(uint64(1<<32-1), uint8(2), []byte{2, 127, 255, 2, 128, 0, 0, 240, 0, 0, 239, 255})
	f.Fuzz(func(t *testing.T, start uint64, kind uint8, ops []byte) {
		size := []uint64{64, 1024, 4096}[kind%3]
		start %= maxCounter
		w, seen, next := windowAt(int(size), start), map[uint64]bool{}, start
		if start > 0 {
			seen[start-1] = true
		}
		for ; len(ops) >= 3 && next < maxCounter; ops = ops[3:] {
			d := int64(int16(binary.BigEndian.Uint16(ops[1:])))
			switch ops[0] % 3 {
			case 1:
				d *= 64
			case 2:
				d *= 1 << 16
			}
			c := next + uint64(d)
			if d < 0 && c > next {
				continue // below 0
			}
			if got := w.expand(uint32(c)); got != c {
				t.Fatalf("next %#x: %#x expands to %#x", next, c, got)
			}
			want := fresh
			switch {
			case c+size < next:
				want = late
			case seen[c]:
				want = duplicate
			}
			got := w.check(c)
			if got != want {
				t.Fatalf("next %d, size %d: %d is %d, want %d", next, size, c, got, want)
			}
			if got != fresh {
				continue
			}
			if newest := w.commit(c); newest != (c >= next) {
				t.Fatalf("next %d: committing %d says newest %v", next, c, newest)
			}
			seen[c], next = true, max(next, c+1)
		}
	})
}
