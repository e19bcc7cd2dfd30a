package client

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
)

var cached = wire.Reliable.Cached()

func TestEarlyAndLate(t *testing.T) {
	type want struct {
		told    string
		dropped uint64
		late    uint64
		held    int
	}
	tests := []struct {
		name   string
		frames func(f *fake) [][]byte
		want   want
	}{
		{"before the sender's join", func(*fake) [][]byte {
			return [][]byte{
				lossy(7, 30, 4, wire.Unreliable, "a"),
				lossy(7, 30, 4, wire.Sequenced(1), "b"),
				lossy(7, 40, 5, wire.Unreliable, "c"),
				join(7, 4, 30),
				join(7, 5, 40),
			}
		}, want{told: "join 30/4; 30/4: a; 30/4: b; join 40/5; 40/5: c"}},
		{"before the sender comes back", func(*fake) [][]byte {
			return [][]byte{lossy(7, 10, 5, wire.Unreliable, "new"), lossy(7, 10, 1, wire.Unreliable, "old"), leave(7, 4, 10, 1), join(7, 5, 10)}
		}, want{told: "10/1: old; leave 10/1 40; join 10/5; 10/5: new"}},
		{"a cached one before the sender's join", func(*fake) [][]byte {
			return [][]byte{lossy(7, 30, 4, wire.Unreliable.Cached(), "a"), join(7, 4, 30)}
		}, want{told: "join 30/4; 30/4: a"}},
		{"before this client's join", func(f *fake) [][]byte {
			return [][]byte{
				lossy(8, 10, 1, wire.Unreliable, "a"),
				lossy(8, wire.Server, 0, wire.Unreliable, "server"),
				lossy(8, 30, 5, wire.Unreliable, "later"),
				lossy(8, 40, 2, wire.Unreliable, "gone"),
				f.joined(8, 3, member(10, 1)), join(8, 4, 50), join(8, 5, 30),
			}
		}, want{told: "group 8; join 10/1; join 256/3; 10/1: a; 1/0: server; join 50/4; join 30/5; 30/5: later", late: 1}},
		{"after the leave", func(*fake) [][]byte {
			return [][]byte{leave(7, 4, 10, 1), lossy(7, 10, 1, wire.Unreliable, "late"), lossy(7, 10, 1, wire.Reliable, "late")}
		}, want{told: "leave 10/1 40", late: 2}},
		{"of an older stay", func(*fake) [][]byte {
			return [][]byte{leave(7, 4, 10, 1), join(7, 5, 10), lossy(7, 10, 1, wire.Unreliable, "late")}
		}, want{told: "leave 10/1 40; join 10/5", late: 1}},
		{"of who never was in", func(*fake) [][]byte {
			return [][]byte{lossy(7, 90, 3, wire.Unreliable, "late")}
		}, want{late: 1}},
		{"after the end", func(*fake) [][]byte {
			return [][]byte{destroyed(7, 4), lossy(7, 10, 1, wire.Unreliable, "late"), lossy(7, 10, 1, wire.Reliable, "late"),
				lossy(7, wire.Server, 0, wire.Unreliable, "late")}
		}, want{told: "leave 10/1 41; leave 20/2 41; leave 256/3 41; end 41", late: 3}},
		{"between two stays of this client", func(f *fake) [][]byte {
			return [][]byte{leave(7, 4, fakeID, 3), lossy(7, 30, 5, wire.Unreliable, "early"), f.joined(7, 6, member(30, 5))}
		}, want{told: "leave 10/1 40; leave 20/2 40; leave 256/3 40; end 40; group 7; join 30/5; join 256/6; 30/5: early"}},
		{"replayed from the cache", func(*fake) [][]byte {
			return [][]byte{lossy(7, 10, 1, cached, "a"), lossy(7, 90, 2, cached, "of one who left"), lossy(7, fakeID, 1, cached, "of an own earlier stay"),
				lossy(7, fakeID, 3, cached, "own")}
		}, want{told: "10/1: a; 90/2: of one who left; 256/1: of an own earlier stay"}},
		{"the largest is too large", func(*fake) [][]byte {
			return [][]byte{lossy(8, 10, 1, wire.Unreliable, strings.Repeat("x", 65000)+strings.Repeat("y", 450)), lossy(8, 10, 1, wire.Unreliable, "x")}
		}, want{dropped: 1, held: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f, r := inGroup(t, nil)
				f.send(test.frames(f)...)
				r.expect(t, test.want.told)
				s := c.Stats()
				if s.EarlyDropped != test.want.dropped || s.Late != test.want.late || s.EarlyHeld != test.want.held {
					t.Errorf("dropped %d, late %d, held %d, want %+v", s.EarlyDropped, s.Late, s.EarlyHeld, test.want)
				}
			})
		})
	}
}

func TestEarlyExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, r := inGroup(t, nil)
		f.send(lossy(7, 30, 4, wire.Unreliable, "first"), lossy(8, 10, 1, wire.Unreliable, "elsewhere"))
		time.Sleep(3 * time.Second)
		f.send(lossy(7, 30, 4, wire.Unreliable, "second"))
		synctest.Wait()
		time.Sleep(2*time.Second - time.Nanosecond)
		synctest.Wait()
		if s := c.Stats(); s.EarlyHeld != 3 || s.EarlyDropped != 0 {
			t.Errorf("held %d, dropped %d before the time", s.EarlyHeld, s.EarlyDropped)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s := c.Stats(); s.EarlyHeld != 1 || s.EarlyDropped != 2 {
			t.Errorf("held %d, dropped %d at the time, want 1 and 2", s.EarlyHeld, s.EarlyDropped)
		}
		f.send(join(7, 4, 30), f.joined(8, 1))
		r.expect(t, "join 30/4; 30/4: second; group 8; join 256/1")
		time.Sleep(time.Minute)
		if s := c.Stats(); s.EarlyHeld != 0 || s.EarlyDropped != 2 {
			t.Errorf("held %d, dropped %d in the end, want 0 and 2", s.EarlyHeld, s.EarlyDropped)
		}
	})
}

// A message that waits for another join meanwhile keeps the time at which it came.
func TestEarlyKeepsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, r := inGroup(t, nil)
		f.send(lossy(7, 30, 9, wire.Unreliable, "x"))
		time.Sleep(4 * time.Second)
		f.send(join(7, 4, 40))
		r.expect(t, "join 40/4")
		time.Sleep(time.Second)
		synctest.Wait()
		if s := c.Stats(); s.EarlyHeld != 0 || s.EarlyDropped != 1 {
			t.Errorf("held %d, dropped %d, want 0 and 1", s.EarlyHeld, s.EarlyDropped)
		}
	})
}

func TestEarlyLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, _ := inGroup(t, nil)
		for id := range wire.ID(earlyGroups + 6) {
			f.send(lossy(1000+id, 10, 1, wire.Unreliable, "x"))
		}
		f.send(lossy(7, 30, 4, wire.Unreliable, "a known group has its own room"))
		synctest.Wait()
		if s := c.Stats(); s.EarlyHeld != earlyGroups+1 || s.EarlyDropped != 6 {
			t.Errorf("held %d, dropped %d, want %d and 6", s.EarlyHeld, s.EarlyDropped, earlyGroups+1)
		}
		f.send(f.joined(1000, 1)) // makes room for one more; its own was of nobody
		f.send(lossy(2000, 10, 1, wire.Unreliable, "x"))
		synctest.Wait()
		if s := c.Stats(); s.EarlyHeld != earlyGroups+1 || s.EarlyDropped != 6 || s.Late != 1 {
			t.Errorf("held %d, dropped %d, late %d after a join, want %d, 6 and 1", s.EarlyHeld, s.EarlyDropped, s.Late, earlyGroups+1)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, f, _ := inGroup(t, nil)
		body := strings.Repeat("x", 1024-earlyOverhead)
		for range 70 {
			f.send(lossy(7, 30, 4, wire.Unreliable, body))
		}
		synctest.Wait()
		if s := c.Stats(); s.EarlyHeld != 64 || s.EarlyDropped != 6 {
			t.Errorf("held %d, dropped %d, want 64 and 6", s.EarlyHeld, s.EarlyDropped)
		}
	})
}

// TestEarlyConservation sends messages in every order around joins and leaves:
// each is delivered, late, dropped or held, and none before its sender's join
// or after its leave.
func TestEarlyConservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delivered uint64
		in := map[string]bool{}
		key := func(m Member) string { return fmt.Sprintf("%d/%d", m.ID, m.Epoch) }
		c, f := open(t, Config{OnGroup: func(g *Group) {
			g.OnJoin = func(m Member) { in[key(m)] = true }
			g.OnLeave = func(m Member, _ wire.Code) { delete(in, key(m)) }
			g.OnMessage = func(m Member, _ wire.Event) {
				delivered++
				if !in[key(m)] {
					t.Errorf("a message of %s, who is not in", key(m))
				}
			}
		}})
		sent := uint64(0)
		spray := func(at uint64) { // of everybody who was, is or will be in
			for epoch := max(2, at-min(at, 3)); epoch < at+4; epoch++ {
				f.send(lossy(7, wire.ID(1000+epoch%5), epoch, wire.Unreliable, "x"))
				sent++
			}
		}
		f.send(f.joined(7, 1))
		position := uint64(1)
		for i := range uint64(40) {
			spray(position)
			position++
			f.send(join(7, position, wire.ID(1000+position%5)))
			spray(position)
			if i%10 == 0 {
				time.Sleep(earlyTTL)
			}
			joined := position
			position++
			f.send(leave(7, position, wire.ID(1000+joined%5), joined))
		}
		synctest.Wait()
		s := c.Stats()
		if got := delivered + s.Late + s.EarlyDropped + uint64(s.EarlyHeld); got != sent {
			t.Errorf("sent %d: delivered %d, late %d, dropped %d, held %d", sent, delivered, s.Late, s.EarlyDropped, s.EarlyHeld)
		}
		if delivered == 0 || s.Late == 0 || s.EarlyDropped == 0 || s.EarlyHeld == 0 {
			t.Errorf("not every fate was met: %+v, delivered %d", s, delivered)
		}
		c.Close()
		if s := c.Stats(); delivered+s.Late+s.EarlyDropped != sent || s.EarlyHeld != 0 {
			t.Errorf("sent %d: delivered %d, late %d, dropped %d, held %d after the end", sent, delivered, s.Late, s.EarlyDropped, s.EarlyHeld)
		}
	})
}

func TestEndedForgetsTheOldest(t *testing.T) {
	var e ended
	for id := range wire.ID(maxEnded + 10) {
		e.note(id, uint64(id))
		if id == 20 {
			e.note(0, 99) // again
		}
	}
	if len(e.positions) != maxEnded || len(e.order) != maxEnded {
		t.Fatalf("%d groups in %d places remembered, want %d", len(e.positions), len(e.order), maxEnded)
	}
	for _, id := range []wire.ID{1, 10, maxEnded + 10} {
		if _, ok := e.last(id); ok {
			t.Errorf("group %d is remembered", id)
		}
	}
	for id, want := range map[wire.ID]uint64{0: 99, 11: 11, maxEnded + 9: maxEnded + 9} {
		if at, ok := e.last(id); !ok || at != want {
			t.Errorf("group %d is not remembered", id)
		}
	}
}
