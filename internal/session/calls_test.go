package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
)

func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Calls
		var requests []uint32
		results := make(chan string, 10)
		ask := func(ctx context.Context) {
			r, err := c.Do(ctx, func(request uint32) error {
				requests = append(requests, request)
				return nil
			})
			results <- fmt.Sprintf("%s %v", r.Payload, err)
		}
		for range 3 {
			go ask(t.Context())
			synctest.Wait()
		}
		lent := []byte("b")
		for i, request := range []uint32{requests[1], requests[1], requests[0], 999, 0} {
			got := c.Answer(&wire.Response{Request: request, Body: wire.Payload(lent)})
			if want := i == 0 || i == 2; got != want {
				t.Errorf("answer %d to %d: taken %v, want %v", i, request, got, want)
			}
		}
		copy(lent, "X")
		for range 2 {
			if r := <-results; r != "b <nil>" {
				t.Errorf("answered %s", r)
			}
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go ask(ctx)
		if r := <-results; r != " context deadline exceeded" {
			t.Errorf("a call that gives up: %s", r)
		}
		if c.Answer(&wire.Response{Request: requests[3]}) {
			t.Error("the answer to a call that has given up was taken")
		}

		_, err := c.Do(ctx, func(uint32) error { t.Error("a call that has given up is sent"); return nil })
		if err != context.DeadlineExceeded {
			t.Errorf("a call that has given up: %v", err)
		}

		failed := errors.New("not sent")
		if _, err := c.Do(t.Context(), func(uint32) error { return failed }); err != failed {
			t.Errorf("a call that can't be sent: %v", err)
		}

		c.Close(&CloseError{Code: wire.CodeKicked})
		c.Close(&CloseError{Code: wire.CodeLost}) // the first reason counts
		want := " " + (&CloseError{Code: wire.CodeKicked}).Error()
		if r := <-results; r != want {
			t.Errorf("a call when the session ends: %s, want%s", r, want)
		}
		go ask(t.Context())
		if r := <-results; r != want {
			t.Errorf("a call after the end: %s, want%s", r, want)
		}
		if len(c.waiting) != 0 {
			t.Errorf("%d calls are still waiting", len(c.waiting))
		}
	})
}

func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Calls
		var wg sync.WaitGroup
		for range maxCalls {
			wg.Go(func() { c.Do(t.Context(), func(uint32) error { return nil }) })
		}
		synctest.Wait()
		if _, err := c.Do(t.Context(), func(uint32) error { return nil }); err != ErrOverloaded {
			t.Errorf("one call more: %v, want %v", err, ErrOverloaded)
		}
		c.Close(&CloseError{})
		wg.Wait()
	})
}

func TestCallsNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Calls{last: 1<<32 - 2}
		var got []uint32
		for range 2 {
			go c.Do(t.Context(), func(request uint32) error { got = append(got, request); return nil })
			synctest.Wait()
		}
		c.last = 1<<32 - 2 // both are in use when it comes round
		go c.Do(t.Context(), func(request uint32) error { got = append(got, request); return nil })
		synctest.Wait()
		if fmt.Sprint(got) != "[4294967295 1 2]" {
			t.Errorf("numbers %v: want none twice and none 0", got)
		}
		c.Close(&CloseError{})
	})
}
