package actor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterComesOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		start := time.Now()
		var at []time.Duration
		s.Spawn(Props{}, behave(func(c *Context) {
			switch c.Message().(type) {
			case Started:
				for _, d := range []time.Duration{3 * time.Second, time.Second, 0, -time.Second} {
					c.After(d, "late")
				}
			case string:
				at = append(at, time.Since(start))
			}
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 0, time.Second, 3 * time.Second}; !slices.Equal(at, want) {
			t.Fatalf("came at %v, want %v", at, want)
		}
	})
}

func TestStoppedTimerDoesNotComeEvenIfQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var timer *Timer
		var ticker *Ticker
		var got []any
		s.Spawn(Props{}, behave(func(c *Context) {
			switch c.Message().(type) {
			case Started:
				timer = c.After(time.Second, "late")
				ticker = c.Every(time.Second, "tick")
				time.Sleep(3 * time.Second) // both are in the mailbox now
				timer.Stop()
				ticker.Stop()
				timer.Stop()
				ticker.Stop()
				(*Timer)(nil).Stop()
				(*Ticker)(nil).Stop()
			default:
				got = append(got, c.Message())
			}
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got != nil {
			t.Fatalf("got %v", got)
		}
	})
}

func TestTimersEndWithTheirActor(t *testing.T) {
	for _, queued := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestSystem(t, Config{})
			m := &held{}
			var ends []*Timer
			r := s.Spawn(Props{}, behave(func(c *Context) {
				switch c.Message().(type) {
				case Started:
					ends = append(ends, c.After(time.Second, m))
					c.Every(time.Second, nil)
					if queued {
						time.Sleep(2 * time.Second)
					}
					c.Stop()
				case Stopping:
					ends = append(ends, c.After(time.Second, m))
					c.Every(time.Second, nil)
				default:
					t.Errorf("got %v", c.Message())
				}
			}))
			<-r.Done()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := m.released.Load(); got != 2 {
				t.Errorf("released %d times, want each of 2", got)
			}
			if st := s.Stats(); st.Dead != 0 || st.Discarded != 0 {
				t.Errorf("timers outlived their actor: %+v", st)
			}
			for _, timer := range ends {
				timer.Stop() // harmless
			}
		})
	}
}

func TestTimersEndWithTheBehaviourThatPanicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		var log []any
		made := 0
		r := s.Spawn(Props{OnPanic: RestartOnPanic}, func() Behavior {
			made++
			me := made
			return Func(func(c *Context) {
				switch m := c.Message().(type) {
				case Started:
					c.Every(time.Second, me)
					c.After(1500*time.Millisecond, me)
				case Tick:
					log = append(log, m.Key)
				case int:
					log = append(log, m)
				case string:
					panic("boom")
				}
			})
		})
		_ = r.Send("bad")
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		if want := []any{2, 2, 2}; !slices.Equal(log, want) {
			t.Fatalf("got %v, want %v: two ticks and a message of the second behaviour", log, want)
		}
	})
}

func TestEveryCountsFromItsStartAndTellsWhatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		start := time.Now()
		var got []Tick
		var at []time.Duration
		busy := []time.Duration{0, 0, 3500 * time.Millisecond, 0, 900 * time.Millisecond, time.Second, 0}
		s.Spawn(Props{}, behave(func(c *Context) {
			switch m := c.Message().(type) {
			case Started:
				c.Every(time.Second, "k")
			case Tick:
				got, at = append(got, m), append(at, time.Since(start))
				time.Sleep(busy[min(len(got), len(busy)-1)])
			}
		}))
		time.Sleep(12*time.Second + time.Millisecond)
		synctest.Wait()
		want := []Tick{
			{"k", 1, 0}, {"k", 2, 0}, // the 2nd is handled until 5.5 s
			{"k", 5, 2}, // one for 3, 4 and 5
			{"k", 6, 0}, // until 6.9 s: not late
			{"k", 7, 0}, // until 8 s: the next comes at 8 s
			{"k", 8, 0}, {"k", 9, 0}, {"k", 10, 0}, {"k", 11, 0}, {"k", 12, 0},
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v\nat %v", got, want, at)
		}
		for i, d := range at {
			if due := time.Duration(got[i].N) * time.Second; d < due || d >= due+time.Second {
				t.Errorf("tick %d came at %v", got[i].N, d)
			}
		}
		periods := 0
		for _, tick := range got {
			periods += 1 + tick.Missed
		}
		if periods != 12 {
			t.Errorf("ticks and misses are %d periods of 12", periods)
		}
	})
}

func TestLateActorHasOneTickQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		r := s.Spawn(Props{}, behave(func(c *Context) {
			if _, ok := c.Message().(Started); ok {
				c.Every(time.Millisecond, nil)
				time.Sleep(5 * time.Second)
			}
		}))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := r.Queued(); got != 1 {
			t.Fatalf("%d messages queued, want 1", got)
		}
	})
}

func TestEveryNeedsAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Config{})
		r := s.Spawn(Props{}, behave(func(c *Context) { c.Every(0, nil) }))
		<-r.Done()
		if s.Stats().Panics == 0 {
			t.Fatal("Every(0) was taken")
		}
	})
}

// Ticks are armed by their own goroutine while the actor stops them.
func TestTickerStopRaces(t *testing.T) {
	s := newTestSystem(t, Config{})
	for range 300 {
		r := s.Spawn(Props{}, behave(func(c *Context) {
			switch c.Message().(type) {
			case Started:
				for range 5 {
					c.Every(10*time.Microsecond, nil)
				}
			case Tick:
				c.Stop()
			}
		}))
		<-r.Done()
	}
}
