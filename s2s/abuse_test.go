package s2s_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// kindOf names a message for tests that treat each in turn.
func kindOf(message any) string {
	_, kind, _ := strings.Cut(fmt.Sprintf("%T", message), "s2s.")
	return strings.ToLower(kind)
}

// Whatever a behaviour does in whichever of its messages, at either end, the link
// can be closed, and nothing is left of it.
func TestAnythingInAnyMessage(t *testing.T) {
	acts := map[string]func(*s2s.Context){
		"panics":        func(*s2s.Context) { panic("boom") },
		"exits":         func(*s2s.Context) { runtime.Goexit() },
		"blocks":        func(*s2s.Context) { time.Sleep(3 * time.Second) },
		"closes":        func(c *s2s.Context) { c.Close(200, "enough") },
		"stops actor":   func(c *s2s.Context) { c.Context.Stop() },
		"closes, calls": func(c *s2s.Context) { c.Close(200, "enough"); c.Call(context.Background(), 99, text("x")) },
		"calls itself": func(c *s2s.Context) {
			ctx, cancel := context.WithTimeout(c.Ctx(), time.Minute)
			defer cancel()
			c.Call(ctx, 99, text("x")) // an error says that the link is down
		},
	}
	for _, kind := range []string{"started", "established", "failed", "operation", "event", "down", "closed"} {
		for act, do := range acts {
			for _, dials := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s in %s dials %v", act, kind, dials), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
						ill := map[bool]*server{true: a, false: b}[dials]
						met := false
						ill.intercept(func(c *s2s.Context) bool {
							if kindOf(c.Message()) == kind {
								met = true
								do(c)
							}
							return false
						})
						w.net.Cut(a.ip(), b.ip())
						l := a.dial(b)
						time.Sleep(6 * time.Second)
						w.net.Heal(a.ip(), b.ip())
						time.Sleep(6 * time.Second)
						for _, l := range []*s2s.Link{s2s.Find(a.sys, "b", ""), s2s.Find(b.sys, "a", "")} {
							if l != nil { // errors say that it is down
								l.Event(1, text("x"), wire.Reliable)
								l.Notify(1, text("x"), wire.Reliable)
							}
						}
						time.Sleep(5 * time.Second)
						w.reset()
						time.Sleep(20 * time.Second)
						l.Close(wire.CodeNormal, "")
						<-l.Done() // else the bubble says who waits for whom
						time.Sleep(2 * time.Minute)
						for _, s := range []*server{a, b} {
							if st := s.Stats(); st.Up != 0 || st.Links != 0 || st.Transport.Connections != 0 {
								t.Errorf("%s: %+v", s.name, st)
							}
						}
						synctest.Wait()
						if !met && !(kind == "failed" && !dials) { // who does not dial does not fail
							t.Errorf("%s was told %q", ill.name, ill.all())
						}
					})
				})
			}
		}
	}
}

// Messages of just the largest size come; those above it are refused, and cost
// nothing else, be the link up or not, be they answers.
func TestLargestMessages(t *testing.T) {
	const event, notice, call, answer = 65529, 65529, 65527, 65527
	of := func(n int) wire.Body { return wire.Payload(make([]byte, n)) }
	for _, scheme := range []string{"tls", "ws", "udp"} {
		inWorld(t, func(t *testing.T, w *world) {
			cfg := s2s.Config{KeepQueued: true, AllowPlaintext: true}
			a, b := w.server("a", cfg), w.server("b", cfg)
			b.listen(s2s.Scheme+scheme, 4530)
			var came []int
			b.intercept(func(c *s2s.Context) bool {
				switch m := c.Message().(type) {
				case *s2s.Event:
					came = append(came, len(m.Payload))
				case *s2s.Operation:
					came = append(came, len(m.Payload))
					if m.Code == 2 {
						wantErr(t, m.Respond(of(answer+1)), s2s.ErrTooLarge)
						wantErr(t, m.Respond(of(answer)), nil)
						return true
					}
				default:
					return false
				}
				return true
			})
			l := a.dialTarget(s2s.Target{Name: "b", URL: s2s.Scheme + scheme + "://" + b.addr(4530)})
			for _, up := range []bool{false, true} {
				if l.Up() != up {
					t.Fatalf("up %v", !up)
				}
				wantErr(t, l.Event(1, of(event+1), wire.Reliable), s2s.ErrTooLarge)
				wantErr(t, l.Event(1, of(event), wire.Reliable), nil)
				wantErr(t, l.Notify(1, of(notice+1), wire.Reliable), s2s.ErrTooLarge)
				wantErr(t, l.Notify(1, of(notice), wire.Reliable), nil)
				_, err := l.Call(t.Context(), 2, of(call+1))
				wantErr(t, err, s2s.ErrTooLarge)
				if r, err := l.Call(t.Context(), 2, of(call)); err != nil || len(r.Payload) != answer {
					t.Errorf("%s: %d bytes, %v", scheme, len(r.Payload), err)
				}
			}
			synctest.Wait()
			if want := fmt.Sprint([]int{event, notice, call, event, notice, call}); fmt.Sprint(came) != want {
				t.Errorf("%s: %v came, want %s", scheme, came, want)
			}
			if st := b.Stats(); st.Established != 1 || st.Up != 1 {
				t.Errorf("%s: %+v", scheme, st)
			}
		})
	}
}

// Answers to calls that have given up go nowhere, however many they are.
func TestAnswersThatNobodyAwaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		var replies []s2s.Reply
		b.intercept(func(c *s2s.Context) bool {
			op, ok := c.Message().(*s2s.Operation)
			if ok && op.Code == 2 {
				replies = append(replies, op.Later())
			}
			return ok && op.Code == 2
		})
		l := a.dial(b)
		w.linked(a, b)
		const n = 3000
		for range n {
			ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
			_, err := l.Call(ctx, 2, text("x"))
			wantErr(t, err, context.DeadlineExceeded)
			cancel()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(replies) != n {
			t.Fatalf("%d operations came", len(replies))
		}
		for _, r := range replies[:n-1] {
			wantErr(t, r.Respond(text("late")), nil)
		}
		if r, err := l.Call(t.Context(), 1, text("next")); err != nil || string(r.Payload) != "next" {
			t.Errorf("%+v, %v", r, err)
		}
		w.reset()
		time.Sleep(time.Second)
		w.linked(a, b)
		wantErr(t, replies[n-1].Respond(text("too late")), s2s.ErrClosed)
		if r, err := l.Call(t.Context(), 1, text("next")); err != nil || string(r.Payload) != "next" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Both ends close at about the same time, again and again.
func TestBothClose(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		for i := range 30 {
			la := a.dial(b)
			b.dial(a)
			w.linked(a, b)
			lb := b.link(a)
			a.take()
			b.take()
			la.Event(1, text("x"), wire.Reliable) // errors show in what comes
			lb.Event(1, text("x"), wire.Reliable)
			la.Close(200, "a")
			time.Sleep(time.Duration(i) * oneWay / 10)
			lb.Close(201, "b")
			<-la.Done()
			<-lb.Done()
			for s, code := range map[*server]string{a: "closed code 200", b: "closed code 201"} {
				all := s.take()
				if len(all) < 2 || !strings.HasPrefix(all[len(all)-2], "down code 20") || all[len(all)-1] != code {
					t.Errorf("round %d: %s was told %q", i, s.name, all)
				}
				if st := s.Stats(); st.Links != 0 || st.Up != 0 || st.Transport.Connections != 0 {
					t.Errorf("round %d: %s: %+v", i, s.name, st)
				}
			}
		}
	})
}
