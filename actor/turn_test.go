package actor

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// turnOf is an idle actor that behaves as f, and a Turn of it with one message.
func turnOf(t *testing.T, s *System, p Props, f Func, msg any) (Ref, Turn) {
	t.Helper()
	r := s.Spawn(p, behave(f))
	synctest.Wait()
	turn, posted := r.ForceTurn(msg)
	if posted != Accepted || turn.IsZero() {
		t.Fatalf("an idle actor: %v, a turn: %v", posted, !turn.IsZero())
	}
	return r, turn
}

// What is posted to an actor whose turn somebody holds waits for that turn, and
// is handled in order when it is run, here or elsewhere.
func TestTurnHoldsTheActor(t *testing.T) {
	for _, neverBlocks := range []bool{false, true} {
		for name, use := range map[string]func(Turn){"run": Turn.Run, "dispatch": Turn.Dispatch} {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				var got []any
				r, turn := turnOf(t, s, Props{NeverBlocks: neverBlocks}, func(c *Context) { got = append(got, c.Message()) }, 1)
				_ = r.Send(2)
				if again, posted := r.ForceTurn(3); posted != Accepted || !again.IsZero() {
					t.Errorf("%s: a second turn of one actor", name)
				}
				synctest.Wait()
				if want := []any{Started{}}; !slices.Equal(got, want) {
					t.Errorf("%s: got %v before the turn, want %v", name, got, want)
				}
				use(turn)
				if name == "run" && len(got) != 4 {
					t.Errorf("got %v on the caller's goroutine", got)
				}
				synctest.Wait()
				_ = r.Send(4) // it is idle again, as any
				synctest.Wait()
				if want := []any{Started{}, 1, 2, 3, 4}; !slices.Equal(got, want) {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
			})
		}
	}
}

func TestNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		if turn, posted := (Ref{}).ForceTurn(1); posted != Dead || !turn.IsZero() {
			t.Errorf("of nobody: %v", posted)
		}
		stopped := s.Spawn(Props{}, behave(func(*Context) {}))
		stopped.Stop()
		<-stopped.Done()
		if turn, posted := stopped.ForceTurn(1); posted != Dead || !turn.IsZero() {
			t.Errorf("of a stopped actor: %v", posted)
		}
		open := make(chan struct{})
		var got []any
		parent := gated(s, Props{}, open, func(*Context) {})
		child := s.SpawnUnder(parent, Props{}, behave(func(c *Context) { got = append(got, c.Message()) }))
		if turn, posted := child.ForceTurn(1); posted != Accepted || !turn.IsZero() {
			t.Errorf("of an actor that has not started: %v", posted)
		}
		close(open)
		synctest.Wait()
		if want := []any{Started{}, 1}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// An actor that always has something to do gives its turn up, also where the
// sender runs it.
func TestTurnIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{Throughput: 10})
		open, n := make(chan struct{}), 0
		_, turn := turnOf(t, s, Props{}, func(c *Context) {
			if _, ok := c.Message().(int); !ok {
				return
			}
			if n++; n == 11 {
				<-open // on another goroutine: this one would wait for itself
			}
			if n < 100 {
				_ = c.Self().Send(n)
			}
		}, 0)
		turn.Run()
		close(open)
		synctest.Wait()
		if n != 100 {
			t.Errorf("handled %d, want 100", n)
		}
	})
}

// Faults of a behaviour are those of its actor, whoever runs it.
func TestFaultsInATurn(t *testing.T) {
	for name, fault := range map[string]func(){"panic": func() { panic("fault") }, "goexit": runtime.Goexit} {
		for _, policy := range []OnPanic{StopOnPanic, RestartOnPanic} {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				var got []any
				r, turn := turnOf(t, s, Props{OnPanic: policy}, func(c *Context) {
					if c.Message() == "fault" {
						fault()
					}
					if m, ok := c.Message().(int); ok {
						got = append(got, m)
					}
				}, 1)
				_ = r.Send("fault")
				_ = r.Send(2)
				returned := false
				done := make(chan struct{})
				go func() {
					defer close(done)
					turn.Run()
					returned = true
				}()
				<-done
				synctest.Wait()
				if returned != (name == "panic") {
					t.Errorf("%s: the turn returned: %v", name, returned)
				}
				want := []any{1}
				if policy == RestartOnPanic {
					want = append(want, 2)
				} else {
					<-r.Done()
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, %v: got %v, want %v", name, policy, got, want)
				}
			})
		}
	}
}

// An actor does not stop while somebody holds its turn, nor does its system;
// using the turn, either way, lets both end.
func TestShutdownWaitsForTheTurn(t *testing.T) {
	for name, use := range map[string]func(Turn){"run": Turn.Run, "dispatch": Turn.Dispatch} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestSystem(t, Config{})
			m := &released{}
			_, turn := turnOf(t, s, Props{}, func(c *Context) {
				if c.Message() == any(m) {
					t.Errorf("%s: a message was handled behind Shutdown", name)
				}
			}, m)
			late, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Shutdown(late); err == nil {
				t.Errorf("%s: the system has stopped without an actor's turn", name)
			}
			use(turn)
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if m.times != 1 {
				t.Errorf("%s: what was queued was released %d times", name, m.times)
			}
		})
	}
}

type released struct{ times int }

func (r *released) Release() { r.times++ }

// A turn may be claimed of an actor that stops at that moment, and used when
// nothing is left of its system.
func TestTurnBehindShutdown(t *testing.T) {
	for _, neverBlocks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestSystem(t, Config{})
			r := s.Spawn(Props{NeverBlocks: neverBlocks}, behave(func(*Context) {}))
			synctest.Wait()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 { // ForceTurn has put its message in before the end
				if !r.m.claim() {
					t.Fatal("not idle")
				}
				Turn(r).Run()
			}
			if r.m.claim() {
				Turn(r).Dispatch()
			}
		})
	}
}

// Nobody's message is lost between senders that run the actor and the
// goroutines that do otherwise, and no two of them run it at once.
func TestTurnsOfManySenders(t *testing.T) {
	const senders, each = 4, 3000
	for _, neverBlocks := range []bool{false, true} {
		s := newTestSystem(t, Config{Throughput: 7})
		var last [senders]int
		sum := 0 // the race detector sees two turns at once
		all := make(chan struct{})
		r := s.Spawn(Props{NeverBlocks: neverBlocks}, behave(func(c *Context) {
			m, ok := c.Message().([2]int)
			if !ok {
				return
			}
			if m[1] != last[m[0]]+1 {
				t.Errorf("sender %d: %d behind %d", m[0], m[1], last[m[0]])
			}
			last[m[0]] = m[1]
			if sum++; sum == senders*each {
				close(all)
			}
		}))
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() { // ends when each has been sent
				for n := 1; n <= each; n++ {
					switch turn, _ := r.ForceTurn([2]int{i, n}); {
					case turn.IsZero():
					case n%5 == 0:
						turn.Dispatch()
					default:
						turn.Run()
					}
				}
			})
		}
		wg.Wait()
		select {
		case <-all:
		case <-time.After(10 * time.Second):
			t.Fatalf("never blocks %v: %d messages are stuck in the queue", neverBlocks, r.Queued())
		}
	}
}
