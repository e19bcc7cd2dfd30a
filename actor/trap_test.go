package actor

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// What protoactor-go does as it comes, and we must not. Each test is named for
// the trap; it shows our way.

// There, Stop drops the queue without a word and requests in it time out.
func TestTrapStopLosesQueuedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		r := gated(s, Props{}, open, func(*Context) {})
		synctest.Wait()
		var messages [5]held
		for i := range messages {
			_ = r.Send(&messages[i])
		}
		asked := make(chan error, 1)
		go func() { // ends with the actor
			_, err := Ask[any](t.Context(), r, "?")
			asked <- err
		}()
		enveloped := &held{}
		future := s.Proto().Root.RequestFuture(r.PID(), enveloped, time.Hour)
		synctest.Wait()
		r.Kill()
		close(open)
		<-r.Done()
		if err := <-asked; err != ErrStopped {
			t.Errorf("asker got %v", err)
		}
		if err := future.Wait(); !errors.Is(err, protoactor.ErrDeadLetter) {
			t.Errorf("protoactor's asker got %v", err)
		}
		for i := range messages {
			if n := messages[i].released.Load(); n != 1 {
				t.Errorf("message %d released %d times", i, n)
			}
		}
		if enveloped.released.Load() != 1 || s.Stats().Discarded != 7 {
			t.Errorf("released %d times, %+v", enveloped.released.Load(), s.Stats())
		}
	})
}

// There, a full bounded mailbox makes its sender spin, the dropping one spins
// by itself for ever, and sending to oneself is a deadlock. A bubble waits for
// ever if anything spins.
func TestTrapFullMailboxSpins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var full error
		open := make(chan struct{})
		r := s.Spawn(Props{Mailbox: 2}, behave(func(c *Context) {
			if _, ok := c.Message().(Started); ok {
				for full == nil {
					full = c.Self().Send(1)
				}
				<-open
			}
		}))
		synctest.Wait()
		m := &held{}
		s.Proto().Root.Send(r.PID(), m)
		future := s.Proto().Root.RequestFuture(r.PID(), "?", time.Hour)
		if err := future.Wait(); !errors.Is(err, protoactor.ErrDeadLetter) {
			t.Errorf("protoactor's asker got %v", err)
		}
		synctest.Wait()
		if full != ErrFull || m.released.Load() != 1 {
			t.Errorf("sender got %v; released %d times", full, m.released.Load())
		}
		close(open)
	})
}

// There, a PID is known before its mailbox has a dispatcher: whoever sends in
// between panics, and the actor never runs.
func TestTrapSendWhileSpawningPanicsTheSender(t *testing.T) {
	s := newTestSystem(t, Config{})
	const n = 2000
	var got atomic.Int64
	quiet := behave(func(c *Context) {
		if _, ok := c.Message().(int); ok {
			got.Add(1)
		}
	})
	var next atomic.Pointer[Ref]
	end := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { // ends with end
			for {
				select {
				case <-end:
					return
				default:
				}
				if r := next.Load(); r != nil {
					s.Proto().Root.Send(s.Proto().NewLocalPID(s.top.name+"/"+r.m.name), 1)
					r.TryPost(1)
				}
			}
		})
	}
	for i := range n {
		r := s.Spawn(Props{NeverBlocks: i%2 == 0}, quiet)
		next.Store(&r)
		if _, err := Ask[any](t.Context(), r, "?"); err != ErrNoAnswer && err != ErrFull {
			t.Fatalf("actor %d: %v", i, err)
		}
		r.Stop()
		<-r.Done()
	}
	close(end)
	wg.Wait()
	if got.Load() == 0 {
		t.Fatal("nothing was sent while actors were spawned")
	}
}

// There, a panic in Stopping restarts the actor and who waits for its end waits
// for ever; one in Stopped keeps its end from its watchers.
func TestTrapPanicInStoppingRestartsTheActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		started := 0
		r := s.Spawn(Props{OnPanic: RestartOnPanic}, behave(func(c *Context) {
			switch c.Message().(type) {
			case Started:
				started++
			case Stopping:
				panic("boom")
			}
		}))
		var told []Ref
		w := s.Spawn(Props{}, behave(watcher(&told)))
		_ = w.Send(r)
		synctest.Wait()
		end := s.Proto().Root.StopFuture(r.PID())
		if err := end.Wait(); err != nil {
			t.Errorf("protoactor's StopFuture: %v", err)
		}
		synctest.Wait()
		if started != 1 || len(told) != 1 {
			t.Errorf("started %d times, watcher told %d times; want once and once", started, len(told))
		}
	})
}

// There, an actor that panics is restarted with its state gone, unasked.
func TestTrapPanicRestartsByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		made := 0
		r := s.Spawn(Props{}, func() Behavior {
			made++
			return Func(func(c *Context) {
				if c.Message() == "bad" {
					panic("boom")
				}
			})
		})
		_ = r.Send("bad")
		<-r.Done()
		if made != 1 {
			t.Fatalf("%d behaviours made, want 1", made)
		}
	})
}

type batchOf []any

func (b batchOf) GetMessages() []any { return b }

// There, a message that has a GetMessages method comes in parts and then whole.
func TestTrapMessageBatchComesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var got []any
		r := s.Spawn(Props{}, behave(func(c *Context) { got = append(got, c.Message()) }))
		_ = r.Send(&batchOf{1, 2})
		synctest.Wait()
		s.Proto().Root.Send(r.PID(), &batchOf{3, 4})
		synctest.Wait()
		if len(got) != 3 {
			t.Fatalf("got %v, want Started and two batches", got)
		}
	})
}

// There, a second answer overwrites the first.
func TestTrapSecondAnswerOverwritesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var reply Reply
		r := s.Spawn(Props{}, behave(func(c *Context) {
			if c.Message() == "?" {
				reply = c.Reply()
			}
		}))
		asked := make(chan outcome, 1)
		go func() { asked <- ask[string](t.Context(), r, "?") }() // ends with the answer
		synctest.Wait()
		first, second := reply.Send("first"), reply.Send("second")
		if got := <-asked; got.v != "first" || !first || second {
			t.Fatalf("got %v; sent %v, %v", got, first, second)
		}
	})
}

// There, a name that is used again leads an old PID to a new actor.
func TestTrapOldPIDReachesANewActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		old := s.Spawn(Props{Name: "room"}, behave(func(*Context) {}))
		synctest.Wait()
		pid := old.PID()
		old.Stop()
		<-old.Done()
		got := 0
		s.Spawn(Props{Name: "room"}, behave(func(c *Context) {
			if c.Message() == "for the old one" {
				got++
			}
		}))
		synctest.Wait()
		m := &held{}
		s.Proto().Root.Send(pid, "for the old one")
		s.Proto().Root.Send(pid, m)
		synctest.Wait()
		if got != 0 || m.released.Load() != 1 || s.Stats().Dead != 2 {
			t.Fatalf("the new one got %d; released %d times, %+v", got, m.released.Load(), s.Stats())
		}
	})
}

// There, a minute's goroutine follows the first dead letter. This bubble could
// not end with it.
func TestTrapDeadLetterLeavesAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		s.Proto().Root.Send(s.Proto().NewLocalPID("nobody"), 1)
		if got := s.Stats().Dead; got != 1 {
			t.Fatalf("%d dead letters counted, want 1", got)
		}
	})
}

// protoactor's own Watch goes on working, also of an actor that is gone: before
// its name is taken off the registry, and behind.
func TestProtoactorsWatchOfADeadActorIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var told []string
		w := s.Spawn(Props{}, behave(func(c *Context) {
			switch m := c.Message().(type) {
			case *PID:
				c.Proto().Watch(m)
			case *protoactor.Terminated:
				told = append(told, m.Who.Id)
			}
		}))
		r := s.Spawn(Props{}, behave(func(*Context) {}))
		synctest.Wait()
		pid := r.PID()
		_ = w.Send(pid)
		synctest.Wait()
		r.Stop()
		<-r.Done()
		_ = w.Send(pid)
		synctest.Wait()
		r.m.PostSystemMessage(&protoactor.Watch{Watcher: w.PID()})
		synctest.Wait()
		if len(told) != 3 || told[0] != pid.Id || told[1] != pid.Id || told[2] != pid.Id {
			t.Fatalf("told of %v, want 3 × %v", told, pid.Id)
		}
	})
}

// Nothing vanishes: what was accepted was handled or discarded, and what was
// discarded or refused has been given back.
func TestAcceptedIsHandledOrDiscarded(t *testing.T) {
	s := newTestSystem(t, Config{Throughput: 5})
	var handled, accepted, refused atomic.Uint64
	var messages [4][5000]held
	for round := range 20 {
		r := s.Spawn(Props{Mailbox: 50, NeverBlocks: round%2 == 0}, behave(func(c *Context) {
			if m, ok := c.Message().(*held); ok {
				handled.Add(1)
				m.Release()
			}
		}))
		var wg sync.WaitGroup
		for g := range messages {
			wg.Go(func() { // ends with its share
				for i := range 250 {
					if r.Send(&messages[g][round*250+i]) == nil {
						accepted.Add(1)
					} else {
						refused.Add(1)
					}
					if g == 0 && i == 120 {
						r.Kill()
					}
				}
			})
		}
		wg.Wait()
		<-r.Done()
	}
	st := s.Stats()
	if accepted.Load() != handled.Load()+st.Discarded || refused.Load() != st.Full+st.Dead {
		t.Errorf("accepted %d, handled %d; refused %d; %+v", accepted.Load(), handled.Load(), refused.Load(), st)
	}
	for g := range messages {
		for i := range messages[g] {
			if n := messages[g][i].released.Load(); n != 1 {
				t.Fatalf("message %d of %d was given back %d times", i, g, n)
			}
		}
	}
}
