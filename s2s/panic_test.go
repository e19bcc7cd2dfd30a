package s2s_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// A behaviour that panics costs its link, which is cut and up again with a fresh
// behaviour; other links notice nothing.
func TestPanic(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master, game, other := w.server("master", s2s.Config{}), w.server("game", s2s.Config{}), w.server("other", s2s.Config{})
		game.dial(master)
		other.dial(master)
		w.linked(master, game)
		w.linked(master, other)
		time.Sleep(2 * time.Second)
		master.take()
		game.take()
		other.take()
		master.intercept(func(c *s2s.Context) bool {
			if op, ok := c.Message().(*s2s.Operation); ok && op.Code == 13 {
				panic("boom")
			}
			return false
		})
		_, err := game.link(master).Call(t.Context(), 13, wire.Body{})
		if !isError(err, wire.ResultInternal, "internal error") && !errors.Is(err, s2s.ErrLinkDown) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		master.want("started", "established") // the one that panicked hears no more
		game.want("down internal error remote", "established dialled")
		if r, err := game.link(master).Call(t.Context(), 1, text("again")); err != nil || string(r.Payload) != "again" {
			t.Errorf("%+v, %v", r, err)
		}
		other.want()
		if st := master.Stats(); st.Panics != 1 || st.Up != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// One that panics whenever the link is up does so ever more seldom, and the link
// is never given up.
func TestPanicsOverAndOver(t *testing.T) {
	for _, where := range []string{"dialler", "acceptor", "start"} {
		inWorld(t, func(t *testing.T, w *world) {
			master, game := w.server("master", s2s.Config{}), w.server("game", s2s.Config{})
			ill := map[string]*server{"dialler": game, "acceptor": master, "start": game}[where]
			var panics atomic.Int64
			var healthy atomic.Bool
			ill.intercept(func(c *s2s.Context) bool {
				_, up := c.Message().(s2s.Established)
				_, start := c.Message().(s2s.Started)
				if !healthy.Load() && (up && where != "start" || start && where == "start") {
					panics.Add(1)
					panic("boom")
				}
				return false
			})
			l := game.dial(master)
			time.Sleep(10 * time.Minute)
			if n := panics.Load(); n < 50 || n > 400 {
				t.Errorf("%s: %d panics in ten minutes", where, n)
			}
			healthy.Store(true)
			time.Sleep(25 * time.Second) // the rest, and the wait for a dial
			w.linked(master, game)
			if got := ill.take(); !strings.HasPrefix(got[len(got)-1], "established") {
				t.Errorf("%s: told %q last", where, got[len(got)-1])
			}
			if game.link(master) != l {
				t.Errorf("%s: another link", where)
			}
		})
	}
}

// Where no behaviour can be made the link is over, and may be asked for again.
func TestNoBehavior(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master, game := w.server("master", s2s.Config{}), w.server("game", s2s.Config{})
		for _, fresh := range []func() s2s.Behavior{
			func() s2s.Behavior { return nil },
			func() s2s.Behavior { panic("boom") },
		} {
			l, err := s2s.Dial(game.sys, master.target(), fresh)
			if err != nil {
				t.Fatal(err)
			}
			<-l.Done()
			time.Sleep(10 * time.Second)
		}
		game.dial(master)
		w.linked(master, game)
		if got := game.take(); !slices.Equal(got, []string{"started", "established dialled"}) {
			t.Errorf("got %q", got)
		}
	})
}

// What panics in an actor's message costs no less.
func TestPanicInAMessage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		type boom struct{}
		a.intercept(func(c *s2s.Context) bool {
			if _, ok := c.Message().(boom); ok {
				panic("boom")
			}
			return false
		})
		l := a.dial(b)
		w.linked(a, b)
		time.Sleep(2 * time.Second)
		l.Ref().Send(boom{})
		time.Sleep(time.Second)
		a.want("started", "established dialled", "started", "established dialled")
		b.want("started", "established", "down internal error remote", "established")
	})
}
