package actor

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func goexit() { runtime.Goexit() }

// held is a message that must be given back.
type held struct{ released atomic.Int32 }

func (h *held) Release() { h.released.Add(1) }

// ways of not returning.
var ways = []struct {
	name string
	do   func()
}{
	{"panic", func() { panic("boom") }},
	{"runtime error", func() { clear(make([]int, 1)[:int(time.Now().Unix())]) }}, // out of range
	{"goexit", goexit},
}

func TestPanicInReceive(t *testing.T) {
	for _, way := range ways {
		for _, tt := range []struct {
			name    string
			onPanic OnPanic
			want    string
		}{
			{"stop", StopOnPanic, "1:Started 1:a 1:bad 1:Stopping!"},
			{"restart", RestartOnPanic, "1:Started 1:a 1:bad 2:Started 2:b 2:Stopping"},
		} {
			for _, neverBlocks := range []bool{false, true} {
				t.Run(way.name+" "+tt.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newTestSystem(t, Config{})
						var log journal
						made := 0
						r := s.Spawn(Props{OnPanic: tt.onPanic, NeverBlocks: neverBlocks}, func() Behavior {
							made++
							me := made
							return Func(func(c *Context) {
								log.add(me, c.Message())
								if c.Message() == "bad" {
									way.do()
								}
							})
						})
						_ = r.Send("a")
						_ = r.Send("bad")
						m := &held{}
						_ = r.Send("b")
						_ = r.Send(m)
						synctest.Wait()
						r.Stop()
						<-r.Done()
						synctest.Wait()
						want := strings.Replace(tt.want, "2:b", "2:b 2:held", 1)
						if got := log.String(); got != want {
							t.Errorf("got  %s\nwant %s", got, want)
						}
						st := s.Stats()
						discarded := uint64(0)
						if tt.onPanic == StopOnPanic {
							discarded = 2
							if m.released.Load() != 1 {
								t.Errorf("released %d times", m.released.Load())
							}
						}
						if st.Panics != 1 || st.Discarded != discarded || st.Stopped != 1 {
							t.Errorf("%+v", st)
						}
					})
				})
			}
		}
	}
}

// journal records what behaviours were told.
type journal struct{ lines []string }

func (j *journal) String() string { return strings.Join(j.lines, " ") }

func (j *journal) add(who int, msg any) {
	name := "?"
	switch m := msg.(type) {
	case Started:
		name = "Started"
	case Stopping:
		name = "Stopping"
		if m.Err != nil {
			name += "!"
		}
	case Terminated:
		name = "Terminated"
	case Failed:
		name = "Failed"
	case *held:
		name = "held"
	case string:
		name = m
	}
	j.lines = append(j.lines, string(rune('0'+who))+":"+name)
}

func TestPanicInEveryOtherPlace(t *testing.T) {
	type place struct {
		name    string
		onPanic OnPanic
		where   string // the message or call that does not return
		want    string
		panics  uint64
	}
	for _, way := range ways {
		for _, tt := range []place{
			{"constructor", StopOnPanic, "fresh1", "", 1},
			{"constructor, restarting", RestartOnPanic, "fresh1", "2:Started 2:End 2:work 2:End 2:Stopping", 1},
			{"constructor always, restarting", RestartOnPanic, "fresh", "", 3},
			{"Started", StopOnPanic, "Started", "1:Started 1:Stopping!", 1},
			{"Started always, restarting", RestartOnPanic, "Started", "1:Started 2:Started 3:Started 3:Stopping!", 3},
			{"Stopping", StopOnPanic, "Stopping", "1:Started 1:End 1:work 1:End 1:Stopping", 1},
			{"Stopping, restarting", RestartOnPanic, "Stopping", "1:Started 1:End 1:work 1:End 1:Stopping", 1},
			{"BatchEnd", StopOnPanic, "End", "1:Started 1:End 1:Stopping!", 1},
			{"first BatchEnd, restarting", RestartOnPanic, "End1", "1:Started 1:End 2:Started 2:End 2:work 2:End 2:Stopping", 1},
			{"BatchEnd always, restarting", RestartOnPanic, "End", "1:Started 1:End 2:Started 2:End 3:Started 3:End 3:Stopping!", 3},
		} {
			t.Run(way.name+" in "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newTestSystem(t, Config{})
					b := &fragile{where: tt.where, do: way.do}
					r := s.Spawn(Props{OnPanic: tt.onPanic}, b.fresh)
					synctest.Wait()
					_ = r.Send("work")
					synctest.Wait()
					r.Stop()
					synctest.Wait()
					select {
					case <-r.Done():
					default:
						t.Error("the actor has not stopped")
					}
					b.log.lines = slices.Compact(b.log.lines) // a batch with nothing in it may end, too
					if got := b.log.String(); got != tt.want {
						t.Errorf("got  %s\nwant %s", got, tt.want)
					}
					if got := s.Stats().Panics; got != tt.panics {
						t.Errorf("counted %d panics, want %d", got, tt.panics)
					}
				})
			})
		}
	}
}

// fragile makes behaviours that fail where they are told to.
type fragile struct {
	where string
	do    func()
	log   journal
	made  int
}

func (f *fragile) fresh() Behavior {
	f.made++
	f.fail("fresh")
	return &fragileBehavior{f, f.made}
}

func (f *fragile) fail(place string) {
	if place == f.where || place+string(rune('0'+f.made)) == f.where {
		f.do()
	}
}

type fragileBehavior struct {
	f  *fragile
	me int
}

func (b *fragileBehavior) Receive(c *Context) {
	b.f.log.add(b.me, c.Message())
	switch c.Message().(type) {
	case Started:
		b.f.fail("Started")
	case Stopping:
		b.f.fail("Stopping")
	}
}

func (b *fragileBehavior) BatchEnd() {
	b.f.log.add(b.me, "End")
	b.f.fail("End")
}

func TestThirdPanicWithinTenSecondsStops(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration
		lives int // panics survived of 10
	}{
		{"at once", 0, 2},
		{"5 s apart", 5 * time.Second, 2},
		{"5.001 s apart", 5001 * time.Millisecond, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				r := s.Spawn(Props{OnPanic: RestartOnPanic}, behave(func(c *Context) {
					if c.Message() == "bad" {
						panic("boom")
					}
				}))
				lives := 0
				for range 10 {
					_ = r.Send("bad")
					synctest.Wait()
					select {
					case <-r.Done():
					default:
						lives++
					}
					time.Sleep(tt.every)
				}
				if lives != tt.lives {
					t.Fatalf("survived %d panics, want %d", lives, tt.lives)
				}
			})
		})
	}
}

func TestPanicInReleaseHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		r := gated(s, Props{}, open, func(*Context) {})
		synctest.Wait()
		last := &held{}
		_ = r.Send(explosive{})
		asked := make(chan error, 1)
		go func() { // ends with the actor
			_, err := Ask[any](context.Background(), r, explosive{})
			asked <- err
		}()
		synctest.Wait()
		_ = r.Send(last)
		r.Kill()
		close(open)
		<-r.Done()
		if err := <-asked; err != ErrStopped {
			t.Errorf("asker got %v", err)
		}
		if last.released.Load() != 1 {
			t.Error("the message behind was not released")
		}
		if got := s.Stats(); got.Panics != 2 || got.Discarded != 3 {
			t.Errorf("%+v", got)
		}
	})
}

type explosive struct{}

func (explosive) Release() { panic("released") }

func TestPanicErrorTellsValueAndStack(t *testing.T) {
	boom := errors.New("boom")
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		r := s.Spawn(Props{}, behave(func(c *Context) {
			if c.Message() == "?" {
				explode(boom)
			}
		}))
		_, err := Ask[int](t.Context(), r, "?")
		p, ok := errors.AsType[*PanicError](err)
		if !ok || p.Value != boom || !errors.Is(err, boom) || !strings.Contains(string(p.Stack), "explode") {
			t.Fatalf("got %v with the stack %s", err, p.Stack)
		}
	})
}

func explode(err error) { panic(err) }

func TestNobodyElseNoticesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var got []any
		parent := s.Spawn(Props{}, behave(func(c *Context) {
			got = append(got, c.Message())
			if c.Message() == "spawn" {
				_ = c.Spawn(Props{}, behave(func(c *Context) { panic("boom") }))
			}
		}))
		_ = parent.Send("spawn")
		_ = parent.Send("still here")
		synctest.Wait()
		if want := []any{Started{}, "spawn", "still here"}; !slices.Equal(got, want) {
			t.Fatalf("parent got %v, want %v", got, want)
		}
	})
}

func TestFaultOfTheShellStopsTheActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var log journal
		r := s.Spawn(Props{OnPanic: RestartOnPanic}, behave(func(c *Context) { log.add(1, c.Message()) }))
		m := &held{}
		r.Force(&firing{arrive: func(*shell) bool { panic("a fault of ours") }})
		_ = r.Send(m)
		synctest.Wait()
		select {
		case <-r.Done():
		default:
			t.Fatal("the actor goes on")
		}
		if got := log.String(); got != "1:Started 1:Stopping" || m.released.Load() != 1 || s.Stats().Panics != 1 {
			t.Fatalf("got %s, released %d, %+v", got, m.released.Load(), s.Stats())
		}
	})
}

func TestConstructorAndBecomeRefuseNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		r := s.Spawn(Props{}, func() Behavior { return nil })
		<-r.Done()
		r = s.Spawn(Props{}, nil)
		<-r.Done()
		r = s.Spawn(Props{}, behave(func(c *Context) { c.Become(nil) }))
		<-r.Done()
		if got := s.Stats().Panics; got != 4 { // Stopping tried Become as well
			t.Fatalf("%d panics, want 4", got)
		}
	})
}

func TestGoexitInStoppingStillStopsTheChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var child Ref
		parent := s.Spawn(Props{NeverBlocks: true}, behave(func(c *Context) {
			switch c.Message().(type) {
			case Started:
				child = c.Spawn(Props{}, behave(func(*Context) {}))
			case Stopping:
				goexit()
			}
		}))
		synctest.Wait()
		parent.Stop()
		<-parent.Done()
		<-child.Done()
	})
}
