package s2s_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// awaitDown waits until a link is down and returns how long that took.
func awaitDown(t *testing.T, l *s2s.Link) time.Duration {
	t.Helper()
	begun := time.Now()
	for l.Up() {
		if time.Since(begun) > time.Minute {
			t.Fatalf("%v is up for a minute", l)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begun)
}

func (s *server) ip() netip.Addr { return s.host.Addr() }

// Whatever direction is cut, both ends know within 8 s, calls fail at once, and
// the link is up again when it is dialled behind the healing.
func TestCut(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  func(w *world, a, b *server)
	}{
		{"both ways", func(w *world, a, b *server) { w.net.Cut(a.ip(), b.ip()) }},
		{"to the higher", func(w *world, a, b *server) { w.net.CutOneWay(a.ip(), b.ip()) }},
		{"to the lower", func(w *world, a, b *server) { w.net.CutOneWay(b.ip(), a.ip()) }},
	} {
		for _, dialler := range []string{"lower", "higher", "both"} {
			t.Run(tt.name+" dialled by "+dialler, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
					if dialler != "higher" {
						a.dial(b)
					}
					if dialler != "lower" {
						b.dial(a)
					}
					w.linked(a, b)
					time.Sleep(3100 * time.Millisecond)
					a.take()
					b.take()
					tt.cut(w, a, b)
					var wg sync.WaitGroup
					for _, l := range []*s2s.Link{a.link(b), b.link(a)} {
						wg.Go(func() {
							begun := time.Now()
							ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
							defer cancel()
							_, err := l.Call(ctx, 99, text("x"))
							wantErr(t, err, s2s.ErrLinkDown)
							if took := time.Since(begun); took > 8*time.Second {
								t.Errorf("a call over %v failed after %v", l, took)
							}
							if took := time.Since(begun); awaitDown(t, l) > 0 && took > 8*time.Second {
								t.Errorf("%v was down after %v", l, took)
							}
						})
					}
					wg.Wait()
					time.Sleep(30 * time.Second)
					w.net.Heal(a.ip(), b.ip())
					healed := time.Now()
					w.linked(a, b)
					if took := time.Since(healed); took > 16*time.Second { // a dial under way has 5 s, the next one waits 10
						t.Errorf("linked %v after the healing", took)
					}
					time.Sleep(time.Minute)
					for _, s := range []*server{a, b} {
						all := slices.DeleteFunc(s.take(), func(e string) bool { return strings.HasPrefix(e, "failed") || e == "operation x" })
						if len(all) != 2 || !strings.HasPrefix(all[0], "down ") || !strings.HasPrefix(all[1], "established") || strings.Contains(all[1], "restarted") {
							t.Errorf("%s was told %q", s.name, all)
						}
						if st := s.Stats(); st.Up != 1 {
							t.Errorf("%s: %+v", s.name, st)
						}
					}
					if n := a.Stats().Transport.Connections + b.Stats().Transport.Connections; n != 1 {
						t.Errorf("%d connections are left", n)
					}
				})
			})
		}
	}
}

// A network that comes and goes for a minute, with traffic both ways: what
// arrives does so once and in order, and there is one link at the end.
func TestFlap(t *testing.T) {
	for seed := range uint64(4) {
		inWorld(t, func(t *testing.T, w *world) {
			rng := rand.New(rand.NewPCG(seed, 3))
			a, b := w.server("a", s2s.Config{KeepQueued: seed%2 == 1}), w.server("b", s2s.Config{KeepQueued: seed%2 == 1})
			a.dial(b)
			if seed > 1 {
				b.dial(a)
			}
			w.linked(a, b)
			stop := make(chan struct{})
			var sent [2]int
			var wg sync.WaitGroup
			for i, l := range []*s2s.Link{a.link(b), b.link(a)} {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(seed, uint64(i)))
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Duration(rng.IntN(20)) * time.Millisecond):
						}
						if l.Event(1, text(strconv.Itoa(n)), wire.Reliable) == nil {
							sent[i]++
						}
					}
				})
			}
			for range 60 {
				switch rng.IntN(4) {
				case 0:
					w.net.CutOneWay(a.ip(), b.ip())
				case 1:
					w.net.CutOneWay(b.ip(), a.ip())
				default:
					w.net.Cut(a.ip(), b.ip())
				}
				hard := rng.IntN(2) == 0
				if hard { // something in between resets what it carries
					w.reset()
				}
				time.Sleep(500 * time.Millisecond)
				w.net.Heal(a.ip(), b.ip())
				time.Sleep(500 * time.Millisecond)
			}
			time.Sleep(12 * time.Second)
			close(stop)
			wg.Wait()
			w.linked(a, b)
			time.Sleep(20 * time.Second)
			for i, s := range []*server{b, a} {
				last, events, lost := -1, 0, 0
				for _, e := range s.take() {
					if what, ok := strings.CutPrefix(e, "event "); ok {
						n, _ := strconv.Atoi(what)
						if n <= last {
							t.Fatalf("seed %d: %s got event %d behind %d", seed, s.name, n, last)
						}
						lost += n - last - 1
						last = n
						events++
					}
				}
				t.Logf("seed %d: %s got %d of %d events", seed, s.name, events, sent[i])
				if events > sent[i] || events < 1000 {
					t.Errorf("seed %d: %s got %d events of %d", seed, s.name, events, sent[i])
				}
			}
			if n := a.Stats().Transport.Connections + b.Stats().Transport.Connections; n != 1 || a.Stats().Up != 1 || b.Stats().Up != 1 {
				t.Errorf("seed %d: %d connections at the end", seed, n)
			}
		})
	}
}

// A server that restarts is another process: its links are down at once and up
// again, whichever end dials.
func TestRestart(t *testing.T) {
	for _, dialler := range []string{"lower", "higher", "both"} {
		t.Run(dialler, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
				dial := func() {
					if dialler != "higher" && s2s.Find(a.sys, "b", "") == nil {
						a.dial(b)
					}
					if dialler != "lower" && s2s.Find(b.sys, "a", "") == nil {
						b.dial(a)
					}
				}
				dial()
				w.linked(a, b)
				for range 5 {
					time.Sleep(2 * time.Second)
					a.take()
					w.net.Cut(a.ip(), b.ip()) // it has no time to say goodbye
					b.end()
					old := b
					b = w.serverAt("b", s2s.Config{}, old.host)
					w.net.Heal(a.ip(), b.ip())
					dial()
					w.linked(a, b)
					all := slices.DeleteFunc(a.take(), func(e string) bool { return strings.HasPrefix(e, "failed") })
					if len(all) != 2 || !strings.HasPrefix(all[0], "down") || !strings.Contains(all[1], "restarted") {
						t.Errorf("a was told %q", all)
					}
					if got := b.take(); len(got) != 2 || strings.Contains(got[1], "restarted") {
						t.Errorf("b was told %q", got)
					}
				}
			})
		})
	}
}

// Of two processes by one name the later has the link, and the other hears why.
func TestTwoProcessesOfOneName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master, first := w.server("master", s2s.Config{}), w.server("game", s2s.Config{})
		first.dial(master)
		w.linked(master, first)
		time.Sleep(2 * time.Second)
		second := w.server("game", s2s.Config{})
		second.dial(master)
		w.linked(master, second)
		time.Sleep(time.Minute)
		all := first.take()
		if want := []string{"started", "established dialled", "down logged in elsewhere remote", "failed 1 already connected: there is a link with game"}; !slices.Equal(all[:4], want) {
			t.Errorf("the first process was told %q", all)
		}
		second.want("started", "established dialled")
		master.want("started", "established", "down logged in elsewhere", "established restarted")
	})
}

// Messages that are sent while a link is down are refused, or wait for it in
// order; those that wait too long, or are too many, do not come.
func TestKeepQueued(t *testing.T) {
	for _, keep := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			cfg := s2s.Config{KeepQueued: keep, KeepBytes: 10_000}
			a, b := w.server("a", cfg), w.server("b", cfg)
			l := a.dial(b)
			err := l.Event(1, text("first"), wire.Reliable)
			called := make(chan error, 1)
			go func() {
				_, err := l.Call(t.Context(), 1, text("call"))
				called <- err
			}()
			synctest.Wait()
			second := l.Notify(2, text("second"), wire.Reliable.On(3))
			if !keep {
				wantErr(t, err, s2s.ErrLinkDown)
				wantErr(t, second, s2s.ErrLinkDown)
				wantErr(t, <-called, s2s.ErrLinkDown)
				w.linked(a, b)
				b.want("started", "established")
				return
			}
			wantErr(t, err, nil)
			wantErr(t, second, nil)
			wantErr(t, l.Event(1, text("lost"), wire.Unreliable), s2s.ErrLinkDown)
			wantErr(t, l.Event(1, text("lost"), wire.Sequenced(1)), s2s.ErrLinkDown)
			wantErr(t, l.Event(1, wire.Payload(make([]byte, wire.MaxFrame)), wire.Reliable), s2s.ErrTooLarge)
			wantErr(t, l.Event(1, text("x"), wire.Delivery(3)), s2s.ErrNoSuchChannel)
			w.linked(a, b)
			wantErr(t, <-called, nil)
			b.want("started", "established", "event first", "operation second", "operation call")

			w.net.Cut(a.ip(), b.ip())
			awaitDown(t, l)
			a.take()
			b.take()
			for i := 0; ; i++ {
				if err = l.Event(1, wire.Payload(make([]byte, 990)), wire.Reliable); err != nil {
					wantErr(t, err, s2s.ErrOverloaded)
					if i != 10 {
						t.Errorf("%d KiB were kept", i)
					}
					break
				}
			}
			time.Sleep(5*time.Second - 1)
			wantErr(t, l.Event(1, wire.Payload(make([]byte, 990)), wire.Reliable), s2s.ErrOverloaded)
			time.Sleep(2 * time.Nanosecond)
			for i := range 6 {
				wantErr(t, l.Event(1, text(fmt.Sprint(i)), wire.Reliable), nil)
				time.Sleep(900 * time.Millisecond)
			}
			if st := a.Stats(); st.Expired != 11 {
				t.Errorf("%d messages have expired", st.Expired)
			}
			begun := time.Now()
			_, err = l.Call(t.Context(), 1, text("call"))
			wantErr(t, err, s2s.ErrLinkDown)
			if took := time.Since(begun); took != 5*time.Second {
				t.Errorf("a call waited %v", took)
			}
			w.net.Heal(a.ip(), b.ip())
			var kept []string
			for i := 0; ; i++ {
				last := fmt.Sprint("again ", i)
				wantErr(t, l.Event(1, text(last), wire.Reliable), nil)
				kept = append(kept, "event "+last)
				if l.Up() {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Second)
			got := b.take()
			got = got[slices.Index(got, "established"):]
			if !slices.Equal(got[1:], kept[len(kept)-len(got)+1:]) {
				t.Errorf("got %q", got)
			}
			wantErr(t, l.Event(1, text("x"), wire.Reliable), nil)
			l.Close(wire.CodeNormal, "")
			wantErr(t, l.Event(1, text("x"), wire.Reliable), s2s.ErrClosed)
		})
	}
}
