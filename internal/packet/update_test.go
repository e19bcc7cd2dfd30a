package packet

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// deliver opens at to what from seals, and tells how it went.
func deliver(t *testing.T, from, to *Crypt, now time.Time) {
	t.Helper()
	if _, _, _, err := to.Open(seal(from, 1, []byte("body")), now); err != nil {
		t.Fatal(err)
	}
}

func TestUpdate(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	now := begin
	for gen := range uint32(4) {
		if c.send.gen != gen || s.send.gen != gen {
			t.Fatalf("generations %d and %d, want %d", c.send.gen, s.send.gen, gen)
		}
		late := seal(c, 1, []byte("late"))
		gone := seal(c, 1, []byte("gone"))
		if !c.Update(now) || c.Update(now.Add(time.Hour)) {
			t.Fatal("Update is refused, or allowed before the peer's answer")
		}
		deliver(t, s, c, now) // the peer knows nothing yet
		deliver(t, c, s, now)
		if s.Update(now) {
			t.Fatal("Update is allowed at the moment of the peer's")
		}
		if _, _, _, err := s.Open(late, now.Add(keep-1)); err != nil {
			t.Fatalf("less than 5 s late: %v", err)
		}
		if _, _, _, err := s.Open(gone, now.Add(keep)); !errors.Is(err, ErrForged) {
			t.Fatalf("5 s late: %v", err)
		}
		if s.other.aead != nil {
			t.Fatal("the old key is still held")
		}
		p := seal(s, 1, nil)
		if got := p[0]&phaseBit != 0; got != (gen%2 == 0) {
			t.Fatalf("the answer to generation %d has phase %v", gen+1, got)
		}
		if _, _, _, err := c.Open(p, now); err != nil {
			t.Fatal(err)
		}
		if c.Update(now.Add(keep-1)) || s.Update(now.Add(keep-1)) {
			t.Fatal("the next Update is allowed within 5 s")
		}
		now = now.Add(keep)
		c, s = s, c // the other end's turn
	}
}

func TestUpdateByItself(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	if c.updateAfter != 1<<28 {
		t.Fatalf("updates after %d packets", c.updateAfter)
	}
	c.updateAfter = 100
	now := begin
	for i := range 99 {
		deliver(t, c, s, now)
		if deliver(t, s, c, now); c.send.gen != 0 {
			t.Fatalf("updated after %d packets", i+1)
		}
	}
	deliver(t, c, s, now)
	deliver(t, s, c, now)
	if c.send.gen != 1 {
		t.Fatal("not updated after 100 packets")
	}
	for range 1000 { // not again before the answer and 5 s
		deliver(t, c, s, now)
		if deliver(t, s, c, now); c.send.gen != 1 {
			t.Fatal("updated twice in no time")
		}
	}
	deliver(t, s, c, now.Add(keep))
	if c.send.gen != 2 {
		t.Fatal("the second update does not come")
	}
}

// The peer's answer is lost and the peer, in its right, has gone on: the phase
// bit is what it was two generations ago.
func TestUpdateTwoAhead(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	old := seal(s, 1, []byte("old"))
	c.Update(begin)
	deliver(t, c, s, begin)
	lost := seal(s, 1, []byte("lost, then late"))
	if !s.Update(begin.Add(keep)) {
		t.Fatal("Update is refused")
	}
	ahead := seal(s, 1, []byte("ahead"))
	forged := bytes.Clone(ahead)
	forged[20] ^= 1
	now := begin.Add(keep)
	if _, _, _, err := c.Open(forged, now); !errors.Is(err, ErrForged) || c.recv.gen != 0 {
		t.Fatalf("a forged one: %v, at generation %d", err, c.recv.gen)
	}
	if _, _, _, err := c.Open(old, now); err != nil {
		t.Fatalf("one of before: %v", err)
	}
	if body, _, _, err := c.Open(ahead, now); err != nil || string(body) != "ahead" {
		t.Fatalf("two generations ahead: %q, %v", body, err)
	}
	if body, _, _, err := c.Open(lost, now.Add(keep-1)); err != nil || string(body) != "lost, then late" {
		t.Fatalf("the generation between: %q, %v", body, err)
	}
	if c.recv.gen != 2 || c.send.gen != 2 || c.spare != nil {
		t.Fatalf("at %d and %d", c.recv.gen, c.send.gen)
	}
	deliver(t, c, s, now)
	deliver(t, s, c, now)
	if s.recv.gen != 2 {
		t.Fatalf("the peer is at %d", s.recv.gen)
	}
}

// Forged packets of the other phase have the next key made once, not each time.
func TestForgedPhaseIsCheap(t *testing.T) {
	_, s := pair(t, secret, "session", 1, 1024)
	p := make([]byte, 100)
	open := func() {
		p[0], p[8] = 0xe0, 9
		if _, _, _, err := s.Open(p, begin); err != ErrForged {
			t.Fatal(err)
		}
	}
	open()
	made := s.other.aead
	if made == nil {
		t.Fatal("the next key is not kept")
	}
	if open(); s.other.aead != made {
		t.Fatal("the next key is made again")
	}
	if n := testing.AllocsPerRun(100, open); n != 0 {
		t.Fatalf("%v allocations each time", n)
	}
	p[0] = 0xc0
	s.Open(p, begin.Add(keep))
	if s.other.aead != nil {
		t.Fatal("the next key is kept for ever")
	}
}

// Whatever the network does and whenever the ends change keys: an authentic
// packet that is less than 5 s old opens, once, and nothing else does; and no
// nonce is used twice under a key.
func TestUpdateProperty(t *testing.T) {
	var all exchange
	for seed := range uint64(20) {
		x := newExchange(t, seed)
		x.run(6000)
		x.settle()
		all.packets += x.packets
		all.updates += x.updates
		all.both += x.both
		all.jumps += x.jumps
		all.lates += x.lates
		all.forged += x.forged
	}
	t.Logf("%d packets, %d updates, %d by both at once, %d times two ahead, %d of the key before, %d forged",
		all.packets, all.updates, all.both, all.jumps, all.lates, all.forged)
	if all.packets < 100_000 || all.updates < 300 || all.both < 50 || all.jumps < 5 || all.lates < 100 || all.forged < 5000 {
		t.Error("that is too little to prove anything")
	}
}

// No nonce is used twice under a key by whatever is made from one secret: both
// directions, ids and labels, while keys change as packets go by and the
// header's counter begins again.
func TestNonceNeverTwice(t *testing.T) {
	used := map[nonceUse]bool{}
	now := begin
	for _, label := range []string{"session", "pair"} {
		for id := range uint64(3) {
			var ends [2]*Crypt
			ends[0], ends[1] = pair(t, secret, label, id, 1024)
			ref := newReference(secret, label, id)
			for i := range 3000 {
				now = now.Add(10 * time.Millisecond)
				for role, c := range ends {
					c.updateAfter = 300
					if i == 1500 {
						c.sent += 1<<32 - 2000 // the header's counter begins again
						ends[1-role].window.next = c.sent
					}
					gen, counter := c.send.gen, c.sent
					p := seal(c, 1, nil)
					_, use, err := ref.open(p, Role(role), gen, counter)
					if err != nil {
						t.Fatal(err)
					}
					if used[use] {
						t.Fatalf("%s %d, role %d: packet %d uses a nonce again", label, id, role, counter)
					}
					used[use] = true
					if _, _, _, err := ends[1-role].Open(p, now); err != nil {
						t.Fatal(err)
					}
				}
			}
			if ends[0].send.gen < 5 {
				t.Fatalf("only %d updates", ends[0].send.gen)
			}
		}
	}
}
