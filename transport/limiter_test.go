package transport

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func newTestLimiter(change func(*Config)) *limiter {
	cfg := Config{}
	if change != nil {
		change(&cfg)
	}
	return newLimiter(cfg.withDefaults())
}

func TestSite(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":          "192.0.2.1/32",
		"::ffff:192.0.2.1":   "192.0.2.1/32",
		"2001:db8:1:2:3::4":  "2001:db8:1:2::/64",
		"2001:db8:1:2::":     "2001:db8:1:2::/64",
		"fe80::1%eth0":       "fe80::/64",
		"2001:db8:1:3::ffff": "2001:db8:1:3::/64",
	} {
		if got := site(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("%s is counted as %v, want %s", in, got, want)
		}
	}
}

func TestLimiterRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(nil)
		a, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		enter := func(a netip.Addr) bool {
			if !l.accept(time.Now()) {
				t.Fatal("the rate of all addresses is over")
			}
			ok := l.enter(a, time.Now())
			if ok {
				l.shook(a)
				l.leave(a)
			} else {
				l.shook(netip.Addr{})
				l.leave(netip.Addr{})
			}
			return ok
		}
		for i := range 40 {
			if !enter(a) {
				t.Fatalf("connection %d of a burst of 40 is refused", i+1)
			}
		}
		if enter(a) {
			t.Error("a 41st connection at once is let in")
		}
		if !enter(netip.MustParseAddr("::ffff:192.0.2.2")) || !enter(other) {
			t.Error("another address is refused")
		}
		time.Sleep(time.Second)
		n := 0
		for enter(a) {
			n++
		}
		if n != 10 {
			t.Errorf("%d connections a second later, want 10", n)
		}
		for range 1000 {
			if !enter(netip.IPv6Loopback()) {
				t.Fatal("loopback is limited")
			}
		}
	})
}

func TestLimiterRateOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(nil)
		n := 0
		for l.accept(time.Now()) {
			l.shook(netip.Addr{})
			n++
		}
		if n != 2000 {
			t.Errorf("%d connections at once, want 2000", n)
		}
		time.Sleep(100 * time.Millisecond)
		for l.accept(time.Now()) {
			l.shook(netip.Addr{})
			n++
		}
		if n != 2100 {
			t.Errorf("%d connections after a tenth of a second, want 2100", n)
		}
	})
}

func TestLimiterNumbers(t *testing.T) {
	now := time.Now()
	l := newTestLimiter(func(c *Config) {
		c.MaxConnections, c.MaxHandshakes, c.MaxConnectionsPerAddress, c.MaxHandshakesPerAddress = 5, 3, 4, 2
	})
	a := netip.MustParseAddr("2001:db8::1")
	same := netip.MustParseAddr("2001:db8::2")
	for _, step := range []struct {
		what string
		do   func() bool
		want bool
	}{
		{"first", func() bool { return l.accept(now) && l.enter(a, now) }, true},
		{"second of the /64", func() bool { return l.accept(now) && l.enter(same, now) }, true},
		{"third handshake of the /64", func() bool { return l.accept(now) && l.enter(a, now) }, false},
		{"fourth handshake of all", func() bool { return l.accept(now) }, false},
		{"the third leaves", func() bool { l.shook(netip.Addr{}); l.leave(netip.Addr{}); return true }, true},
		{"two are through", func() bool { l.shook(a); l.shook(same); return true }, true},
		{"third", func() bool { return l.accept(now) && l.enter(a, now) }, true},
		{"fourth", func() bool { return l.accept(now) && l.enter(a, now) }, true},
		{"they are through", func() bool { l.shook(a); l.shook(a); return true }, true},
		{"fifth of the /64", func() bool { return l.accept(now) && l.enter(a, now) }, false},
		{"sixth of all", func() bool { return l.accept(now) }, false},
	} {
		if got := step.do(); got != step.want {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
	l.shook(netip.Addr{})
	l.leave(netip.Addr{})
	for range 4 {
		l.leave(a)
	}
	if c, h := l.counts(); c != 0 || h != 0 {
		t.Errorf("%d connections and %d handshakes are left", c, h)
	}
}

func TestLimiterOff(t *testing.T) {
	l := newTestLimiter(func(c *Config) {
		c.MaxConnections, c.MaxHandshakes, c.MaxConnectionsPerAddress, c.MaxHandshakesPerAddress = -1, -1, -1, -1
		c.AcceptRate.PerSecond, c.AcceptRatePerAddress.PerSecond = -1, -1
	})
	a, now := netip.MustParseAddr("192.0.2.1"), time.Now()
	for i := range 100_000 {
		if !l.accept(now) || !l.enter(a, now) {
			t.Fatalf("connection %d is refused by limits that are off", i+1)
		}
	}
}

// An attacker has any number of IPv6 networks.
func TestLimiterTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(func(c *Config) { c.AcceptRate.PerSecond = -1; c.MaxHandshakes = -1; c.MaxConnections = -1 })
		address := func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		}
		in := 0
		for i := range 2 * maxAddresses {
			if l.enter(address(i), time.Now()) {
				in++
			}
		}
		if in != maxAddresses || len(l.addresses) != maxAddresses {
			t.Errorf("%d let in, %d in the table, want %d", in, len(l.addresses), maxAddresses)
		}
		for i := range maxAddresses - 1 { // all but one leave
			l.shook(address(i))
			l.leave(address(i))
		}
		time.Sleep(2 * time.Second) // their buckets are full again
		if !l.enter(address(-1), time.Now()) {
			t.Error("no room for a new address")
		}
		if n := len(l.addresses); n != 2 {
			t.Errorf("%d addresses in the table, want 2", n)
		}
		if l.addresses[site(address(maxAddresses-1))].connections != 1 {
			t.Error("the one that stayed is forgotten")
		}
	})
}

// Connections of an address that nobody can tell, those of a Unix socket, are
// limited in all but not by address.
func TestLimiterUnknownAddress(t *testing.T) {
	l := newTestLimiter(nil)
	for range 100 {
		if !l.accept(time.Now()) || !l.enter(netip.Addr{}, time.Now()) {
			t.Fatal("refused")
		}
	}
	if len(l.addresses) != 0 {
		t.Error("it is in the table")
	}
}
