package actor

import (
	"sync"
	"testing"
	"testing/synctest"
)

func stopped(r Ref) bool {
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}

func TestWaysToStop(t *testing.T) {
	for _, tt := range []struct {
		name      string
		stop      func(Ref)
		want      string
		discarded uint64
	}{
		{"Ref.Stop, behind what is queued", Ref.Stop, "1:Started 1:a 1:b 1:Stopping", 0},
		{"Ref.Kill, before it", Ref.Kill, "1:Started 1:Stopping", 2},
		{"Context.Stop, behind the message", func(r Ref) { _ = r.Send("stop") }, "1:Started 1:a 1:b 1:stop 1:Stopping", 0},
		{"all of them, twice", func(r Ref) {
			r.Stop()
			r.Stop()
			_ = r.Send("behind")
			_ = r.Send("behind")
		}, "1:Started 1:a 1:b 1:Stopping", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Config{})
				open := make(chan struct{})
				var log journal
				r := s.Spawn(Props{}, behave(func(c *Context) {
					log.add(1, c.Message())
					switch c.Message() {
					case Started{}:
						<-open
					case "stop":
						c.Stop()
					}
				}))
				synctest.Wait()
				_ = r.Send("a")
				_ = r.Send("b")
				tt.stop(r)
				close(open)
				<-r.Done()
				if got := log.String(); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if got := s.Stats().Discarded; got != tt.discarded {
					t.Errorf("%d discarded, want %d", got, tt.discarded)
				}
				if err := r.Send(1); err != ErrStopped || r.TryPost(1) != Dead || r.Force(1) != Dead {
					t.Errorf("the dead one answers %v", err)
				}
				r.Stop() // nothing happens
				r.Kill()
				synctest.Wait()
			})
		})
	}
}

// A parent waits for its children; meanwhile nothing reaches its behaviour and
// senders are told so.
func TestStoppingActorRefusesWhileItsChildrenStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		var log journal
		parent := s.Spawn(Props{}, behave(func(c *Context) {
			log.add(1, c.Message())
			if _, ok := c.Message().(Started); ok {
				c.Spawn(Props{}, behave(func(c *Context) {
					if _, ok := c.Message().(Stopping); ok {
						<-open
					}
				}))
			}
		}))
		synctest.Wait()
		parent.Stop()
		queued := &held{}
		_ = parent.Send(queued)
		synctest.Wait()
		if stopped(parent) {
			t.Fatal("stopped before its child")
		}
		late := &held{}
		if err := parent.Send(late); err != ErrStopped {
			t.Errorf("Send to a stopping actor: %v", err)
		}
		if _, err := Ask[any](t.Context(), parent, "?"); err != ErrStopped {
			t.Errorf("Ask of a stopping actor: %v", err)
		}
		under := s.SpawnUnder(parent, Props{}, behave(func(*Context) { t.Error("a child of a stopping actor runs") }))
		<-under.Done()
		if queued.released.Load() != 1 || late.released.Load() != 1 {
			t.Errorf("released %d and %d, want 1 and 1", queued.released.Load(), late.released.Load())
		}
		close(open)
		<-parent.Done()
		if got := log.String(); got != "1:Started 1:Stopping" {
			t.Errorf("got %s", got)
		}
	})
}

func TestChildrenStopBeforeTheirParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var watchers sync.WaitGroup
		var family func(depth int) func() Behavior
		family = func(depth int) func() Behavior {
			return behave(func(c *Context) {
				if _, ok := c.Message().(Started); !ok || depth == 0 {
					return
				}
				self := c.Self()
				children := []Ref{c.Spawn(Props{}, family(depth-1)), c.Spawn(Props{NeverBlocks: true}, family(depth-1))}
				watchers.Go(func() { // ends with the parent
					<-self.Done()
					if !stopped(children[0]) || !stopped(children[1]) {
						t.Errorf("%v stopped before its children", self)
					}
				})
			})
		}
		r := s.Spawn(Props{}, family(3))
		synctest.Wait()
		r.Stop()
		<-r.Done()
		watchers.Wait()
		if st := s.Stats(); st.Spawned != 16 || st.Stopped != 15 { // the top actor as well
			t.Fatalf("%+v", st)
		}
	})
}

func TestParentMayWaitForTheChildItSpawns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		got, err := Ask[string](t.Context(), s.Spawn(Props{}, behave(func(c *Context) {
			if c.Message() != "?" {
				return
			}
			child := c.Spawn(Props{}, behave(func(c *Context) { c.Respond("from the child") }))
			v, err := Ask[string](t.Context(), child, "?")
			if err != nil {
				v = err.Error()
			}
			c.Respond(v)
		})), "?")
		if got != "from the child" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestSpawnInEveryStateOfTheParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		quiet := behave(func(*Context) {})
		never := func() Behavior { t.Error("a behaviour was made"); return Func(func(*Context) {}) }

		var inStopping Ref
		parent := s.Spawn(Props{}, behave(func(c *Context) {
			if _, ok := c.Message().(Stopping); ok {
				inStopping = c.Spawn(Props{}, quiet)
			}
		}))
		child := s.SpawnUnder(parent, Props{}, quiet)
		synctest.Wait()
		if stopped(child) {
			t.Error("the child of a running parent has stopped")
		}
		parent.Kill()
		<-parent.Done()
		<-child.Done()
		<-inStopping.Done()
		<-s.SpawnUnder(parent, Props{}, never).Done()
		<-s.SpawnUnder(Ref{}, Props{}, never).Done()

		open := make(chan struct{}) // its spawn is queued when the parent is killed
		busy := gated(s, Props{}, open, func(*Context) {})
		synctest.Wait()
		unborn := s.SpawnUnder(busy, Props{}, never)
		m := &held{}
		_ = unborn.Send(m)
		grandchild := s.SpawnUnder(unborn, Props{}, never)
		busy.Kill()
		close(open)
		<-unborn.Done()
		<-grandchild.Done()
		if m.released.Load() != 1 {
			t.Errorf("released %d times, want once", m.released.Load())
		}

		other := newTestSystem(t, Config{})
		defer func() {
			if recover() == nil {
				t.Error("SpawnUnder took a parent of another system")
			}
		}()
		other.SpawnUnder(Ref{s.top}, Props{}, never)
	})
}

func TestKillBeforeStartMakesNoBehaviour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		open := make(chan struct{})
		parent := gated(s, Props{}, open, func(*Context) {})
		unborn := s.SpawnUnder(parent, Props{}, func() Behavior {
			t.Error("a behaviour was made")
			return Func(func(*Context) {})
		})
		m := &held{}
		_ = unborn.Send(m)
		unborn.Kill()
		close(open)
		<-unborn.Done()
		if m.released.Load() != 1 {
			t.Errorf("released %d times, want once", m.released.Load())
		}
		synctest.Wait()
		if stopped(parent) {
			t.Error("the parent has stopped too")
		}
		if st := s.Stats(); st.Spawned != 2 || st.Stopped != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestSpawnAndStopRaces(t *testing.T) {
	s := newTestSystem(t, Config{})
	var refs []Ref
	var messages [1000]held
	for i := range messages {
		parent := s.Spawn(Props{NeverBlocks: i%2 == 0}, behave(func(*Context) {}))
		var child Ref
		var wg sync.WaitGroup
		wg.Go(func() { child = s.SpawnUnder(parent, Props{}, behave(func(*Context) {})) }) // ends at once
		wg.Go(func() { parent.Kill() })                                                    // ends at once
		wg.Go(func() { _ = parent.Send(&messages[i]) })                                    // ends at once
		wg.Wait()
		refs = append(refs, parent, child)
	}
	for _, r := range refs {
		<-r.Done()
	}
}

func TestRefOfNobody(t *testing.T) {
	var nobody Ref
	m := &held{}
	if err := nobody.Send(m); err != ErrNobody || m.released.Load() != 1 {
		t.Errorf("Send: %v, released %d times", err, m.released.Load())
	}
	if nobody.TryPost(m) != Dead || nobody.Force(m) != Dead || m.released.Load() != 1 {
		t.Error("TryPost and Force must leave the message to the caller")
	}
	nobody.Stop()
	nobody.Kill()
	<-nobody.Done()
	if !nobody.IsZero() || nobody.Queued() != 0 || nobody.PID() != nil || nobody.String() != "nobody" {
		t.Error("nobody is somebody")
	}
}

func TestSelfAndPIDAreKnownInStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var self Ref
		var pid *PID
		r := s.Spawn(Props{Name: "me"}, behave(func(c *Context) {
			if _, ok := c.Message().(Started); ok {
				self, pid = c.Self(), c.Self().PID()
			}
		}))
		synctest.Wait()
		if self != r || pid == nil || !pid.Equal(r.PID()) || r.String()[:3] != "me-" {
			t.Fatalf("self %v, want %v; pid %v, want %v", self, r, pid, r.PID())
		}
	})
}

func TestBecomeHoldsFromTheNextMessageOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var log journal
		var first, second Func
		first = func(c *Context) {
			if c.Message() == "switch" {
				c.Become(second)
			}
			log.add(1, c.Message())
		}
		second = func(c *Context) { log.add(2, c.Message()) }
		r := s.Spawn(Props{}, behave(first))
		for _, m := range []string{"a", "switch", "b"} {
			_ = r.Send(m)
		}
		r.Stop()
		<-r.Done()
		if got, want := log.String(), "1:Started 1:a 1:switch 2:b 2:Stopping"; got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}
