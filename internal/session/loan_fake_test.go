package session

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// borrower is a Receiver whose operations are handled by an actor in miniature,
// which borrows the reader when it is idle.
type borrower struct {
	notes
	t      *testing.T
	s      *Session
	handle func(code uint16) // one at a time
	early  bool              // lend in Frame, not in EndRead
	fail   error             // what EndRead returns, once it has lent
	last   *Buffer           // the reader's: the race detector shows two of them

	mu      sync.Mutex
	queue   []uint16
	claimed bool

	busy       atomic.Int32 // goroutines in handle
	handled    atomic.Int64
	dispatched atomic.Int64
	elsewhere  sync.WaitGroup
}

func (r *borrower) Frame(k wire.Kind, body []byte, b *Buffer) error {
	r.last = b
	if k != wire.KindOperation {
		return r.notes.Frame(k, body, nil)
	}
	var m wire.Operation
	if err := m.Parse(body); err != nil {
		return err
	}
	r.mu.Lock()
	r.queue = append(r.queue, m.Code)
	r.mu.Unlock()
	if r.early {
		r.lend()
	}
	return nil
}

func (r *borrower) EndRead() error {
	r.lend()
	return r.fail
}

func (r *borrower) lend() {
	r.mu.Lock()
	claim := !r.claimed && len(r.queue) > 0
	r.claimed = r.claimed || claim
	r.mu.Unlock()
	if claim {
		r.s.Lend(r)
	}
}

// Run implements Turn. As an actor does it goes on where a behaviour has ended
// its goroutine.
func (r *borrower) Run() {
	ended := false
	defer func() {
		if !ended {
			r.busy.Store(0)
			r.elsewhere.Go(r.Run)
		}
	}()
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.claimed, ended = false, true
			r.mu.Unlock()
			return
		}
		code := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()
		if r.busy.Add(1) != 1 {
			r.t.Error("two turns at once")
		}
		r.handled.Add(1)
		r.handle(code)
		r.busy.Add(-1)
	}
}

// Dispatch implements Turn.
func (r *borrower) Dispatch() {
	r.dispatched.Add(1)
	r.elsewhere.Go(r.Run)
}

// onlyReader sees that one goroutine at a time reads.
type onlyReader struct {
	source
	t       *testing.T
	readers atomic.Int32
}

func (o *onlyReader) read(carry *Buffer, hint int) (*Buffer, error) {
	if o.readers.Add(1) != 1 {
		o.t.Error("two readers at once")
	}
	defer o.readers.Add(-1)
	runtime.Gosched()
	return o.source.read(carry, hint)
}

// lending is a server's session over an open valve. It ends with the test, when
// all turns have been run and nothing is left of it.
func lending(t *testing.T, r *borrower) (*Session, *valve) {
	t.Helper()
	v := newValve()
	v.open()
	env := NewEnv(Limits{PingInterval: -1})
	in := &onlyReader{source: v, t: t}
	s := New(2, &Conn{nc: v, in: in, out: v, end: func(int, string, time.Duration) {}}, env, true)
	r.t, r.s = t, s
	s.Start(r)
	t.Cleanup(func() {
		s.Abort()
		r.settle(env)
	})
	return s, v
}

// settle checks what must be true of a session that has ended.
func (r *borrower) settle(env *Env) {
	r.t.Helper()
	if err := env.Wait(context.Background()); err != nil {
		r.t.Error(err)
	}
	r.elsewhere.Wait()
	if _, ends := r.told(); len(ends) != 1 {
		r.t.Errorf("the end was told as %v", ends)
	}
	if r.claimed || len(r.queue) > 0 {
		r.t.Errorf("a turn was lost: claimed %v, %d operations in the queue", r.claimed, len(r.queue))
	}
	if env.relief.on || len(env.relief.away) > 0 {
		r.t.Errorf("somebody looks for %d readers", len(env.relief.away))
	}
}

func opCode(code uint16) []byte { return (&wire.Operation{Code: code}).AppendFrame(nil) }

func ping() []byte { m := wire.Ping{Time: 1}; return m.AppendFrame(nil) }
