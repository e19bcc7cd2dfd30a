package actor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestGoBringsBackItsResultWhileTheActorWorksOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var log journal
		r := s.Spawn(Props{NeverBlocks: true}, behave(func(c *Context) {
			log.add(1, c.Message())
			if c.Message() == "ask" {
				_ = c.Go(func(context.Context) any {
					time.Sleep(time.Second)
					return "result"
				})
			}
		}))
		_ = r.Send("ask")
		_ = r.Send("meanwhile")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, want := log.String(), "1:Started 1:ask 1:meanwhile 1:result"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestGoTellsOfAFunctionThatDidNotReturn(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				var got error
				s.Spawn(Props{}, behave(func(c *Context) {
					switch m := c.Message().(type) {
					case Started:
						_ = c.Go(func(context.Context) any { way.do(); return "not reached" })
					case Failed:
						got = m.Err
					default:
						t.Errorf("got %v", m)
					case Stopping:
					}
				}))
				synctest.Wait()
				if _, ok := errors.AsType[*PanicError](got); !ok || s.Stats().Panics != 1 {
					t.Fatalf("got %v, %+v", got, s.Stats())
				}
			})
		})
	}
}

func TestGoIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		var errs []error
		back := 0
		r := s.Spawn(Props{}, behave(func(c *Context) {
			switch c.Message() {
			case "fill":
				for range maxGo + 1 {
					errs = append(errs, c.Go(func(context.Context) any { <-open; return 1 }))
				}
			case "again":
				errs = append(errs, c.Go(func(context.Context) any { return 1 }))
			case 1:
				back++
			}
		}))
		_ = r.Send("fill")
		synctest.Wait()
		close(open)
		synctest.Wait()
		_ = r.Send("again")
		synctest.Wait()
		for i, err := range errs {
			if want := map[bool]error{true: ErrBusy}[i == maxGo]; err != want {
				t.Errorf("function %d: %v, want %v", i+1, err, want)
			}
		}
		if len(errs) != maxGo+2 || back != maxGo+1 {
			t.Errorf("%d begun, %d came back", len(errs), back)
		}
	})
}

func TestGoEndsWithItsActor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result func(*held) any
		panics uint64
	}{
		{"result is released", func(h *held) any { return h }, 0},
		{"panic is counted", func(h *held) any { h.Release(); panic("nobody listens") }, 1},
		{"panic in Release is caught", func(h *held) any { h.Release(); return explosive{} }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				m := &held{}
				r := s.Spawn(Props{}, behave(func(c *Context) {
					if _, ok := c.Message().(Started); ok {
						_ = c.Go(func(ctx context.Context) any {
							<-ctx.Done()
							return tt.result(m)
						})
					}
				}))
				synctest.Wait()
				r.Stop()
				<-r.Done()
				synctest.Wait()
				if m.released.Load() != 1 || s.Stats().Panics != tt.panics {
					t.Fatalf("released %d times, %+v", m.released.Load(), s.Stats())
				}
			})
		})
	}
}

func TestShutdownWaitsForGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		ended := false
		s.Spawn(Props{}, behave(func(c *Context) {
			if _, ok := c.Message().(Stopping); ok {
				_ = c.Go(func(ctx context.Context) any {
					time.Sleep(time.Second) // deaf to ctx
					ended = ctx.Err() != nil
					return nil
				})
			}
		}))
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil || !ended {
			t.Fatalf("%v; function ended: %v", err, ended)
		}
	})
}
