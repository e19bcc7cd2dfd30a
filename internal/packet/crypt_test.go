package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

var (
	secret = Secret{0: 1, 1: 2, 31: 0xff}
	begin  = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
)

func TestSealGolden(t *testing.T) {
	for _, x := range []struct {
		name, label string
		role        Role
		gens        int
		counter     uint64
		want        string
	}{
		{"client", "session", Client, 0, 0, "c0cafe000100000000e01ebd641ccfe743e7c1a04431b98cfafe0c4948095b"},
		{"server", "session", Server, 0, 0, "c0cafe000100000000366a1f947280d7613e060f3b459816950141019ee6b4"},
		{"pair", "pair", Client, 0, 0, "c0cafe0001000000006147926501ab8dd2e3e790ef88bd43ad4e4425d949e3"},
		{"second generation, beyond 32 bits", "session", Client, 1, 1<<32 + 5, "e0cafe00010000000599a52f9ea5d47fab900220e4a7d2175d2773fb897fbb"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, s := pair(t, secret, x.label, 0x1122334455667788, 1024)
			from, to := c, s
			if x.role == Server {
				from, to = s, c
			}
			if x.gens == 1 && !from.Update(begin) {
				t.Fatal("Update is refused")
			}
			from.sent = x.counter
			p := seal(from, 0xcafe0001, []byte("golden"))
			if got := hex.EncodeToString(p); got != x.want {
				t.Errorf("sealed %s, want %s", got, x.want)
			}
			ref := newReference(secret, x.label, 0x1122334455667788)
			if body, _, err := ref.open(p, x.role, uint32(x.gens), x.counter); err != nil || string(body) != "golden" {
				t.Errorf("the reference opens %q, %v", body, err)
			}
			to.window.next = x.counter
			body, counter, newest, err := to.Open(p, begin)
			if err != nil || string(body) != "golden" || counter != x.counter || !newest {
				t.Errorf("Open = %q, %d, %v, %v", body, counter, newest, err)
			}
		})
	}
}

func TestNewCryptRefuses(t *testing.T) {
	for name, err := range map[string]error{
		"label":  second(NewCrypt(&secret, "sessions", 1, 1, Client, 1024)),
		"suite":  second(NewCrypt(&secret, "session", 1, 2, Client, 1024)),
		"role":   second(NewCrypt(&secret, "session", 1, 1, 2, 1024)),
		"window": second(NewCrypt(&secret, "session", 1, 1, Client, 1000)),
		"none":   second(NewCrypt(&secret, "session", 1, 1, Client, 0)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ *Crypt, err error) error { return err }

// A packet is in place when there is room and somewhere else when there is not.
func TestSealRoom(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	for _, room := range []int{0, 1, TagSize - 1, TagSize, TagSize + 100} {
		p := append(make([]byte, 0, HeaderSize+4+room), "---------body"...)
		p = p[: HeaderSize+4 : HeaderSize+4+min(room, cap(p)-HeaderSize-4)]
		sealed := c.Seal(p, 1)
		if got := &sealed[0] == &p[0]; got != (cap(p)-len(p) >= TagSize) {
			t.Errorf("room for %d: in place is %v", cap(p)-len(p), got)
		}
		if body, _, _, err := s.Open(sealed, begin); err != nil || string(body) != "body" {
			t.Errorf("room for %d: %q, %v", room, body, err)
		}
	}
}

// What is not authentic is refused, counted, and changes nothing: the packet
// itself opens afterwards.
func TestForged(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	p := seal(c, 7, []byte("a body"))
	forged := 0
	for bit := range 8 * len(p) {
		q := bytes.Clone(p)
		q[bit/8] ^= 1 << (bit % 8)
		if _, _, _, err := s.Open(q, begin); err == nil {
			t.Fatalf("bit %d of byte %d does not matter", bit%8, bit/8)
		} else if errors.Is(err, ErrForged) {
			forged++
		} else if !errors.Is(err, ErrShort) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for n := range p {
		if _, _, _, err := s.Open(bytes.Clone(p[:n]), begin); err == nil {
			t.Fatalf("%d bytes of %d open", n, len(p))
		} else if want := n < Overhead; want != errors.Is(err, ErrShort) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if s.Forged != uint64(forged+len(p)-Overhead) || s.Short != uint64(Overhead+2) {
		t.Errorf("counted %+v", s.Counts)
	}
	own := seal(s, 7, []byte("a body"))
	if _, _, _, err := s.Open(own, begin); !errors.Is(err, ErrForged) {
		t.Errorf("an end's own packet sent back: %v", err)
	}
	if _, _, _, err := s.Open(p, begin); err != nil {
		t.Errorf("the packet itself: %v", err)
	}
}

// Keys are of one label, one id and one secret.
func TestStrangersKeys(t *testing.T) {
	other := secret
	other[5]++
	c, _ := pair(t, secret, "session", 1, 1024)
	for _, x := range []struct {
		name   string
		secret Secret
		label  string
		id     uint64
	}{{"label", secret, "pair", 1}, {"id", secret, "session", 2}, {"secret", other, "session", 1}} {
		_, s := pair(t, x.secret, x.label, x.id, 1024)
		if _, _, _, err := s.Open(seal(c, 1, nil), begin); !errors.Is(err, ErrForged) {
			t.Errorf("another %s: %v", x.name, err)
		}
	}
}

func TestReplays(t *testing.T) {
	for _, window := range []int{1024, 4096} {
		c, s := pair(t, secret, "pair", 1, window)
		var sent [][]byte
		for range window + 2 {
			sent = append(sent, seal(c, 1, []byte("x")))
		}
		open := func(i int) (bool, error) {
			_, counter, newest, err := s.Open(bytes.Clone(sent[i]), begin)
			if counter != uint64(i) {
				t.Fatalf("packet %d has counter %d", i, counter)
			}
			return newest, err
		}
		last := window + 1
		for _, x := range []struct {
			i      int
			newest bool
			err    error
		}{
			{5, true, nil}, {5, false, ErrReplay}, {3, false, nil}, {3, false, ErrReplay},
			{last, true, nil}, {last, false, ErrReplay},
			{1, false, ErrReplay}, {2, false, nil}, {2, false, ErrReplay}, {5, false, ErrReplay},
		} {
			if newest, err := open(x.i); newest != x.newest || err != x.err {
				t.Errorf("window %d, packet %d: %v, %v", window, x.i, newest, err)
			}
		}
		if s.Counts != (Counts{Duplicate: 5, Late: 1}) {
			t.Errorf("window %d: counted %+v", window, s.Counts)
		}
	}
}

// The counter goes on where its lower half begins again.
func TestCounterWraps(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	c.sent, s.window.next = 1<<32-3, 1<<32-3
	var late []byte
	for i := range uint64(6) {
		p := seal(c, 1, []byte{byte(i)})
		if i == 1 {
			late = p
			continue
		}
		body, counter, _, err := s.Open(p, begin)
		if err != nil || counter != 1<<32-3+i || body[0] != byte(i) {
			t.Fatalf("%d: %x, %#x, %v", i, body, counter, err)
		}
	}
	if _, counter, newest, err := s.Open(late, begin); err != nil || counter != 1<<32-2 || newest {
		t.Fatalf("the late one: %#x, %v, %v", counter, newest, err)
	}
}

func TestExhausted(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	c.sent, s.window.next = maxCounter-1, maxCounter-1
	if c.Exhausted() {
		t.Fatal("exhausted before its last packet")
	}
	if _, _, _, err := s.Open(seal(c, 1, nil), begin); err != nil {
		t.Fatal(err)
	}
	if !c.Exhausted() || seal(c, 1, nil) != nil || c.Update(begin) {
		t.Error("packets or updates beyond the last counter")
	}

	c, s = pair(t, secret, "session", 1, 1024)
	s.Forged = maxForged - 1
	good := seal(c, 1, nil)
	if s.Exhausted() {
		t.Fatal("exhausted before its last forged packet")
	}
	s.Open(make([]byte, 30), begin) // no DATA: short, not forged
	if s.Exhausted() {
		t.Fatal("a short packet counts as forged")
	}
	s.Open(append([]byte{0xc0}, make([]byte, 30)...), begin)
	if !s.Exhausted() || seal(s, 1, nil) != nil {
		t.Error("packets after too many forged ones")
	}
	if _, _, _, err := s.Open(good, begin); !errors.Is(err, ErrForged) {
		t.Errorf("an authentic packet after too many forged ones: %v", err)
	}
}

// A peer that counts beyond what an honest one sends cannot make the window
// overflow.
func TestCounterBeyondAll(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	s.window.next = maxCounter
	p := make([]byte, HeaderSize+TagSize)
	p[0] = byte(KindData)
	binary.BigEndian.PutUint32(p[5:], uint32(0))
	c.send.nonce(&c.scratch, maxCounter)
	p = c.send.aead.Seal(p[:HeaderSize], c.scratch[:], nil, p[:HeaderSize])
	if _, _, _, err := s.Open(p, begin); !errors.Is(err, ErrForged) || s.window.next != maxCounter {
		t.Errorf("%v, the window is at %#x", err, s.window.next)
	}
}

func TestSealAndOpenAllocateNothing(t *testing.T) {
	c, s := pair(t, secret, "session", 1, 1024)
	buf := make([]byte, MaxSize)
	if n := testing.AllocsPerRun(1000, func() {
		p := c.Seal(buf[:MaxSize-TagSize], 1)
		if _, _, _, err := s.Open(p, begin); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := s.Open(p, begin); err != ErrReplay {
			t.Fatal(err)
		}
		p[7] ^= 0x10 // a counter to come, with the wrong tag
		if _, _, _, err := s.Open(p, begin); err != ErrForged {
			t.Fatal(err)
		}
		if _, _, _, err := s.Open(p[:10], begin); err != ErrShort {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Ten thousand of them live at once.
func TestCryptIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Crypt{}); n > 448 {
		t.Errorf("a Crypt has %d bytes", n)
	}
	const many = 500
	kept := make([]*Crypt, many)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		c, err := NewCrypt(&secret, "session", uint64(i), SuiteAES256GCM, Server, 1024)
		if err != nil {
			t.Fatal(err)
		}
		kept[i] = c
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / many
	t.Logf("unsafe.Sizeof %d, %d bytes each with keys and window", unsafe.Sizeof(Crypt{}), each)
	if each > 2600 {
		t.Errorf("%d bytes each", each)
	}
	runtime.KeepAlive(kept)
}

func BenchmarkSealOpen(b *testing.B) {
	for _, size := range []int{64, MaxBody} {
		b.Run(map[bool]string{true: "64", false: "1175"}[size == 64], func(b *testing.B) {
			c, s := pair(b, secret, "session", 1, 1024)
			buf := make([]byte, MaxSize)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := s.Open(c.Seal(buf[:HeaderSize+size], 1), begin); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkForgedPhase is the dearest packet that a stranger can send.
func BenchmarkForgedPhase(b *testing.B) {
	_, s := pair(b, secret, "session", 1, 1024)
	buf := make([]byte, MaxSize)
	b.ReportAllocs()
	for b.Loop() {
		buf[0], buf[8] = 0xe0, 1
		if _, _, _, err := s.Open(buf, begin); err != ErrForged {
			b.Fatal(err)
		}
		s.Forged = 0
	}
}

func BenchmarkNewCrypt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		pair(b, secret, "session", 1, 1024)
	}
}
