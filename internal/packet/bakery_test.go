package packet

import (
	"net/netip"
	"sync"
	"testing"
	"time"
)

func bakery() *Bakery { return NewBakery(&[32]byte{1, 2, 3}, begin) }

func TestCookie(t *testing.T) {
	b := bakery()
	now := begin.Add(25 * time.Second)
	c := b.MintCookie(v4, nonce8, now)
	if c.Epoch != 2 || c.Nonce != nonce8 {
		t.Fatalf("minted %+v", c)
	}
	var back Cookie
	if err := back.Parse(c.Append(nil)); err != nil || !b.CheckCookie(&back, v4, now) {
		t.Fatalf("refused after its way: %v", err)
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(v4.Addr().As16()), v4.Port())
	if !b.CheckCookie(&c, mapped, now) {
		t.Error("refused for the same address, mapped")
	}
	if NewBakery(&[32]byte{1, 2, 4}, begin).CheckCookie(&c, v4, now) {
		t.Error("good in a bakery of another secret")
	}
	if early := b.MintCookie(v4, nonce8, begin.Add(-time.Hour)); early.Epoch != 0 {
		t.Errorf("minted before the start: epoch %d", early.Epoch)
	}
}

func TestCookieExpired(t *testing.T) {
	b := bakery()
	c := b.MintCookie(v4, nonce8, begin.Add(29*time.Second)) // epoch 2: 20 s to 30 s
	for _, x := range []struct {
		at   time.Duration
		want bool
	}{
		{29 * time.Second, true},
		{30 * time.Second, true},
		{40*time.Second - 1, true},
		{40 * time.Second, false},
		{time.Hour, false},
		{20 * time.Second, true},
		{20*time.Second - 1, false}, // an epoch to come
		{0, false},
	} {
		if got := b.CheckCookie(&c, v4, begin.Add(x.at)); got != x.want {
			t.Errorf("after %v: %v", x.at, got)
		}
	}
	c.Epoch++ // made younger than it is
	if b.CheckCookie(&c, v4, begin.Add(40*time.Second)) {
		t.Error("the epoch can be changed")
	}
}

func TestCookieOtherAddress(t *testing.T) {
	b := bakery()
	c := b.MintCookie(v4, nonce8, begin)
	for _, addr := range []string{"192.0.2.2:4530", "193.0.2.1:4530", "[2001:db8::5]:4530", "[::192.0.2.1]:4530"} {
		if b.CheckCookie(&c, netip.MustParseAddrPort(addr), begin) {
			t.Errorf("good from %s", addr)
		}
	}
}

func TestCookieOtherPort(t *testing.T) {
	b := bakery()
	c := b.MintCookie(v4, nonce8, begin)
	for _, port := range []uint16{0, 4529, 4531, 4530 + 256, 65535} {
		if b.CheckCookie(&c, netip.AddrPortFrom(v4.Addr(), port), begin) {
			t.Errorf("good from port %d", port)
		}
	}
}

func TestCookieBitFlip(t *testing.T) {
	b := bakery()
	now := begin.Add(15 * time.Second)
	c := b.MintCookie(v4, nonce8, now)
	p := c.Append(nil)
	for bit := 8; bit < 8*len(p); bit++ {
		p[bit/8] ^= 1 << (bit % 8)
		var q Cookie
		if err := q.Parse(p); err != nil || b.CheckCookie(&q, v4, now) {
			t.Fatalf("good with bit %d of byte %d flipped, %v", bit%8, bit/8, err)
		}
		p[bit/8] ^= 1 << (bit % 8)
	}
}

func TestTicket(t *testing.T) {
	b := bakery()
	expiry := begin.Add(time.Minute)
	ticket := b.MintTicket(3, 0xcafe0001, expiry)
	p := ticket.Append(nil)
	if len(p) != TicketSize || len(p) > MaxTicket {
		t.Fatalf("a ticket has %d bytes", len(p))
	}
	var back Ticket
	if err := back.Parse(p); err != nil || back != ticket {
		t.Fatalf("%+v came back as %+v, %v", ticket, back, err)
	}
	if !b.CheckTicket(&back, expiry.Add(-time.Millisecond)) || b.CheckTicket(&back, expiry) {
		t.Error("a ticket is good before its expiry and not after")
	}
	for bit := range 8 * len(p) {
		p[bit/8] ^= 1 << (bit % 8)
		if err := back.Parse(p); err != nil || b.CheckTicket(&back, begin) {
			t.Fatalf("good with bit %d of byte %d flipped, %v", bit%8, bit/8, err)
		}
		p[bit/8] ^= 1 << (bit % 8)
	}
}

func TestReceipt(t *testing.T) {
	b := bakery()
	r := b.MintReceipt(v6, 77, begin)
	p := r.Append(nil)
	var back Receipt
	if err := back.Parse(p); err != nil || back != r || len(p) != ReceiptSize {
		t.Fatalf("%+v came back as %+v, %v", r, back, err)
	}
	for _, x := range []struct {
		name    string
		addr    netip.AddrPort
		session uint64
		since   time.Time
		want    bool
	}{
		{"at once", v6, 77, begin, true},
		{"later", v6, 77, begin.Add(-time.Minute), true},
		{"too old", v6, 77, begin.Add(time.Millisecond), false},
		{"another session's", v6, 78, begin, false},
		{"another address", v4, 77, begin, false},
		{"another port", netip.AddrPortFrom(v6.Addr(), 1), 77, begin, false},
	} {
		if got := b.CheckReceipt(&back, x.addr, x.session, x.since); got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
	for bit := range 8 * len(p) {
		p[bit/8] ^= 1 << (bit % 8)
		if err := back.Parse(p); err != nil || b.CheckReceipt(&back, v6, 77, time.UnixMilli(0)) {
			t.Fatalf("good with bit %d of byte %d flipped, %v", bit%8, bit/8, err)
		}
		p[bit/8] ^= 1 << (bit % 8)
	}
}

// What a bakery has baked is good for one purpose: a MAC over the same bytes
// differs. A receipt's and a cookie's input have different lengths as well, but
// nothing rests on that.
func TestPurposes(t *testing.T) {
	b := bakery()
	macs := map[[16]byte]byte{}
	for _, purpose := range []byte{forCookie, forTicket, forReceipt} {
		o := b.oven(purpose)
		o.in = append(o.in, "the same"...)
		mac := b.bake(o)
		if was, ok := macs[mac]; ok {
			t.Errorf("purposes %d and %d bake the same", was, purpose)
		}
		macs[mac] = purpose
	}
}

func TestBakeryConcurrently(t *testing.T) {
	b := bakery()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { // ends by itself
			for n := range 500 {
				addr := netip.AddrPortFrom(v4.Addr(), uint16(i*1000+n))
				c := b.MintCookie(addr, nonce8, begin)
				if !b.CheckCookie(&c, addr, begin) {
					t.Errorf("refused: %v", addr)
				}
			}
		})
	}
	wg.Wait()
}

func TestBakeryAllocatesNothing(t *testing.T) {
	if poolsForget {
		t.Skip("pools forget under the race detector")
	}
	b := bakery()
	c := b.MintCookie(v4, nonce8, begin)
	ticket := b.MintTicket(1, 2, begin)
	if n := testing.AllocsPerRun(1000, func() {
		b.CheckCookie(&c, v4, begin)
		b.MintCookie(v4, nonce8, begin)
		b.CheckTicket(&ticket, begin)
		b.MintReceipt(v6, 1, begin)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheckCookie(b *testing.B) {
	bake := bakery()
	c := bake.MintCookie(v4, nonce8, begin)
	b.ReportAllocs()
	for b.Loop() {
		if !bake.CheckCookie(&c, v4, begin) {
			b.Fatal("refused")
		}
	}
}
