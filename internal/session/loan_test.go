package session

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// How long a reader is away at least before it is relieved, and at most.
const (
	shortest = 10 * time.Millisecond
	longest  = 20 * time.Millisecond
)

// expectPong checks how long a ping waits for its answer.
func expectPong(t *testing.T, v *valve, least, most time.Duration) {
	t.Helper()
	start := time.Now()
	v.input <- ping()
	for {
		synctest.Wait()
		if got := v.frames(t); len(got) > 0 {
			if !slices.Equal(got, []string{"pong"}) {
				t.Errorf("written %q", got)
			}
			if took := time.Since(start); took < least || took > most {
				t.Errorf("answered after %v, want %v to %v", took, least, most)
			}
			return
		}
		if time.Since(start) > time.Second {
			t.Fatal("nobody reads")
		}
		time.Sleep(time.Millisecond)
	}
}

// A quick turn is the reader's own: it reads on behind it.
func TestQuickTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &borrower{handle: func(uint16) { time.Sleep(shortest - 1) }}
		_, v := lending(t, r)
		for range 5 {
			v.input <- opCode(1)
			synctest.Wait()
			expectPong(t, v, shortest-1, shortest)
		}
		if n := r.dispatched.Load(); n != 0 || r.handled.Load() != 5 {
			t.Errorf("%d turns of %d were dispatched", n, r.handled.Load())
		}
	})
}

// Whenever a turn begins that takes long, the session is read on after 10 to 20 ms.
func TestReaderIsRelieved(t *testing.T) {
	for offset := range reliefTick / time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			r := &borrower{handle: func(code uint16) {
				if code > 0 {
					time.Sleep(time.Minute)
				}
			}}
			s, v := lending(t, r)
			v.input <- opCode(0) // somebody looks from now on
			time.Sleep(offset * time.Millisecond)
			v.input <- opCode(1)
			synctest.Wait()
			expectPong(t, v, shortest, longest)
			expectPong(t, v, 0, 0)
			v.input <- opCode(2) // waits for its turn, and holds nobody up
			expectPong(t, v, 0, 0)
			time.Sleep(3 * time.Minute)
			expectPong(t, v, 0, 0)
			if got, want := s.Counts().BytesIn.Load(), len(opCode(0))+2*len(opCode(1))+4*len(ping()); got != uint64(want) {
				t.Errorf("%d bytes counted, want %d", got, want)
			}
		})
	}
}

// A turn may end at the very moment at which its reader is relieved.
func TestReliefAtTheMomentOfReturn(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			r := &borrower{handle: func(uint16) { time.Sleep(longest) }}
			_, v := lending(t, r)
			for range 20 {
				v.input <- opCode(1)
				expectPong(t, v, longest, longest)
			}
		})
	}
}

// A relief that comes late finds another loan under way: it is none of its business.
func TestReliefOfAnEarlierLoan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &borrower{handle: func(uint16) { time.Sleep(shortest - 1) }}
		s, v := lending(t, r)
		v.input <- opCode(1)
		synctest.Wait()
		l := s.loan.Load()
		first := l.number.Load()
		time.Sleep(longest)
		l.takeOver(first) // nothing is lent
		v.input <- opCode(1)
		synctest.Wait()
		l.takeOver(first)
		l.takeOver(0)
		expectPong(t, v, shortest-1, shortest)
	})
}

// A loan that can be ended is one that the relief knows: else the next one's
// place in its list could be taken by this one.
func TestLoanBeginsInTheReliefsList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := NewEnv(Limits{})
		l := &loan{s: &Session{env: env}}
		env.relief.add(env, l, 7)
		if n := l.number.Load(); n != 7 {
			t.Errorf("loan %d is under way, want 7", n)
		}
		env.relief.remove(l, 6)
		if len(env.relief.away) != 1 {
			t.Error("an earlier loan has removed a later one")
		}
		env.relief.remove(l, 7)
		env.Wait(t.Context())
	})
}

// Whoever waits for an answer in his own turn has it at once.
func TestCallInATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := make(chan time.Duration, 1)
		r := &borrower{}
		s, v := lending(t, r)
		r.handle = func(uint16) {
			start := time.Now()
			s.LiftGate()
			defer s.LowerGate()
			_, err := r.calls.Do(context.Background(), func(n uint32) error {
				m := wire.Response{Request: n}
				v.input <- m.AppendFrame(nil)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			took <- time.Since(start)
		}
		v.input <- opCode(1)
		if d := <-took; d != 0 {
			t.Errorf("the answer was heard after %v", d)
		}
		expectPong(t, v, 0, 0)
	})
}

// Also whoever waits elsewhere has it at once, even if a turn begins meanwhile.
func TestCallFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &borrower{handle: func(uint16) { time.Sleep(time.Minute) }}
		s, v := lending(t, r)
		v.input <- opCode(1)
		synctest.Wait()
		s.LiftGate()
		expectPong(t, v, 0, 0)
		time.Sleep(time.Hour)
		v.input <- opCode(1)
		expectPong(t, v, 0, 0)
		s.LowerGate()
		time.Sleep(time.Hour)
		v.input <- opCode(1)
		synctest.Wait()
		expectPong(t, v, shortest, longest)
		if n := r.dispatched.Load(); n != 1 {
			t.Errorf("%d turns were dispatched, want the one that began while the gate was lifted", n)
		}
	})
}

// Nobody looks for readers long after the last loan, and somebody does again
// when there is one.
func TestLookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &borrower{handle: func(code uint16) { time.Sleep(time.Duration(code) * time.Minute) }}
		s, v := lending(t, r)
		looks := func() bool {
			synctest.Wait()
			s.env.relief.mu.Lock()
			defer s.env.relief.mu.Unlock()
			return s.env.relief.on
		}
		for _, code := range []uint16{0, 1, 0} {
			v.input <- opCode(code)
			if !looks() {
				t.Error("nobody looks")
			}
			time.Sleep(2 * reliefIdle * reliefTick)
			if looks() {
				t.Error("somebody looks, for nobody")
			}
			time.Sleep(time.Hour)
		}
		v.input <- opCode(0)
		synctest.Wait()
		start := time.Now()
		s.Abort()
		s.env.Wait(t.Context())
		if took := time.Since(start); took > reliefTick {
			t.Errorf("after the last session somebody looks for %v", took)
		}
	})
}

// Readers come and go in any order.
func TestManyLoans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := NewEnv(Limits{})
		loans := make([]*loan, 20)
		for i := range loans {
			loans[i] = &loan{s: &Session{env: env}}
		}
		random := rand.New(rand.NewPCG(1, 1))
		for range 100 {
			for _, i := range random.Perm(len(loans)) {
				env.relief.add(env, loans[i], 1)
			}
			for left, i := range random.Perm(len(loans)) {
				env.relief.remove(loans[i], 1)
				if n := len(env.relief.away); n != len(loans)-left-1 {
					t.Fatalf("%d readers are away, want %d", n, len(loans)-left-1)
				}
				for k, l := range env.relief.away {
					if l.away().at != k+1 {
						t.Fatalf("reader %d does not know its place", k)
					}
				}
			}
		}
		expectRest(t, env)
	})
}
