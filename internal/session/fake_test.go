package session

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// valve is a connection whose reading and writing the test controls. Shut, it
// takes nothing; what it takes it keeps.
type valve struct {
	mu     sync.Mutex
	way    chan struct{} // closed while open
	writes [][]byte
	rest   []byte
	input  chan []byte
	closed chan struct{}
	once   sync.Once
}

func newValve() *valve {
	return &valve{way: make(chan struct{}), input: make(chan []byte, 16), closed: make(chan struct{})}
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.way)
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.way = make(chan struct{})
}

func (v *valve) passage() chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.way
}

func (v *valve) tryWrite(p []byte) (bool, error) {
	select {
	case <-v.closed:
		return false, net.ErrClosed
	case <-v.passage():
		v.keep(p)
		return true, nil
	default:
		v.rest = p
		return false, nil
	}
}

func (v *valve) keep(p []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes = append(v.writes, append([]byte(nil), p...))
}

func (v *valve) drain(deadline time.Time) error {
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	select {
	case <-v.passage():
		v.keep(v.rest)
		return nil
	case <-v.closed:
		return net.ErrClosed
	case <-late.C:
		return os.ErrDeadlineExceeded
	}
}

func (v *valve) read(carry *Buffer, hint int) (*Buffer, error) {
	select {
	case p := <-v.input:
		b := withRoom(carry, hint)
		for len(b.room()) < len(p) {
			b = withRoom(grown(b), hint)
		}
		b.w += copy(b.room(), p)
		return b, nil
	case <-v.closed:
		return carry, net.ErrClosed
	}
}

// grown is b with its room used up, so that withRoom makes a larger one.
func grown(b *Buffer) *Buffer {
	n := newBuffer(b.Size() + 1)
	n.w = copy(n.data, b.data[:b.w])
	b.Release()
	return n
}

func (v *valve) SetReadDeadline(time.Time) error { return nil }
func (v *valve) LocalAddr() net.Addr             { return nil }
func (v *valve) Close() error {
	v.once.Do(func() { close(v.closed) })
	return nil
}

// frames are the frames written since the last call, as short texts.
func (v *valve) frames(t *testing.T) (list []string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range v.writes {
		if len(w) == 0 {
			t.Error("nothing was written, as a message of its own")
		}
		if len(w) > largeBuffer {
			t.Errorf("%d bytes were written at once", len(w))
		}
		for len(w) > 0 {
			k, body, n, err := wire.ParseFrame(w, wire.MaxFrame)
			if err != nil || n == 0 {
				t.Fatalf("what was written is no frame: %v", err)
			}
			w = w[n:]
			var e wire.Event
			if k != wire.KindEvent {
				list = append(list, k.String())
			} else if err := e.Parse(body); err != nil {
				t.Fatal(err)
			} else {
				list = append(list, string(e.Payload))
			}
		}
	}
	v.writes = nil
	return list
}

// newSession is a session over a shut valve, with a receiver that knows nothing.
// It ends with the test.
func newSession(t *testing.T, l Limits) (*Session, *valve) {
	t.Helper()
	v := newValve()
	env := NewEnv(l)
	s := New(2, &Conn{nc: v, in: v, out: v, end: func(int, string, time.Duration) {}}, env, false)
	s.Start(&notes{})
	t.Cleanup(func() {
		s.Abort()
		if err := env.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		if used := env.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget were not given back", used)
		}
	})
	return s, v
}

// notes is a Receiver that keeps what it is told.
type notes struct {
	mu    sync.Mutex
	kinds []wire.Kind
	ends  []*CloseError
	fail  error // what Frame returns
}

func (n *notes) Frame(k wire.Kind, _ []byte, _ *Buffer) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kinds = append(n.kinds, k)
	return n.fail
}

func (n *notes) EndRead() error { return nil }

func (n *notes) Ended(why *CloseError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends = append(n.ends, why)
}

func text(s string) *wire.Event { return &wire.Event{Body: wire.Text(s)} }

// put queues an event and flushes.
func put(s *Session, d wire.Delivery, body string) error {
	m := text(body)
	m.Delivery = d
	err := s.PutEvent(m)
	s.Flush()
	return err
}
