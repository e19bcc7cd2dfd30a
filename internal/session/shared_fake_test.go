package session

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// straw is a valve through which as much of a shared write goes at once as the
// test says; the rest waits until the valve opens. What it takes is one stream.
type straw struct {
	*valve
	take   int    // bytes of each writeSome; negative: all
	fail   error  // what writeSome returns
	from   *byte  // where the last write of it stood
	during func() // called while a shared write is under way
	stream []byte
}

func sharing(t *testing.T, l Limits) (*Session, *straw) {
	t.Helper()
	s, v := newSession(t, l)
	w := &straw{valve: v, take: -1}
	s.conn.out = w
	return s, w
}

// writeSome implements sharer.
func (w *straw) writeSome(p []byte) (int, error) {
	if w.fail != nil {
		return 0, w.fail
	}
	n := len(p)
	if w.take >= 0 {
		n = min(n, w.take)
	}
	w.from = &p[0]
	if w.during != nil {
		w.during()
	}
	w.valve.keep(p[:n])
	w.absorb()
	return n, nil
}

// keep implements sharer.
func (w *straw) keep(rest []byte) { w.rest = rest }

func (w *straw) tryWrite(p []byte) (bool, error) {
	done, err := w.valve.tryWrite(p)
	w.absorb()
	return done, err
}

func (w *straw) drain(deadline time.Time) error {
	err := w.valve.drain(deadline)
	w.absorb()
	return err
}

func (w *straw) absorb() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.writes {
		w.stream = append(w.stream, p...)
	}
	w.writes = nil
}

// frames are the frames written since the last call.
func (w *straw) frames(t *testing.T) []string {
	t.Helper()
	w.mu.Lock()
	for len(w.stream) > 0 {
		n := wholeFrames(w.stream, 1) // the first
		if n == 0 {
			t.Errorf("what was written is no frame: %x", w.stream)
			break
		}
		w.writes, w.stream = append(w.writes, w.stream[:n]), w.stream[n:]
	}
	w.mu.Unlock()
	return w.valve.frames(t)
}

// group is frames for all members.
func group(texts ...string) (frames []byte, n int) {
	for _, s := range texts {
		frames = text(s).AppendFrame(frames)
	}
	return frames, len(texts)
}

func (w *straw) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := w.frames(t); !slices.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
}

func expectSent(t *testing.T, s *Session, want Sent) {
	t.Helper()
	if got := checkSent(t, s); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
