package actor

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// gated is an actor that waits in its first message until open is closed.
func gated(s *System, p Props, open <-chan struct{}, then Func) Ref {
	return s.Spawn(p, behave(func(c *Context) {
		if _, ok := c.Message().(Started); ok {
			<-open
			return
		}
		then(c)
	}))
}

func TestMailboxLimitIsExact(t *testing.T) {
	for _, tt := range []struct {
		name           string
		mailbox, limit int
	}{
		{"default", 0, 1024},
		{"one", 1, 1},
		{"odd", 77, 77},
		{"negative is default", -1, 1024},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				open := make(chan struct{})
				handled := 0
				r := gated(s, Props{Mailbox: tt.mailbox}, open, func(c *Context) {
					if _, ok := c.Message().(int); ok {
						handled++
					}
				})
				synctest.Wait()
				for i := range tt.limit {
					if got := r.TryPost(i); got != Accepted {
						t.Fatalf("message %d of %d: %v", i+1, tt.limit, got)
					}
				}
				if got := r.TryPost(0); got != Full {
					t.Fatalf("beyond the limit: %v", got)
				}
				if err := r.Send(0); err != ErrFull {
					t.Fatalf("Send beyond the limit: %v", err)
				}
				if got := r.Force(0); got != Accepted {
					t.Fatalf("Force beyond the limit: %v", got)
				}
				if got := s.Stats().Full; got != 2 {
					t.Fatalf("counted %d refused, want 2", got)
				}
				close(open)
				synctest.Wait()
				if handled != tt.limit+1 || r.Queued() != 0 {
					t.Fatalf("handled %d, queued %d; want %d, 0", handled, r.Queued(), tt.limit+1)
				}
			})
		})
	}
}

func TestMailboxLimitHoldsAgainstManySenders(t *testing.T) {
	s := newTestSystem(t, Config{})
	open := make(chan struct{})
	r := gated(s, Props{Mailbox: 100}, open, func(*Context) {})
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { // ends after 1,000 posts
			for range 1000 {
				if r.TryPost(1) == Accepted {
					accepted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	close(open)
	if got := accepted.Load(); got != 100 {
		t.Fatalf("accepted %d, want 100", got)
	}
}

func TestEverySendersOrderIsKeptAndNoWakeUpIsLost(t *testing.T) {
	const senders, each = 4, 5000
	for _, neverBlocks := range []bool{false, true} {
		s := newTestSystem(t, Config{Throughput: 7})
		var last [senders]int
		sum := 0
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
					for r.TryPost([2]int{i, n}) == Full {
						runtime.Gosched()
					}
					if n%64 == 0 { // let the actor go idle, as often as it likes
						runtime.Gosched()
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

func TestNilIsAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var got []any
		r := s.Spawn(Props{}, behave(func(c *Context) { got = append(got, c.Message()) }))
		_ = r.Send(nil)
		_ = r.Send("next")
		synctest.Wait()
		if want := []any{Started{}, nil, "next"}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestPostedBeforeStartIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		parent := gated(s, Props{}, open, func(*Context) {})
		var got []any
		child := s.SpawnUnder(parent, Props{}, behave(func(c *Context) { got = append(got, c.Message()) }))
		_ = child.Send(1)
		_ = child.Send(2)
		synctest.Wait()
		if child.Queued() != 2 || child.PID() != nil {
			t.Fatalf("queued %d with PID %v, want 2 and none: its parent is busy", child.Queued(), child.PID())
		}
		close(open)
		synctest.Wait()
		if want := []any{Started{}, 1, 2}; !slices.Equal(got, want) || child.PID() == nil {
			t.Fatalf("got %v, want %v; PID %v", got, want, child.PID())
		}
	})
}

func TestIdleActorKeepsNoBigQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var gate sync.Mutex
		r := s.Spawn(Props{Mailbox: 100_000, NeverBlocks: true}, behave(func(*Context) {
			gate.Lock()
			defer gate.Unlock()
		}))
		kept := func() int {
			r.m.mu.Lock()
			defer r.m.mu.Unlock()
			return cap(r.m.in) + cap(r.m.out)
		}
		for _, tt := range []struct {
			burst, quiet, most int // messages at once, then one by one; room kept behind
		}{
			{50_000, 0, keepIdle}, // much: at once
			{50_000, 1, keepIdle}, // in and out have changed places
			{1000, 20, keepIdle},
			{1000, 0, 2 * keepBusy},
			{1000, 20, keepIdle},
		} {
			gate.Lock()
			for i := range tt.burst {
				if r.TryPost(i) != Accepted {
					t.Fatalf("%+v: message %d not accepted", tt, i)
				}
			}
			gate.Unlock()
			synctest.Wait()
			for range tt.quiet {
				r.TryPost(0)
				synctest.Wait()
			}
			if got := kept(); got > tt.most {
				t.Fatalf("%+v: kept room for %d", tt, got)
			}
		}
	})
}

func TestDeadMailboxHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		state := new([1 << 20]byte)
		r := s.Spawn(Props{}, behave(func(*Context) { state[0]++ }))
		synctest.Wait()
		r.Stop()
		<-r.Done()
		synctest.Wait()
		if sh := shellOf(r); sh.behavior != nil || sh.fresh != nil || r.m.in != nil || r.m.out != nil {
			t.Fatalf("a dead actor's Ref still holds its behaviour or queue")
		}
	})
}

func TestTryPostToWarmActorAllocatesNothing(t *testing.T) {
	for _, neverBlocks := range []bool{false, true} {
		s := newTestSystem(t, Config{})
		handled := make(chan struct{}, 1)
		r := s.Spawn(Props{NeverBlocks: neverBlocks}, behave(func(c *Context) {
			if _, ok := c.Message().(*int); ok {
				handled <- struct{}{}
			}
		}))
		msg := new(int)
		post := func() {
			if r.TryPost(msg) != Accepted {
				t.Error("not accepted")
			}
			<-handled
		}
		for range 100 {
			post()
		}
		if n := testing.AllocsPerRun(1000, post); n != 0 {
			t.Errorf("never blocks %v: %v allocations for a message, want 0", neverBlocks, n)
		}
	}
}

func TestTurnEndsAtThroughputAndAtItsCharge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		charge int
		want   int // messages of the first actor before the second gets its turn
	}{
		{"one unit each", 0, 10},
		{"four units more each", 4, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestSystem(t, Config{Workers: 1, Throughput: 10})
			var mine, seen int // the one worker's
			done := make(chan struct{})
			second := s.Spawn(Props{NeverBlocks: true}, behave(func(c *Context) {
				if c.Message() == "look" {
					seen = mine
					close(done)
				}
			}))
			first := s.Spawn(Props{NeverBlocks: true}, behave(func(c *Context) {
				if c.Message() == "work" {
					mine++
					c.Charge(tt.charge)
				}
			}))
			hold, held := make(chan struct{}), make(chan struct{})
			s.Spawn(Props{NeverBlocks: true}, behave(func(c *Context) {
				if _, ok := c.Message().(Started); ok {
					close(held)
					<-hold // only here: the worker waits while the queue is laid out
				}
			}))
			<-held
			for range 50 {
				_ = first.Send("work")
			}
			_ = second.Send("look")
			close(hold)
			<-done
			if seen != tt.want {
				t.Fatalf("%d messages before the other's turn, want %d", seen, tt.want)
			}
		})
	}
}

func shellOf(r Ref) *shell {
	return r.m.invoker.(protoactor.Context).Actor().(*shell)
}
