package session

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// Codes of operations that the stress's behaviour handles in its own way.
const (
	opQuick uint16 = iota
	opYields
	opBlocks
	opCalls
	opExits
	opLast
)

// TestLoanStress has many short sessions, over sockets and in memory, whose
// behaviours block, call and end their goroutines at random, while others call
// as well, until either end closes them somehow. Every turn is run, in order,
// and there is one reader at a time.
func TestLoanStress(t *testing.T) {
	var wg sync.WaitGroup
	var sessions, handled atomic.Int64
	env := NewEnv(Limits{PingInterval: -1, Linger: 50 * time.Millisecond})
	over := time.Now().Add(time.Second)
	for i := range uint64(8) {
		wg.Go(func() { // ended by the time
			random := rand.New(rand.NewPCG(i, 1))
			for time.Now().Before(over) && !t.Failed() {
				handled.Add(stressLoan(t, env, random))
				sessions.Add(1)
			}
		})
	}
	wg.Wait()
	expectRest(t, env)
	t.Logf("%d sessions, %d operations", sessions.Load(), handled.Load())
}

func stressLoan(t *testing.T, env *Env, random *rand.Rand) (handled int64) {
	var near, far net.Conn
	if random.IntN(2) == 0 {
		far, near = overTCP(t)
	} else {
		far, near = net.Pipe()
	}
	conn := NewConn(near)
	conn.in = &onlyReader{source: conn.in, t: t}
	s := New(2, conn, env, true)
	r := &borrower{t: t, s: s, early: random.IntN(2) == 0}
	last := make(chan struct{})
	pause := time.Duration(random.IntN(30)) * time.Millisecond
	r.handle = func(code uint16) { r.behave(code, pause, last) }
	s.Start(r)
	var others sync.WaitGroup
	others.Go(func() { io.Copy(io.Discard, far) }) // ended by the connection's end
	others.Go(func() {                             // ended with the session
		for s.Err() == nil {
			s.LiftGate()
			runtime.Gosched()
			s.LowerGate()
			time.Sleep(100 * time.Microsecond)
		}
	})
	n := 20 + random.IntN(60)
	for i := range n {
		frame := ping()
		if random.IntN(4) > 0 {
			frame = opCode(uint16(random.IntN(int(opLast))))
			if random.IntN(8) > 0 && frame[len(frame)-1] == byte(opBlocks) {
				frame = opCode(opQuick)
			}
		}
		if i == n-1 {
			frame = opCode(opLast)
		}
		cut := 1 + random.IntN(len(frame)-1)
		far.Write(frame[:cut])
		far.Write(frame[cut:])
	}
	whole := random.IntN(2) == 0
	if whole { // nothing may be missing
		select {
		case <-last:
		case <-time.After(10 * time.Second):
			t.Errorf("after %d operations the session stands still: %v", r.handled.Load(), s.Err())
		}
	}
	switch random.IntN(4) {
	case 0:
		far.Close()
	case 1:
		s.Abort()
	case 2:
		s.Close(wire.CodeNormal, "")
	case 3:
		far.Write(wire.AppendFrame(nil, 0x7f, nil))
	}
	<-s.Done()
	far.Close()
	others.Wait()
	r.settle()
	if s.in.held != 0 {
		t.Errorf("%d bytes are held", s.in.held)
	}
	return r.handled.Load()
}

func (r *borrower) behave(code uint16, pause time.Duration, last chan struct{}) {
	r.s.Charge(batchOf(code))
	defer r.s.Credit(batchOf(code))
	switch code {
	case opYields:
		runtime.Gosched()
	case opBlocks:
		time.Sleep(pause)
	case opCalls:
		r.s.LiftGate()
		runtime.Gosched()
		r.s.LowerGate()
	case opExits:
		runtime.Goexit()
	case opLast:
		close(last)
	}
}

// batchOf is what an operation holds of the reader's buffers: enough to stop it
// behind a behaviour that blocks.
func batchOf(code uint16) int {
	if code == opBlocks {
		return maxInbound
	}
	return smallBuffer
}
