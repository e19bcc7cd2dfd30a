package packet

// window remembers which of the newest counters have been seen, so that no
// packet counts twice. The owner checks before it opens a packet and commits
// after, so that forged ones move nothing.
type window struct {
	bits []uint64 // a ring: bit c%size is counter c's, for the size counters below next
	next uint64   // above the highest that was seen
}

// freshness is what a window says of a counter.
type freshness uint8

const (
	fresh     freshness = iota
	duplicate           // seen before
	late                // too old to tell
)

// size is how many counters the window remembers.
func (w *window) size() uint64 { return 64 * uint64(len(w.bits)) }

// expand finds the counter that low is the lower half of: the one nearest to
// what is expected next.
func (w *window) expand(low uint32) uint64 {
	d := int32(low - uint32(w.next))
	c := w.next + uint64(int64(d))
	if d < 0 && c > w.next { // there is nothing below 0
		c += 1 << 32
	}
	return c
}

func (w *window) check(c uint64) freshness {
	switch {
	case c >= w.next:
		return fresh
	case w.next-c > w.size():
		return late
	case w.bits[c/64%uint64(len(w.bits))]>>(c%64)&1 != 0:
		return duplicate
	}
	return fresh
}

// commit marks a fresh counter as seen. It reports whether it is the highest.
func (w *window) commit(c uint64) (newest bool) {
	if newest = c >= w.next; newest {
		w.clear(w.next, c)
		w.next = c + 1
	}
	w.bits[c/64%uint64(len(w.bits))] |= 1 << (c % 64)
	return newest
}

// clear forgets what the bits of the counters from first to c were before.
func (w *window) clear(first, c uint64) {
	if c-first >= w.size() {
		clear(w.bits)
		return
	}
	for first <= c {
		word := &w.bits[first/64%uint64(len(w.bits))]
		if first%64 == 0 && c-first >= 64 {
			*word = 0
			first += 64
			continue
		}
		*word &^= 1 << (first % 64)
		first++
	}
}
