package session

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// A behaviour that ends its goroutine ends no reader.
func TestGoexitInATurn(t *testing.T) {
	for _, before := range []time.Duration{0, longest, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := &borrower{handle: func(code uint16) {
				if code > 0 {
					time.Sleep(before)
					runtime.Goexit()
				}
			}}
			_, v := lending(t, r)
			for range 3 {
				v.input <- slices.Concat(opCode(1), opCode(0), opCode(1))
				synctest.Wait()
				expectPong(t, v, 0, longest)
				time.Sleep(time.Minute)
			}
			if n := r.handled.Load(); n != 9 {
				t.Errorf("handled %d of 9", n)
			}
		})
	}
}

// While a behaviour blocks the gate bounds what is read, and a credit lets the
// reader go on.
func TestGateWhileLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &borrower{}
		s, v := lending(t, r)
		r.handle = func(uint16) {
			s.Charge(maxInbound)
			time.Sleep(time.Minute)
			s.Credit(maxInbound)
		}
		v.input <- opCode(1)
		time.Sleep(time.Second)
		if !s.in.stuck() {
			t.Error("the gate is open")
		}
		v.input <- ping()
		time.Sleep(58 * time.Second)
		if got := v.frames(t); len(got) != 0 {
			t.Errorf("what has come behind the gate was read: %q", got)
		}
		time.Sleep(2 * time.Second)
		expectFrames(t, v, "pong")
	})
}

// The end of the connection is noticed while a behaviour blocks, with and
// without the beginning of a frame in the reader's hand.
func TestEndWhileLent(t *testing.T) {
	ways := map[string]func(*Session, *valve){
		"connection": func(_ *Session, v *valve) { v.Close() },
		"abort":      func(s *Session, _ *valve) { s.Abort() },
		"close":      func(s *Session, _ *valve) { s.Close(wire.CodeNormal, "") },
	}
	for name, end := range ways {
		for _, carry := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := &borrower{handle: func(uint16) { time.Sleep(time.Minute) }}
				s, v := lending(t, r)
				input := opCode(1)
				if carry {
					input = append(input, 100, byte(wire.KindOperation))
				}
				v.input <- input
				synctest.Wait()
				start := time.Now()
				end(s, v)
				<-s.Done()
				if took := time.Since(start); took > longest+s.env.Linger {
					t.Errorf("%s: noticed after %v", name, took)
				}
				if n := r.last.refs.Load(); n != 0 {
					t.Errorf("%s: the reader's buffer has %d holders", name, n)
				}
				if s.loan.Load().buf != nil {
					t.Errorf("%s: the loan keeps a buffer", name)
				}
			})
		}
	}
}

// A frame that was begun before a loan is whole behind it.
func TestFrameInPiecesAcrossALoan(t *testing.T) {
	for _, long := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var codes []uint16
			r := &borrower{handle: func(code uint16) {
				codes = append(codes, code)
				time.Sleep(long)
			}}
			s, v := lending(t, r)
			stream := slices.Concat(opCode(1), opCode(2), opCode(3))
			for _, c := range stream { // every byte a read of its own, every frame a loan
				v.input <- []byte{c}
				time.Sleep(longest)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if !slices.Equal(codes, []uint16{1, 2, 3}) || s.Counts().BytesIn.Load() != uint64(len(stream)) {
				t.Errorf("handled %v; %d bytes counted of %d", codes, s.Counts().BytesIn.Load(), len(stream))
			}
			v.input <- append(opCode(4), ping()[:2]...)
			time.Sleep(time.Minute) // in vain: the valve knows no deadline
			v.input <- ping()[2:]   // is read without a loan
			expectFrames(t, v, "pong")
			if got, want := s.Counts().BytesIn.Load(), len(stream)+len(opCode(4))+len(ping()); got != uint64(want) {
				t.Errorf("%d bytes counted of %d", got, want)
			}
			if s.loan.Load().buf != nil {
				t.Error("an idle session holds a buffer")
			}
		})
	}
}

// A read that ends the session has its turn dispatched.
func TestTurnOfTheLastRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, r := range []*borrower{{fail: errors.New("no more")}, {early: true}} {
			r.handle = func(uint16) { time.Sleep(time.Second) }
			_, v := lending(t, r)
			input := opCode(1)
			if r.early {
				input = append(input, wire.AppendFrame(nil, 0x7f, nil)...)
			}
			v.input <- input
			synctest.Wait()
			v.Close()
			r.settle()
			if r.handled.Load() != 1 || r.dispatched.Load() != 1 {
				t.Errorf("handled %d, dispatched %d, want 1, 1", r.handled.Load(), r.dispatched.Load())
			}
		}
	})
}

// counted is a Turn that is not an actor's.
type counted struct{ run, dispatched atomic.Int32 }

func (c *counted) Run()      { c.run.Add(1) }
func (c *counted) Dispatch() { c.dispatched.Add(1) }

// No turn is lost where a read has two.
func TestTwoTurnsInARead(t *testing.T) {
	s := &Session{}
	var first, second counted
	s.Lend(&first)
	s.Lend(&second)
	if first.dispatched.Load() != 1 || second.dispatched.Load() != 0 || s.loan.Load().turn == nil {
		t.Errorf("dispatched %d and %d, want 1 and 0", first.dispatched.Load(), second.dispatched.Load())
	}
	s.takeTurn()
	if s.takeTurn(); second.dispatched.Load() != 1 || first.dispatched.Load() != 1 || s.loan.Load().turn != nil {
		t.Errorf("dispatched %d and %d, want 1 and 1", first.dispatched.Load(), second.dispatched.Load())
	}
}

// fullGroup is a Route that holds the reader up.
type fullGroup struct {
	Route
	acks atomic.Uint64
}

func (g *fullGroup) Send(wire.GroupSend, *Buffer) error { time.Sleep(5 * time.Second); return nil }
func (g *fullGroup) Set(*wirepb.GroupSet, bool) error   { time.Sleep(5 * time.Second); return nil }
func (g *fullGroup) EndRead(bool) error                 { time.Sleep(5 * time.Second); return nil }
func (g *fullGroup) Ack(p uint64) error                 { g.acks.Store(p); return nil }

// A group that holds the reader up does not hold up what it would run.
func TestTurnBesideAFullGroup(t *testing.T) {
	send := (&wire.GroupSend{Group: 9}).AppendFrame(nil)
	set, err := wire.MarshalFrame(nil, wire.KindGroupSet, &wirepb.GroupSet{Group: 9})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		input []byte
		want  time.Duration // frames behind one that is held up wait with it
	}{
		{append(opCode(1), send...), 0},
		{append(opCode(1), set...), 0},
		{append(send, opCode(1)...), 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var at []time.Duration
			start := time.Now()
			r := &borrower{early: true, handle: func(uint16) { at = append(at, time.Since(start)) }}
			s, v := lending(t, r)
			s.AddRoute(9, &fullGroup{}, 0)
			v.input <- tt.input
			time.Sleep(time.Minute)
			synctest.Wait()
			if !slices.Equal(at, []time.Duration{tt.want}) {
				t.Errorf("handled after %v, want %v", at, tt.want)
			}
		})
	}
}

// Acknowledgements pass a behaviour that blocks.
func TestAckWhileLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &borrower{handle: func(uint16) { time.Sleep(time.Minute) }}
		s, v := lending(t, r)
		g := &fullGroup{}
		s.AddRoute(9, g, 0)
		v.input <- opCode(1)
		synctest.Wait()
		v.input <- (&wire.GroupAck{Group: 9, Position: 5}).AppendFrame(nil)
		time.Sleep(longest)
		synctest.Wait()
		if p := g.acks.Load(); p != 5 {
			t.Errorf("acknowledged up to %d, want 5", p)
		}
	})
}
