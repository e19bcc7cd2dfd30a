package actor

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"
)

type outcome struct {
	v   any
	err error
}

func ask[T any](ctx context.Context, r Ref, msg any) outcome {
	v, err := Ask[T](ctx, r, msg)
	return outcome{v, err}
}

func TestAskOutcomes(t *testing.T) {
	boom := errors.New("boom")
	notFound := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	respond := func(v any) Func {
		return func(c *Context) {
			if c.Message() == "?" {
				c.Respond(v)
			}
		}
	}
	for _, tt := range []struct {
		name string
		b    Func
		ask  func(context.Context, Ref, any) outcome
		v    any
		err  error // matched by errors.Is; errAny: some
	}{
		{"value", respond(42), ask[int], 42, nil},
		{"any", respond(42), ask[any], 42, nil},
		{"nil for an interface", respond(nil), ask[any], nil, nil},
		{"nil for a number", respond(nil), ask[int], 0, errAny},
		{"wrong type", respond("x"), ask[int], 0, errAny},
		{"error", respond(boom), ask[int], 0, boom},
		{"error, any asked for", respond(boom), ask[any], nil, boom},
		{"error asked for", respond(boom), ask[error], boom, nil},
		{"error type asked for", respond(notFound), ask[*fs.PathError], notFound, nil},
		{"another error than asked for", respond(boom), ask[*fs.PathError], (*fs.PathError)(nil), boom},
		{"no answer", func(*Context) {}, ask[any], nil, ErrNoAnswer},
		{"no answer, error asked for", func(*Context) {}, ask[error], nil, ErrNoAnswer},
		{"panic", func(c *Context) {
			if c.Message() == "?" {
				panic(boom)
			}
		}, ask[any], nil, boom},
		{"stop", func(c *Context) {
			if c.Message() == "?" {
				c.Reply()
				c.Stop()
			}
		}, ask[error], nil, ErrStopped},
		{"reply from another goroutine", func(c *Context) {
			if c.Message() == "?" {
				r := c.Reply()
				_ = c.Go(func(context.Context) any { return r.Send(7) })
			}
		}, ask[int], 7, nil},
		{"answered, then stopped", func(c *Context) {
			if c.Message() == "?" {
				c.Respond(7)
				c.Stop()
			}
		}, ask[int], 7, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				start := time.Now()
				got := tt.ask(t.Context(), s.Spawn(Props{}, behave(tt.b)), "?")
				if got.v != tt.v || !errors.Is(got.err, tt.err) && (tt.err != errAny || got.err == nil) {
					t.Fatalf("got %#v, %v; want %#v, %v", got.v, got.err, tt.v, tt.err)
				}
				if d := time.Since(start); d != 0 {
					t.Fatalf("took %v", d)
				}
			})
		})
	}
}

var errAny = errors.New("any error")

func TestAskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var late Reply
		r := s.Spawn(Props{}, behave(func(c *Context) {
			if c.Message() == "?" {
				late = c.Reply()
			}
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, a := range []func(context.Context, Ref, any) outcome{ask[int], ask[any], ask[error]} {
			if got := a(ctx, r, "?"); got.err != context.DeadlineExceeded {
				t.Fatalf("got %+v", got)
			}
		}
		synctest.Wait()
		if late.Send(1) {
			t.Fatal("an answer was taken for one who has gone")
		}
	})
}

func TestAskOfNobodyFullAndDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		full := gated(s, Props{Mailbox: 1}, open, func(*Context) {})
		synctest.Wait()
		full.TryPost(1)
		dead := s.Spawn(Props{}, behave(func(*Context) {}))
		dead.Kill()
		<-dead.Done()
		for _, tt := range []struct {
			to   Ref
			want error
		}{{Ref{}, ErrNobody}, {full, ErrFull}, {dead, ErrStopped}} {
			m := &held{}
			if _, err := Ask[any](t.Context(), tt.to, m); err != tt.want {
				t.Errorf("%v: %v, want %v", tt.to, err, tt.want)
			}
			if n := m.released.Load(); n != 1 {
				t.Errorf("%v: released %d times, want once", tt.want, n)
			}
		}
		close(open)
	})
}

func TestOnlyTheFirstAnswerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var sent []bool
		r := s.Spawn(Props{}, behave(func(c *Context) {
			if c.Message() == "?" {
				sent = append(sent, c.Respond(1), c.Respond(2), c.Reply().Send(3))
			}
		}))
		got, err := Ask[int](t.Context(), r, "?")
		synctest.Wait()
		if got != 1 || err != nil || len(sent) != 3 || !sent[0] || sent[1] || sent[2] {
			t.Fatalf("got %d, %v; sent %v", got, err, sent)
		}
		if (Reply{}).Send(1) {
			t.Fatal("the zero Reply answered somebody")
		}
	})
}

func TestRespondWithoutAskerReportsFalse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var answers []bool
		r := s.Spawn(Props{}, behave(func(c *Context) {
			if c.Message() == "?" || c.Message() == "!" {
				answers = append(answers, c.Respond(1))
			}
		}))
		_, _ = Ask[int](t.Context(), r, "?")
		_ = r.Send("!") // must not find the asker of before
		synctest.Wait()
		if len(answers) != 2 || !answers[0] || answers[1] {
			t.Fatalf("got %v, want true, false", answers)
		}
	})
}

type borrowed struct{ copied bool }

func (b borrowed) Owned() any { return borrowed{copied: true} }

func TestLentMessagesAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var got []any
		r := s.Spawn(Props{}, behave(func(c *Context) {
			switch m := c.Message().(type) {
			case borrowed:
				got = append(got, m.copied)
				c.Respond(borrowed{})
			case string:
				c.After(time.Second, borrowed{})
			}
		}))
		_ = r.Send(borrowed{})
		answer, err := Ask[borrowed](t.Context(), r, borrowed{})
		_ = r.Send("after")
		time.Sleep(2 * time.Second)
		r.TryPost(borrowed{})
		synctest.Wait()
		if err != nil || !answer.copied {
			t.Errorf("answer %v, %v", answer, err)
		}
		if len(got) != 4 || got[0] != true || got[1] != true || got[2] != true || got[3] != false {
			t.Errorf("Send, Ask, After, TryPost: copied %v; want all but the last", got)
		}
	})
}

func TestDo(t *testing.T) {
	sys := newTestSystem(t, Config{})
	boom := errors.New("boom")
	ref := sys.Spawn(Props{}, func() Behavior {
		return Func(func(c *Context) {
			switch c.Message() {
			case "nothing":
				c.Respond(nil)
			case "something":
				c.Respond(1)
			case "failure":
				c.Respond(boom)
			}
		})
	})
	for msg, want := range map[string]error{"nothing": nil, "something": nil, "failure": boom, "silence": ErrNoAnswer} {
		if err := Do(t.Context(), ref, msg); !errors.Is(err, want) {
			t.Errorf("Do(%s) = %v, want %v", msg, err, want)
		}
	}
}
