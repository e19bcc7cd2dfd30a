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

	calls   Calls
	mu      sync.Mutex
	queue   []uint16
	claimed bool

	busy       atomic.Int32 // goroutines in handle
	handled    atomic.Int64
	dispatched atomic.Int64
	turns      sync.WaitGroup // those that somebody is to run
}

func (r *borrower) Frame(k wire.Kind, body []byte, b *Buffer) error {
	r.last = b
	if k == wire.KindResponse {
		var m wire.Response
		err := m.Parse(body)
		r.calls.Answer(&m)
		return err
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

// Ended has what came before a read's error handled.
func (r *borrower) Ended(why *CloseError) {
	if r.claim() {
		r.Dispatch()
	}
	r.notes.Ended(why)
}

func (r *borrower) lend() {
	if r.claim() {
		r.s.Lend(r)
	}
}

func (r *borrower) claim() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	idle := !r.claimed && len(r.queue) > 0
	if idle {
		r.claimed = true
		r.turns.Add(1)
	}
	return idle
}

// Run implements Turn. As an actor does it goes on where a behaviour has ended
// its goroutine.
func (r *borrower) Run() {
	ended := false
	defer func() {
		if !ended {
			r.busy.Store(0)
			go r.Run() // ends with an empty queue
		}
	}()
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.claimed, ended = false, true
			r.mu.Unlock()
			r.turns.Done()
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
	go r.Run() // ends with an empty queue
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
		r.settle()
		expectRest(t, env)
	})
	return s, v
}

// settle checks what must be true of a session that has ended.
func (r *borrower) settle() {
	r.t.Helper()
	<-r.s.Done()
	r.turns.Wait()
	if _, ends := r.told(); len(ends) != 1 {
		r.t.Errorf("the end was told as %v", ends)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) > 0 {
		r.t.Errorf("%d operations are lost", len(r.queue))
	}
}

// expectRest waits until nothing is left of an Env's sessions.
func expectRest(t *testing.T, env *Env) {
	t.Helper()
	if err := env.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if env.relief.on || len(env.relief.away) > 0 {
		t.Errorf("somebody looks for %d readers", len(env.relief.away))
	}
}

func opCode(code uint16) []byte { return (&wire.Operation{Code: code}).AppendFrame(nil) }

func ping() []byte { m := wire.Ping{Time: 1}; return m.AppendFrame(nil) }
