package actor

import (
	"testing"
	"testing/synctest"
)

// watcher watches what it is sent, and forgets what it is sent in an array.
func watcher(told *[]Ref) Func {
	return func(c *Context) {
		switch m := c.Message().(type) {
		case Ref:
			c.Watch(m)
		case [1]Ref:
			c.Unwatch(m[0])
		case Terminated:
			*told = append(*told, m.Ref)
		}
	}
}

func TestWatch(t *testing.T) {
	quiet := behave(func(*Context) {})
	for _, tt := range []struct {
		name string
		run  func(s *System, w Ref) Ref
		told int
	}{
		{"running", func(s *System, w Ref) Ref {
			r := s.Spawn(Props{}, quiet)
			_ = w.Send(r)
			synctest.Wait()
			r.Stop()
			return r
		}, 1},
		{"running, twice", func(s *System, w Ref) Ref {
			r := s.Spawn(Props{}, quiet)
			_ = w.Send(r)
			_ = w.Send(r)
			synctest.Wait()
			r.Kill()
			return r
		}, 1},
		{"dead", func(s *System, w Ref) Ref {
			r := s.Spawn(Props{}, quiet)
			r.Kill()
			<-r.Done()
			_ = w.Send(r)
			return r
		}, 1},
		{"nobody", func(s *System, w Ref) Ref {
			_ = w.Send(Ref{})
			return Ref{}
		}, 1},
		{"unborn, born later", func(s *System, w Ref) Ref {
			open := make(chan struct{})
			parent := gated(s, Props{}, open, func(*Context) {})
			r := s.SpawnUnder(parent, Props{}, quiet)
			_ = w.Send(r)
			synctest.Wait()
			close(open)
			synctest.Wait()
			r.Stop()
			return r
		}, 1},
		{"unborn, never born", func(s *System, w Ref) Ref {
			open := make(chan struct{})
			parent := gated(s, Props{}, open, func(*Context) {})
			synctest.Wait()
			r := s.SpawnUnder(parent, Props{}, quiet)
			_ = w.Send(r)
			synctest.Wait()
			parent.Kill()
			close(open)
			return r
		}, 1},
		{"taken back", func(s *System, w Ref) Ref {
			r := s.Spawn(Props{}, quiet)
			_ = w.Send(r)
			_ = w.Send([1]Ref{r})
			_ = w.Send([1]Ref{{}})
			synctest.Wait()
			r.Stop()
			return r
		}, 0},
		{"panicked", func(s *System, w Ref) Ref {
			r := s.Spawn(Props{}, behave(func(c *Context) {
				if c.Message() == "bad" {
					panic("boom")
				}
			}))
			_ = w.Send(r)
			synctest.Wait()
			_ = r.Send("bad")
			return r
		}, 1},
		{"self", func(s *System, w Ref) Ref {
			_ = w.Send(w)
			synctest.Wait()
			w.Stop()
			return w
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				var told []Ref
				w := s.Spawn(Props{Mailbox: 2}, behave(watcher(&told)))
				synctest.Wait()
				r := tt.run(s, w)
				synctest.Wait()
				if len(told) != tt.told || tt.told == 1 && told[0] != r {
					t.Fatalf("told of %v, want %d × %v", told, tt.told, r)
				}
			})
		})
	}
}

// A room that lives for weeks must not remember every peer that watched it.
func TestDeadWatchersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		room := s.Spawn(Props{}, behave(func(*Context) {}))
		var told []Ref
		for range 100 {
			w := s.Spawn(Props{}, behave(watcher(&told)))
			_ = w.Send(room)
			w.Stop()
			<-w.Done()
		}
		if n := len(room.m.watchers); n != 0 {
			t.Fatalf("%d dead watchers kept", n)
		}
	})
}

func TestEndedActorsAreForgottenByTheirWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var told []Ref
		w := s.Spawn(Props{}, behave(watcher(&told)))
		for range 100 {
			r := s.Spawn(Props{}, behave(func(*Context) {}))
			_ = w.Send(r)
			synctest.Wait()
			r.Stop()
			synctest.Wait()
		}
		if n := len(shellOf(w).watching); n != 0 || len(told) != 100 {
			t.Fatalf("%d dead actors kept, told of %d", n, len(told))
		}
	})
}
