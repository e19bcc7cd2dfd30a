package handshake

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// In whatever order the pieces come, each whole, twice or in parts.
func TestAssemblyOrders(t *testing.T) {
	want := pattern(0, 5000)
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var pieces []span
		for from := int64(0); from < 5000; from += 500 {
			pieces = append(pieces, span{from, from + 500})
		}
		for range 20 {
			from := rng.Int64N(5000)
			pieces = append(pieces, span{from, from + rng.Int64N(5001-from)})
		}
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		var a assembly
		var got []byte
		fresh := 0
		for _, s := range pieces {
			fresh += a.add(s.from, want[s.from:s.to])
			if err := a.check(); err != "" {
				t.Fatalf("seed %d: %s: %+v", seed, err, a.spans)
			}
			p := make([]byte, rng.IntN(1000))
			got = append(got, p[:a.take(p)]...)
		}
		p := make([]byte, 5000)
		got = append(got, p[:a.take(p)]...)
		if !bytes.Equal(got, want) || fresh != len(want) {
			t.Fatalf("seed %d: %d bytes, %d of them new", seed, len(got), fresh)
		}
	}
}

// check says what does not hold.
func (a *assembly) check() string {
	end := a.next
	for _, s := range a.spans {
		if s.from <= end || s.to <= s.from {
			return "spans are not sorted and apart"
		}
		end = s.to
	}
	switch {
	case a.next < a.read || end > a.read+Kept:
		return "more is held than Kept"
	case int64(len(a.buf)) != end-a.read:
		return "the buffer does not end with what is held"
	case len(a.spans) > maxSpans || cap(a.buf) > 2*Kept:
		return "too much memory"
	default:
		return ""
	}
}

// What is held stays; a later packet that says otherwise fills only the gaps.
func TestFirstBytesStay(t *testing.T) {
	var a assembly
	a.add(2, []byte("cd"))
	a.add(6, []byte("g"))
	if n := a.add(1, []byte("XXXXXXXX")); n != 5 {
		t.Errorf("%d bytes were new", n)
	}
	a.add(0, []byte("YY"))
	b := make([]byte, 20)
	if got := string(b[:a.take(b)]); got != "YXcdXXgXX" {
		t.Errorf("read %q", got)
	}
}

// Kept bytes beyond what was read are taken, not one more, whether they are in
// order or not; reading makes room.
func TestWindow(t *testing.T) {
	var a assembly
	if n := a.add(Kept-10, pattern(Kept-10, 100)); n != 10 {
		t.Errorf("took %d bytes at the window's end, want 10", n)
	}
	if n := a.add(0, pattern(0, 2*Kept)); n != Kept-10 || a.next != Kept {
		t.Errorf("took %d bytes, up to %d", n, a.next)
	}
	if n := a.add(Kept, pattern(Kept, 1)); n != 0 {
		t.Errorf("took %d bytes more than Kept", n)
	}
	b := make([]byte, 10)
	a.take(b)
	if n := a.add(Kept, pattern(Kept, 100)); n != 10 {
		t.Errorf("took %d bytes where 10 had been read", n)
	}
	if err := a.check(); err != "" {
		t.Error(err)
	}
}

// Single bytes far apart do not make a list without end; the byte that is next
// is taken all the same, and so is what fills a gap.
func TestSpansAreBounded(t *testing.T) {
	var a assembly
	for pos := int64(3); pos < Kept; pos += 2 {
		a.add(pos, []byte{1})
	}
	if len(a.spans) != maxSpans || a.spans[0] != (span{3, 4}) {
		t.Errorf("%d spans, want %d", len(a.spans), maxSpans)
	}
	if n := a.add(0, []byte{1}); n != 1 || a.next != 1 {
		t.Errorf("took %d, next is %d", n, a.next)
	}
	if n := a.add(4, []byte{1}); n != 1 || a.spans[0] != (span{3, 6}) {
		t.Errorf("took %d, then %v", n, a.spans[0])
	}
	if err := a.check(); err != "" {
		t.Error(err)
	}
}

func TestWithin(t *testing.T) {
	a := assembly{read: 3*Kept - 100, next: 3 * Kept}
	for _, tt := range []struct {
		pos  int64
		want bool
	}{
		{-1, false}, {0, false}, {2*Kept - 1, false}, {2 * Kept, true}, {3 * Kept, true}, {4*Kept - 1, true}, {4 * Kept, false},
	} {
		if got := a.within(tt.pos); got != tt.want {
			t.Errorf("%d: %v, want %v", tt.pos, got, tt.want)
		}
	}
}
