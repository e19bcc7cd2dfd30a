package packet

import (
	"bytes"
	"runtime"
	"testing"
	"time"
)

// A Crypt that rests in between seals and opens as one that does not, through
// changes of keys as well.
func TestRest(t *testing.T) {
	now := time.Unix(1, 0)
	secret := Secret{1, 2, 3}
	pair := func() (a, b *Crypt) {
		a, err := NewCrypt(&secret, "session", 1, SuiteAES256GCM, Client, 1024)
		if err != nil {
			t.Fatal(err)
		}
		b, err = NewCrypt(&secret, "session", 1, SuiteAES256GCM, Server, 1024)
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	a, b := pair()
	wakeful, _ := pair()
	for i := range 100 {
		if i%7 == 0 {
			a.Rest(now)
			b.Rest(now)
		}
		if i%30 == 29 {
			if !a.Update(now) {
				t.Fatalf("packet %d: no change of keys", i)
			}
		}
		body := []byte{byte(i)}
		room := func() []byte { return append(make([]byte, HeaderSize, 64), body...) }
		p := a.Seal(room(), 7)
		if i < 29 && !bytes.Equal(p, wakeful.Seal(room(), 7)) {
			t.Fatalf("packet %d is not sealed as without Rest", i)
		}
		got, _, _, err := b.Open(p, now)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("packet %d: %x, %v", i, got, err)
		}
		if got, _, _, err = a.Open(b.Seal(room(), 8), now); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("packet %d back: %x, %v", i, got, err)
		}
		now = now.Add(time.Second)
	}
	if a.send.gen < 3 || a.send.gen != b.recv.gen {
		t.Errorf("keys have changed %d times", a.send.gen)
	}
}

// What rests is small.
func TestRestIsSmall(t *testing.T) {
	const n = 1000
	all := make([]*Crypt, n)
	secret := Secret{9}
	size := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := size()
	for i := range all {
		all[i], _ = NewCrypt(&secret, "session", uint64(i), SuiteAES256GCM, Server, 1024)
		all[i].Rest(time.Unix(1, 0))
	}
	if each := (size() - before) / n; each > 640 {
		t.Errorf("%d bytes each, want at most 640", each)
	}
	runtime.KeepAlive(all)
}
