package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// lagging is a session of which one frame, "first", does not leave.
func lagging(t *testing.T, l Limits) (*Session, *valve) {
	t.Helper()
	s, v := newSession(t, l)
	put(s, wire.Reliable, "first")
	synctest.Wait()
	return s, v
}

func expectFrames(t *testing.T, v *valve, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := v.frames(t); !slices.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
}

func checkSent(t *testing.T, s *Session) Sent {
	t.Helper()
	n := s.Sent()
	if n.Accepted != n.Written+n.Superseded+n.Expired+n.Overflowed+n.Discarded+n.Queued {
		t.Errorf("accepted frames are not accounted for: %+v", n)
	}
	return n
}

func TestOutboxOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		put(s, wire.Reliable, "a")
		put(s, wire.Unreliable, "b")
		put(s, wire.Reliable.On(3), "c")
		s.Ping()
		put(s, wire.Sequenced(1), "d")
		v.open()
		expectFrames(t, v, "first", "ping", "a", "b", "c", "d")
		put(s, wire.Unreliable, "at once")
		expectFrames(t, v, "at once")
		if n := checkSent(t, s); n.Written != 7 || n.Queued != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestOutboxSequenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		for i := range 3 {
			for key := range uint16(2) {
				put(s, wire.Sequenced(key), fmt.Sprintf("key %d: %d", key, i))
			}
			put(s, wire.Sequenced(0).On(1), fmt.Sprintf("channel 1: %d", i))
			put(s, wire.Reliable, fmt.Sprint("reliable ", i))
		}
		time.Sleep(time.Second) // they do not grow too old
		v.open()
		expectFrames(t, v, "first", "reliable 0", "reliable 1", "key 0: 2", "key 1: 2", "channel 1: 2", "reliable 2")
		if n := checkSent(t, s); n.Superseded != 6 {
			t.Errorf("%+v", n)
		}
	})
}

func TestOutboxExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		put(s, wire.Unreliable, "old")
		time.Sleep(lossyTTL)
		put(s, wire.Unreliable, "young")
		time.Sleep(time.Millisecond)
		v.open()
		expectFrames(t, v, "first", "young")

		v.shut()
		put(s, wire.Reliable, "stuck")
		put(s, wire.Unreliable, "old")
		time.Sleep(time.Second)
		v.open()
		expectFrames(t, v, "stuck") // and no empty write behind it
		put(s, wire.Reliable, "on")
		expectFrames(t, v, "on")
		if n := checkSent(t, s); n.Expired != 2 {
			t.Errorf("%+v", n)
		}
	})
}

func TestOutboxCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		want := []string{"first"}
		for i := range maxLossy + 10 {
			put(s, wire.Unreliable, fmt.Sprint("u", i))
			if i >= 10 {
				want = append(want, fmt.Sprint("u", i))
			}
		}
		for i := range maxSequenced + 10 {
			put(s, wire.Sequenced(uint16(i)), fmt.Sprint("s", i))
			if i >= 10 {
				want = append(want, fmt.Sprint("s", i))
			}
		}
		v.open()
		expectFrames(t, v, want...)
		if n := checkSent(t, s); n.Overflowed != 20 {
			t.Errorf("%+v", n)
		}
	})
}

func TestOutboxControlIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := lagging(t, Limits{})
		for range maxControl {
			if err := s.Ping(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Ping(); err != ErrOverloaded {
			t.Errorf("one more control frame: %v, want %v", err, ErrOverloaded)
		}
		checkSent(t, s)
	})
}

func TestOutboxSoftAndHard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{QueueSoft: 10 << 10, QueueHard: 20 << 10})
		kilo := strings.Repeat("x", 1000)
		for range 10 {
			put(s, wire.Reliable, kilo)
		}
		if err := put(s, wire.Unreliable, kilo); err != ErrOverloaded {
			t.Errorf("unreliable above the soft limit: %v, want %v", err, ErrOverloaded)
		}
		if err := put(s, wire.Sequenced(1), kilo); err != ErrOverloaded {
			t.Errorf("sequenced above the soft limit: %v, want %v", err, ErrOverloaded)
		}
		if s.Err() != nil {
			t.Fatalf("the soft limit ends the session: %v", s.Err())
		}
		for range 10 {
			put(s, wire.Reliable, kilo)
		}
		if err := put(s, wire.Reliable, kilo); err != ErrOverloaded {
			t.Errorf("reliable above the hard limit: %v, want %v", err, ErrOverloaded)
		}
		if err := put(s, wire.Reliable, "more"); err != ErrClosed {
			t.Errorf("behind it: %v, want %v", err, ErrClosed)
		}
		if s.Err().Code != wire.CodeSlow {
			t.Errorf("ended with %v", s.Err())
		}
		v.open() // what waited gives way to the word why
		expectFrames(t, v, "first", "close")
		checkSent(t, s)
	})
}

func TestOutboxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := lagging(t, Limits{PingInterval: -1})
		time.Sleep(maxAge + time.Second)
		synctest.Wait()
		if s.Err() == nil || s.Err().Code != wire.CodeSlow {
			t.Errorf("who reads nothing for %v is closed with %v", maxAge, s.Err())
		}
		checkSent(t, s)
	})
}

func TestOutboxRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSession(t, Limits{FrameLimit: 100})
		if err := put(s, wire.Delivery(3), "x"); err != ErrNoSuchChannel {
			t.Errorf("a class that is none: %v, want %v", err, ErrNoSuchChannel)
		}
		if err := put(s, wire.Reliable, strings.Repeat("x", 100)); err != ErrTooLarge {
			t.Errorf("too large a frame: %v, want %v", err, ErrTooLarge)
		}
		if n := s.Sent(); n != (Sent{}) {
			t.Errorf("what was refused was counted: %+v", n)
		}
	})
}

// The largest frame has no room for control frames beside it.
func TestOutboxLargest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		largest := strings.Repeat("x", wire.MaxFrame-5)
		if err := put(s, wire.Reliable, largest); err != nil {
			t.Fatal(err)
		}
		if err := put(s, wire.Reliable, largest+"x"); err != ErrTooLarge {
			t.Fatalf("one byte more: %v, want %v", err, ErrTooLarge)
		}
		for range 20 {
			s.Ping()
		}
		put(s, wire.Reliable, "last")
		v.open()
		expectFrames(t, v, slices.Concat([]string{"first"}, slices.Repeat([]string{"ping"}, 20), []string{largest, "last"})...)
		checkSent(t, s)
	})
}

// TestOutboxConservation checks the law of the queues on random traffic: what
// is accepted is written, dropped for a reason, or waits; reliable frames leave
// in order and without a gap, of each sequenced key only newer ones do.
func TestOutboxConservation(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			s, v := newSession(t, Limits{QueueSoft: 32 << 10, QueueHard: 1 << 20})
			open := false
			reliable := 0
			var written []string
			for i := range 2000 {
				switch random.IntN(100) {
				case 0, 1, 2:
					if open = !open; open {
						v.open()
					} else {
						v.shut()
					}
				case 3:
					time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
				case 4:
					s.Ping()
				default:
					body := strings.Repeat("x", random.IntN(400))
					switch random.IntN(3) {
					case 0:
						if s.PutEvent(text(fmt.Sprintf("r %d %s", reliable, body))) == nil {
							reliable++
						}
					case 1:
						m := text(fmt.Sprintf("u %d %s", i, body))
						m.Delivery = wire.Unreliable
						s.PutEvent(m)
					case 2:
						key := random.IntN(5)
						m := text(fmt.Sprintf("s%d %d %s", key, i, body))
						m.Delivery = wire.Sequenced(uint16(key))
						s.PutEvent(m)
					}
					if random.IntN(3) == 0 {
						s.Flush()
					}
				}
				checkSent(t, s)
			}
			if !open {
				v.open()
			}
			s.Flush()
			synctest.Wait()
			written = v.frames(t)
			n := checkSent(t, s)
			if n.Queued != 0 || n.Written != uint64(len(written)) || s.Err() != nil {
				t.Errorf("seed %d: %+v, of which %d frames were seen; %v", seed, n, len(written), s.Err())
			}
			next, newest := 0, map[string]int{}
			for _, f := range written {
				var lane string
				var number int
				if k, _ := fmt.Sscanf(f, "%s %d", &lane, &number); k != 2 {
					continue // a ping
				}
				switch {
				case lane == "r" && number != next:
					t.Fatalf("seed %d: reliable frame %d comes when %d is due", seed, number, next)
				case lane == "r":
					next++
				case number <= newest[lane] && newest[lane] != 0:
					t.Fatalf("seed %d: %s %d comes behind %d", seed, lane, number, newest[lane])
				default:
					newest[lane] = number
				}
			}
			if next != reliable {
				t.Errorf("seed %d: %d reliable frames written, want %d", seed, next, reliable)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := lagging(t, Limits{Budget: 256 << 10})
		kilo := strings.Repeat("x", 1000)
		n := 0
		for ; put(s, wire.Reliable, kilo) == nil; n++ {
		}
		if n < 64 || n > 256 {
			t.Errorf("%d KB were queued with a budget of 256 KiB", n)
		}
		if s.Err() == nil || s.Err().Code != wire.CodeSlow {
			t.Errorf("ended with %v", s.Err())
		}
	})
}

// The newest of a lane takes the place of the one that waits, also where there is
// no room for another lane.
func TestOutboxNewestArrivesAboveTheSoftLimit(t *testing.T) {
	q := outbox{soft: 1000, hard: 10000, writing: true}
	put := func(b byte, d wire.Delivery, n int) error {
		frame := wire.AppendFrame(nil, wire.KindEvent, bytes.Repeat([]byte{b}, n))
		buf, err := q.begin(len(frame), d, laneOf(d, 0, 0))
		if err == nil {
			q.commit(append(buf, frame...))
		}
		return err
	}
	for _, step := range []struct {
		b    byte
		d    wire.Delivery
		n    int
		want error
	}{
		{'o', wire.Sequenced(1), 100, nil},
		{'r', wire.Reliable, 2000, nil},
		{'x', wire.Sequenced(2), 100, ErrOverloaded},
		{'n', wire.Sequenced(1), 100, nil},
		{'t', wire.Sequenced(1), 9000, ErrOverloaded},
	} {
		if err := put(step.b, step.d, step.n); err != step.want {
			t.Fatalf("%c: %v, want %v", step.b, err, step.want)
		}
	}
	b := q.takeLocked()
	got := b.unread()
	if bytes.ContainsAny(got, "oxt") || !bytes.Contains(got, []byte("nnn")) {
		t.Errorf("the newest that was accepted is not what waits")
	}
}
