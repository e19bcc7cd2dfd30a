package actor

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestPoolReusesGoroutinesAndKeepsOnlyIdlePool(t *testing.T) {
	for _, tt := range []struct{ idle, want int }{{3, 3}, {-1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(300, tt.idle)
			open := make(chan struct{})
			for range 10 {
				p.Schedule(func() { <-open })
			}
			synctest.Wait()
			close(open)
			synctest.Wait()
			if p.nIdle = max(p.nIdle, 0); p.nIdle != tt.want {
				t.Fatalf("%d goroutines parked, want %d", p.nIdle, tt.want)
			}
			var ran atomic.Int32
			for range 5 {
				p.Schedule(func() { ran.Add(1) })
				synctest.Wait()
			}
			if p.nIdle != tt.want || ran.Load() != 5 {
				t.Fatalf("%d parked and %d run, want %d and 5", p.nIdle, ran.Load(), tt.want)
			}
			p.close() // the bubble sees that no goroutine is left
		})
	}
}

func TestBlockedActorHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		for range 50 {
			gated(s, Props{}, open, func(*Context) {})
		}
		handled := false
		_ = s.Spawn(Props{}, behave(func(c *Context) { handled = handled || c.Message() == "hello" })).Send("hello")
		synctest.Wait()
		if !handled {
			t.Fatal("an actor waits for blocked ones")
		}
		close(open)
	})
}

func TestRunQueueGrowsAndRunsEachOnce(t *testing.T) {
	r := newRunQueue(3, 300)
	const n = 10_000
	var ran [n]atomic.Int32
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() { // ends when its quarter is queued
			for i := g; i < n; i += 4 {
				r.Schedule(func() { ran[i].Add(1) })
			}
		})
	}
	wg.Wait()
	r.close()
	for i := range ran {
		if got := ran[i].Load(); got != 1 {
			t.Fatalf("%d ran %d times", i, got)
		}
	}
}

func TestRunQueueOutlivesGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunQueue(1, 300)
		open, ran := make(chan struct{}), 0
		r.Schedule(func() { <-open })
		synctest.Wait()
		for i := range 100 { // taken in batches, with a Goexit in each
			r.Schedule(func() {
				ran++
				if i%5 == 0 {
					goexit()
				}
			})
		}
		close(open)
		synctest.Wait()
		if ran != 100 {
			t.Fatalf("%d ran, want 100", ran)
		}
		r.close()
	})
}
