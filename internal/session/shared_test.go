package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// Where nothing waits the bytes are written from where they stand.
func TestSharedIsNotCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sharing(t, Limits{})
		for range 3 {
			frames, n := group("a", "b")
			if err := s.SendShared(frames, n); err != nil {
				t.Fatal(err)
			}
			if w.from != &frames[0] {
				t.Error("the frames were copied")
			}
			w.expect(t, "a", "b")
		}
		if used := s.env.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of buffers are held", used)
		}
		expectSent(t, s, Sent{Accepted: 6, Written: 6})
		w.open()
		w.during = func() { put(s, wire.Reliable, "meanwhile") } // is taken up
		s.SendShared(group("c"))
		w.expect(t, "c", "meanwhile")
	})
}

// However little the socket takes, what comes behind comes behind, and the
// caller has its bytes back at once.
func TestSharedInPart(t *testing.T) {
	frames, n := group("one", "two", "three")
	for take := range len(frames) {
		synctest.Test(t, func(t *testing.T) {
			s, w := sharing(t, Limits{})
			w.take = take
			mine := slices.Clone(frames)
			if err := s.SendShared(mine, n); err != nil {
				t.Fatal(err)
			}
			clear(mine)
			put(s, wire.Reliable, "four")
			if err := s.SendShared(group("five")); err != nil {
				t.Fatal(err)
			}
			s.Ping()
			put(s, wire.Reliable, "six")
			if used := s.env.Budget.Used(); used != int64(2*smallBuffer) {
				t.Errorf("%d bytes of buffers, want a rest and a queue", used)
			}
			expectSent(t, s, Sent{Accepted: 7, Written: 3, Queued: 4})
			w.open()
			w.expect(t, "one", "two", "three", "ping", "four", "five", "six")
			expectSent(t, s, Sent{Accepted: 7, Written: 7})
			if used := s.env.Budget.Used(); used != 0 {
				t.Errorf("%d bytes of buffers are held", used)
			}
		})
	}
}

// What was put in before and not flushed leaves before, control frames as well.
func TestSharedBehindTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sharing(t, Limits{})
		w.open()
		if err := s.PutEvent(text("queued")); err != nil {
			t.Fatal(err)
		}
		s.SendShared(group("a", "b"))
		w.expect(t, "queued", "a", "b")
		m := wire.Ping{}
		if err := s.out.putControl(m.AppendFrame(nil)); err != nil {
			t.Fatal(err)
		}
		s.SendShared(group("c"))
		w.expect(t, "ping", "c")
		expectSent(t, s, Sent{Accepted: 5, Written: 5})
	})
}

// Behind a socket that lags the queue's limits hold, and so does the age.
func TestSharedLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sharing(t, Limits{QueueHard: 20 << 10})
		w.take = 1
		frames, n := group(strings.Repeat("x", 1000))
		queued := 0
		for ; queued < 100 && s.SendShared(frames, n) == nil; queued++ {
		}
		if queued != 1+20<<10/len(frames) {
			t.Errorf("%d kilobytes were taken", queued)
		}
		if s.Err() == nil || s.Err().Code != wire.CodeSlow {
			t.Errorf("ended with %v", s.Err())
		}
		before := checkSent(t, s)
		if err := s.SendShared(frames, n); err != ErrClosed {
			t.Errorf("behind the end: %v, want %v", err, ErrClosed)
		}
		expectSent(t, s, before)
	})
	synctest.Test(t, func(t *testing.T) {
		s, w := sharing(t, Limits{PingInterval: -1})
		w.take = 1
		time.Sleep(time.Hour)
		s.SendShared(group("x"))
		start := time.Now()
		<-s.Done()
		if took := time.Since(start); took != maxAge || s.Err().Code != wire.CodeSlow {
			t.Errorf("who reads nothing is closed after %v: %v", took, s.Err())
		}
		checkSent(t, s)
	})
}

// What was shared and has left makes what waits no older: who lags for ever, a
// little, is not closed.
func TestSharedAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sharing(t, Limits{})
		for range 5 {
			s.SendShared(group(strings.Repeat("x", 10<<10)))
		}
		w.take = 1
		s.SendShared(group("lags"))
		for range 3 * maxAge / time.Second {
			put(s, wire.Reliable, "lags as well")
			time.Sleep(time.Second)
			w.open() // for what is being written
			w.shut()
			synctest.Wait()
		}
		if s.Err() != nil {
			t.Errorf("ended with %v", s.Err())
		}
		w.open()
		synctest.Wait()
		if n := len(w.frames(t)); n != 6+int(3*maxAge/time.Second) {
			t.Errorf("%d frames have arrived", n)
		}
	})
}

func TestSharedAndTheEnd(t *testing.T) {
	fault := errors.New("fault")
	for _, tt := range []struct {
		name string
		end  func(*Session, *straw)
		code wire.Code
		want []string
	}{
		{"close", func(s *Session, w *straw) { s.Close(wire.CodeNormal, ""); time.Sleep(time.Second); w.open() },
			wire.CodeNormal, []string{"shared", "close"}},
		{"abort", func(s *Session, w *straw) { s.Abort() }, wire.CodeAborted, nil},
		{"error in the rest", func(s *Session, w *straw) { w.Close() }, wire.CodeLost, nil},
		{"error at once", func(s *Session, w *straw) { w.open(); synctest.Wait(); w.fail = fault; s.SendShared(group("b")) },
			wire.CodeLost, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := sharing(t, Limits{})
				w.take = 3
				if err := s.SendShared(group("shared")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				tt.end(s, w)
				<-s.Done()
				if s.Err().Code != tt.code {
					t.Errorf("ended with %v, want %v", s.Err(), tt.code)
				}
				if tt.want != nil {
					w.expect(t, tt.want...)
				}
				synctest.Wait()
				if err := s.SendShared(group("late")); err != ErrClosed {
					t.Errorf("behind the end: %v, want %v", err, ErrClosed)
				}
				s.out.mu.Lock()
				writing := s.out.writing
				s.out.mu.Unlock()
				if used := s.env.Budget.Used(); used != 0 || writing {
					t.Errorf("%d bytes of the budget are held, writing: %v", used, writing)
				}
				if n := checkSent(t, s); n.Queued != 0 {
					t.Errorf("%+v", n)
				}
			})
		})
	}
}

// TestSharedConservation has several goroutines put and share at once, while the
// socket lags at random: of each sender all arrives, in order, and is counted.
func TestSharedConservation(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s, w := sharing(t, Limits{})
			random := rand.New(rand.NewPCG(seed, 2))
			w.take = random.IntN(200) - 50
			const senders, each = 3, 200
			var wg sync.WaitGroup
			for i := range senders {
				choose := rand.New(rand.NewPCG(seed, uint64(3+i)))
				wg.Go(func() { // ends when each has been sent
					for n := 0; n < each; {
						k := 1 + choose.IntN(min(4, each-n))
						var texts []string
						for range k {
							texts = append(texts, fmt.Sprintf("%d %d %s", i, n, strings.Repeat("x", choose.IntN(300))))
							n++
						}
						if choose.IntN(2) == 0 {
							s.SendShared(group(texts...))
						} else {
							for _, m := range texts {
								s.PutEvent(text(m))
							}
							s.Flush()
						}
						time.Sleep(time.Duration(choose.IntN(3)) * time.Millisecond)
					}
				})
			}
			for range 50 {
				w.open()
				time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
				w.shut()
				time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
				checkSent(t, s)
			}
			w.open()
			wg.Wait()
			s.Flush()
			synctest.Wait()
			var next [senders]int
			for _, f := range w.frames(t) {
				var i, n int
				if _, err := fmt.Sscanf(f, "%d %d", &i, &n); err != nil || n != next[i] {
					t.Fatalf("seed %d: %q when %d of %d is due", seed, f, next[i], i)
				}
				next[i]++
			}
			expectSent(t, s, Sent{Accepted: senders * each, Written: senders * each})
			if used := s.env.Budget.Used(); next != [senders]int{each, each, each} || used != 0 {
				t.Errorf("seed %d: %v frames arrived of %d each; %d bytes are held", seed, next, each, used)
			}
		})
	}
}

// A real socket takes what it can, and the rest later.
func TestSharedOverTCP(t *testing.T) {
	client, server := overTCP(t)
	s, _ := serve(t, server, Limits{QueueHard: 64 << 20})
	var want []byte
	for i := range 300 { // 9 MB: more than two sockets hold
		frames, n := group(fmt.Sprint(i), strings.Repeat("x", 30_000))
		want = append(want, frames...)
		if err := s.SendShared(frames, n); err != nil {
			t.Fatal(err)
		}
		clear(frames)
	}
	if s.env.Budget.Used() == 0 {
		t.Error("nothing waits: the socket has taken all")
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("what arrived is not what was sent (%v)", err)
	}
	<-s.out.drained()
	expectSent(t, s, Sent{Accepted: 600, Written: 600})
	if used := s.env.Budget.Used(); used != 0 {
		t.Errorf("%d bytes of the budget are held", used)
	}
}
