package handshake

import "slices"

// maxSpans bounds the pieces held beyond a gap. Packets of full size make at
// most eight in a window.
const maxSpans = 16

// assembly puts the received bytes in order. Positions count from the stream's
// first byte and do not wrap.
type assembly struct {
	buf   []byte // of positions from read on; up to next without gaps
	read  int64  // up to here the bytes were read
	next  int64  // up to here they are in order; what an acknowledgement says
	spans []span // what is held beyond next: sorted, apart, none at next
}

// span is the positions from ≤ p < to.
type span struct{ from, to int64 }

// position is where a packet's offset points to: the position nearest to next
// that has those 32 bits.
func (a *assembly) position(offset uint32) int64 { return nearest(a.next, offset) }

// within reports whether data that begin at pos can come from an honest sender:
// it keeps no more than Kept bytes that it does not know to be here.
func (a *assembly) within(pos int64) bool {
	return pos >= 0 && pos >= a.next-Kept && pos < a.next+Kept
}

// add takes the data at pos as far as they are new and within Kept of what was
// read, and returns how many bytes that were. Bytes that are held already stay
// as they are.
func (a *assembly) add(pos int64, data []byte) int {
	if old := a.next - pos; old > 0 {
		data = data[min(old, int64(len(data))):]
		pos = a.next
	}
	if room := a.read + Kept - pos; int64(len(data)) > room {
		data = data[:max(room, 0)]
	}
	if len(data) == 0 {
		return 0
	}
	end := pos + int64(len(data))
	// spans[i:j] touch the data and become one with them.
	i := 0
	for i < len(a.spans) && a.spans[i].to < pos {
		i++
	}
	j := i
	for j < len(a.spans) && a.spans[j].from <= end {
		j++
	}
	if i == j && pos != a.next && len(a.spans) >= maxSpans {
		return 0
	}
	if missing := int(end-a.read) - len(a.buf); missing > 0 {
		a.buf = slices.Grow(a.buf, missing)[:len(a.buf)+missing]
	}
	whole, fresh := span{pos, end}, 0
	put := func(from, to int64) {
		if from < to {
			fresh += copy(a.buf[from-a.read:to-a.read], data[from-pos:])
		}
	}
	at := pos
	for _, s := range a.spans[i:j] {
		put(at, s.from)
		at = max(at, s.to)
		whole = span{min(whole.from, s.from), max(whole.to, s.to)}
	}
	put(at, end)
	a.spans = slices.Replace(a.spans, i, j, whole)
	if a.spans[0].from == a.next {
		a.next = a.spans[0].to
		a.spans = slices.Delete(a.spans, 0, 1)
	}
	return fresh
}

// take moves bytes that are in order to p and makes room for as many.
func (a *assembly) take(p []byte) int {
	n := copy(p, a.buf[:a.next-a.read])
	a.read += int64(n)
	a.buf = a.buf[:copy(a.buf, a.buf[n:])]
	return n
}

// nearest is the position nearest to ref whose low 32 bits are low.
func nearest(ref int64, low uint32) int64 {
	return ref + int64(int32(low-uint32(ref)))
}
