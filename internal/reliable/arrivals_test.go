package reliable

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// kept is how many segments KCP really holds for Recv.
func kept(c *Channel) (n int) {
	for _, name := range []string{"rcv_queue", "rcv_buf"} {
		f := reflect.ValueOf(c.kcp).Elem().FieldByName(name)
		f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
		n += int(f.MethodByName("Len").Call(nil)[0].Int())
	}
	return n
}

func (e *end) checkHeld(t testing.TB) {
	t.Helper()
	out, in := e.Held()
	if want := kept(e.Channel) * segmentCost; in != want {
		t.Fatalf("Held says that %d bytes have come, KCP has %d", in, want)
	}
	if want := e.Waiting() * segmentCost; out != want {
		t.Fatalf("Held says that %d bytes are to be acknowledged, KCP has %d", out, want)
	}
}

// pushed is a segment of a message as another end would send it.
func pushed(seq uint32, fragment uint8, n int) []byte {
	h := header{conv: 3, command: push, fragment: fragment, window: Window, seq: seq, length: uint32(n)}
	return append(h.append(nil), make([]byte, n)...)
}

func TestHeldIsWhatKCPHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newWorld(t, 1).b
		input := func(p []byte) {
			t.Helper()
			if err := e.Input(p); err != nil {
				t.Fatal(err)
			}
			e.checkHeld(t)
		}
		for _, seq := range []uint32{1, 1, 5, Window - 1, 0} { // gaps, a copy
			input(pushed(seq, 0, 1))
		}
		for seq := range uint32(Window) {
			input(pushed(seq, 0, 1))
		}
		e.Flush() // tells the closed window, which a lying end does not care about
		for seq := range uint32(Window) {
			input(pushed(Window+seq, 0, 1))
		}
		if _, in := e.Held(); in != 2*Window*segmentCost {
			t.Errorf("%d bytes are held", in)
		}
		for e.Next() >= 0 {
			e.receive()
			e.checkHeld(t)
		}
		if out, in := e.Held(); out != 0 || in != 0 {
			t.Errorf("%d and %d bytes are held in the end", out, in)
		}
	})
}

// A message of several segments, of which the last one may say that it is the
// last one too early.
func TestHeldOfFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newWorld(t, 1).b
		for i, p := range [][]byte{pushed(0, 2, Segment), pushed(1, 0, Segment), pushed(2, 0, 1), pushed(3, 1, Segment)} {
			if err := e.Input(p); err != nil {
				t.Fatal(i, err)
			}
			e.checkHeld(t)
		}
		for e.Next() >= 0 {
			e.receive()
			e.checkHeld(t)
		}
		if _, in := e.Held(); in != segmentCost {
			t.Errorf("%d bytes are held", in)
		}
	})
}

func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newWorld(t, 1).b
		want := func(gap time.Duration) {
			t.Helper()
			if got := e.Gap(); got != gap {
				t.Fatalf("a gap of %v, want %v", got, gap)
			}
		}
		steps := []struct {
			p    []byte
			want time.Duration
		}{
			{pushed(1, 0, 1), 2 * time.Second}, // 0 is missing
			{pushed(2, 0, 1), 3 * time.Second}, // which this does not change
			{pushed(0, 0, 1), -1},              // now there is something to take
			{pushed(4, 1, Segment), -1},        // and as long as that is so
			{pushed(3, 1, Segment), -1},        //
			{pushed(3, 1, Segment), -1},        // a copy
			{pushed(5, 0, 1), -1},              //
			{pushed(6, 1, Segment), -1},        // the rest of a message is missing
			{pushed(8, 0, 1), -1},              //
		}
		want(-1)
		for i, s := range steps {
			if err := e.Input(s.p); err != nil {
				t.Fatal(err)
			}
			e.checkHeld(t)
			if i < 2 {
				time.Sleep(time.Second * time.Duration(2-i)) // the gap lasts 2 s and then 3 s
			}
			want(s.want)
		}
		for e.Next() >= 0 {
			e.receive()
		}
		want(0)
		time.Sleep(4 * time.Second)
		want(4 * time.Second)
		if err := e.Input(pushed(7, 0, 1)); err != nil {
			t.Fatal(err)
		}
		for e.Next() >= 0 {
			e.receive()
		}
		want(-1)
	})
}
