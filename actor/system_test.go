package actor

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestShutdownStopsEverythingAndReleasesWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		var messages [10]held
		var refs []Ref
		for i := range messages {
			r := gated(s, Props{}, open, func(*Context) {})
			synctest.Wait()
			_ = r.Send(&messages[i])
			refs = append(refs, r)
		}
		go func() { // ends with the sleep
			time.Sleep(time.Second)
			close(open)
		}()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range refs {
			if !stopped(refs[i]) || messages[i].released.Load() != 1 {
				t.Errorf("actor %d: stopped %v, released %d times", i, stopped(refs[i]), messages[i].released.Load())
			}
		}
		if st := s.Stats(); st.Spawned != st.Stopped || st.Discarded != 10 {
			t.Errorf("%+v", st)
		}
	})
}

func TestShutdownTwiceAndAtOnce(t *testing.T) {
	s := NewSystem(Config{})
	s.Spawn(Props{}, behave(func(*Context) {}))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { // ends with the system
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ended); err != nil {
		t.Errorf("of a finished system, without time left: %v", err)
	}
	<-s.Done()
}

func TestShutdownWithABlockedActorGivesUpAndMayGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSystem(Config{})
		open := make(chan struct{})
		gated(s, Props{}, open, func(*Context) {})
		other := s.Spawn(Props{}, behave(func(*Context) {}))
		synctest.Wait()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
				t.Fatalf("got %v", err)
			}
			cancel()
		}
		if !stopped(other) {
			t.Error("the actor that does not block still runs")
		}
		close(open)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestNothingHappensAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSystem(Config{})
		before := s.Spawn(Props{}, behave(func(*Context) {}))
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := s.Spawn(Props{}, func() Behavior { t.Error("a behaviour was made"); return nil })
		for _, r := range []Ref{before, after} {
			<-r.Done()
			r.Kill()
			r.Stop()
			if n := len(r.m.system); n != 0 || r.m.status.Load() != mailboxIdle {
				t.Errorf("%v: %d system messages wait for a run queue that is gone", r, n)
			}
			if err := r.Send(1); err != ErrStopped {
				t.Errorf("%v: %v", r, err)
			}
			if _, err := Ask[any](t.Context(), r, 1); err != ErrStopped {
				t.Errorf("%v: %v", r, err)
			}
		}
		if pid := before.PID(); pid != nil { // protoactor's way
			s.Proto().Root.Send(pid, 1)
			s.Proto().Root.Stop(pid)
		}
		s.Proto().Root.Send(s.Proto().NewLocalPID("never there"), 1)
	}) // the bubble sees that no goroutine is left
}

func TestShutdownOfProtoactorBeforeOurs(t *testing.T) {
	s := NewSystem(Config{})
	s.Proto().Shutdown()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestShutdownRacesWithSpawnAndSend(t *testing.T) {
	for range 50 {
		s := NewSystem(Config{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { // ends with its 50 actors
				for i := range 50 {
					r := s.Spawn(Props{NeverBlocks: i%2 == 0}, behave(func(c *Context) {
						if _, ok := c.Message().(Started); ok {
							c.Spawn(Props{}, behave(func(*Context) {}))
						}
					}))
					_ = r.Send(i)
					if i%3 == 0 {
						r.Kill()
					}
				}
			})
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if st := s.Stats(); st.Spawned != st.Stopped {
			t.Fatalf("%+v", st)
		}
	}
}

func TestConfigOutOfRangeIsTheDefault(t *testing.T) {
	c := Config{Workers: -1, Throughput: -1, IdlePool: -1}.withDefaults()
	if c.Workers < 2 || c.Throughput != 300 || c.IdlePool != -1 || c.Logger == nil {
		t.Fatalf("%+v", c)
	}
}

func TestExtensionIsMadeOncePerSystemAndType(t *testing.T) {
	type directory struct{ n int }
	a, b := newTestSystem(t, Config{}), newTestSystem(t, Config{})
	made := 0
	fresh := func() *directory { made++; return &directory{made} }
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { Extension(a, fresh) }) // ends at once
	}
	wg.Wait()
	if first := Extension(a, fresh); first != Extension(a, fresh) || first == Extension(b, fresh) || made != 2 {
		t.Fatalf("made %d, want one for each of two systems", made)
	}
	if Extension(a, func() int { return 5 }) != 5 {
		t.Fatal("another type's extension was given")
	}
}

func TestLogTellsPanicsAndNotProtoactorsChatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := NewSystem(Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		s.Proto().Logger().With("a", 1).WithGroup("g").Info("chatter")
		r := s.Spawn(Props{Name: "peer"}, behave(func(c *Context) {
			if c.Message() == 7 {
				panic("boom")
			}
		}))
		_ = r.Send(7)
		<-r.Done()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		for _, want := range []string{"actor panic", "panic=boom", "actor=peer-", "message=int", "system_test.go"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in the log", want)
			}
		}
		if n := strings.Count(got, "\n"); n != 1 {
			t.Errorf("%d lines, want 1:\n%s", n, got)
		}
	})
}
