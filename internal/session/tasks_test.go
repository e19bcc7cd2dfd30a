package session

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts tasks
		if err := ts.wait(t.Context()); err != nil {
			t.Errorf("nothing runs: %v", err)
		}
		start := time.Now()
		ts.Go(func() { time.Sleep(2 * time.Second) })
		ts.Go(func() { time.Sleep(time.Second); ts.Go(func() { time.Sleep(2 * time.Second) }) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := ts.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("they run: %v", err)
		}
		if err := ts.wait(t.Context()); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestTasksStartWhileWaited(t *testing.T) {
	var ts tasks
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				ts.Go(func() {})
				ts.wait(t.Context())
			}
		})
	}
	wg.Wait()
	if err := ts.wait(t.Context()); err != nil {
		t.Error(err)
	}
}
