package simnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var (
	all    netip.Addr
	addr   = netip.MustParseAddr
	addrAt = netip.MustParseAddrPort
)

// bubble runs a test on a net of its own in virtual time.
func bubble(t *testing.T, test func(t *testing.T, n *Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		defer n.Close()
		test(t, n)
	})
}

// open opens a UDP socket.
func open(t *testing.T, h *Host, port uint16) *PacketConn {
	t.Helper()
	c, err := h.ListenPacket(port)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c *PacketConn, to netip.AddrPort, data string) {
	t.Helper()
	if n, err := c.WriteToUDPAddrPort([]byte(data), to); n != len(data) || err != nil {
		t.Fatalf("sent %d bytes, %v", n, err)
	}
}

// receive waits a second for a datagram; ok is false when none comes.
func receive(t *testing.T, c *PacketConn) (data string, from netip.AddrPort, ok bool) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Second))
	defer c.SetReadDeadline(time.Time{})
	buf := make([]byte, 2048)
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", from, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n]), from, true
}

// expect fails the test unless data is what comes, and returns its source.
func expect(t *testing.T, c *PacketConn, data string) netip.AddrPort {
	t.Helper()
	got, from, ok := receive(t, c)
	if !ok || got != data {
		t.Fatalf("received %q from %v (%v), want %q", got, from, ok, data)
	}
	return from
}

func expectSilence(t *testing.T, c *PacketConn) {
	t.Helper()
	if got, from, ok := receive(t, c); ok {
		t.Fatalf("received %q from %v, want nothing", got, from)
	}
}

func TestDelayIsExact(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		n.SetLink(all, all, Link{Delay: 20 * time.Millisecond})
		n.SetOneWay(b.host.Addr(), a.host.Addr(), Link{Delay: 5 * time.Millisecond})
		start := time.Now()
		send(t, a, b.AddrPort(), "ping")
		from := expect(t, b, "ping")
		if got := time.Since(start); got != 20*time.Millisecond {
			t.Errorf("there in %v, want 20ms", got)
		}
		send(t, b, from, "pong")
		expect(t, a, "pong")
		if got := time.Since(start); got != 25*time.Millisecond {
			t.Errorf("there and back in %v, want 25ms", got)
		}
	})
}

// A perfect link is not faster than a nanosecond, so an instant has an end.
func TestNothingArrivesInTheSameInstant(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		start := time.Now()
		send(t, a, b.AddrPort(), "ping")
		expect(t, b, "ping")
		if got := time.Since(start); got != 1 {
			t.Errorf("there in %v, want 1ns", got)
		}
	})
}

func TestChangesDoNotReachBack(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		send(t, a, b.AddrPort(), "before")
		n.Cut(a.host.Addr(), b.host.Addr())
		send(t, a, b.AddrPort(), "during")
		n.Heal(b.host.Addr(), a.host.Addr())
		send(t, a, b.AddrPort(), "after")
		expect(t, b, "before")
		expect(t, b, "after")
		expectSilence(t, b)
		if got := n.Stats().Lost[LostCut]; got != 1 {
			t.Errorf("%d lost by the cut, want 1", got)
		}
	})
}

func TestCuts(t *testing.T) {
	type pair struct{ there, back bool }
	for _, c := range []struct {
		name string
		cut  func(n *Net, a, b netip.Addr)
		want pair // what gets through
	}{
		{"none", func(*Net, netip.Addr, netip.Addr) {}, pair{true, true}},
		{"both ways", func(n *Net, a, b netip.Addr) { n.Cut(a, b) }, pair{}},
		{"one way", func(n *Net, a, b netip.Addr) { n.CutOneWay(a, b) }, pair{false, true}},
		{"all", func(n *Net, a, b netip.Addr) { n.Cut(all, all) }, pair{}},
		{"all of one", func(n *Net, a, b netip.Addr) { n.Cut(b, all) }, pair{}},
		{"all to one", func(n *Net, a, b netip.Addr) { n.CutOneWay(all, a) }, pair{true, false}},
		{"others", func(n *Net, a, b netip.Addr) { n.Cut(a, addr("203.0.113.3")) }, pair{true, true}},
		{"healed", func(n *Net, a, b netip.Addr) { n.CutOneWay(b, a); n.Heal(a, b) }, pair{true, true}},
		{"healed elsewhere", func(n *Net, a, b netip.Addr) { n.Cut(a, all); n.Heal(a, b) }, pair{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
				c.cut(n, a.host.Addr(), b.host.Addr())
				send(t, a, b.AddrPort(), "there")
				send(t, b, a.AddrPort(), "back")
				var got pair
				_, _, got.there = receive(t, b)
				_, _, got.back = receive(t, a)
				if got != c.want {
					t.Errorf("got through: %+v, want %+v", got, c.want)
				}
			})
		})
	}
}

func TestInject(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		b := open(t, n.Host("203.0.113.2"), 2)
		type seen struct {
			at       time.Time
			from, to netip.AddrPort
			data     string
		}
		var taps []seen
		n.Tap(func(at time.Time, from, to netip.AddrPort, p []byte) {
			taps = append(taps, seen{at, from, to, string(p)})
		})
		victim := addrAt("192.0.2.66:53")
		start := time.Now()
		n.Inject(victim, b.AddrPort(), []byte("spoofed"))
		if from := expect(t, b, "spoofed"); from != victim {
			t.Errorf("from %v, want %v", from, victim)
		}
		if want := (seen{start, victim, b.AddrPort(), "spoofed"}); len(taps) != 1 || taps[0] != want {
			t.Errorf("tapped %v, want %v", taps, want)
		}
		send(t, b, victim, "answer") // to nobody
		if got := n.Stats().Lost[LostNoRoute]; got != 1 {
			t.Errorf("%d without a route, want 1", got)
		}
	})
}

// The tap sees what is sent, also what does not arrive, with the sender's own address.
func TestTapSeesInnerAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		b := open(t, n.Host("203.0.113.2"), 2)
		a := open(t, n.Router("198.51.100.1", Blocked()).Host("192.168.0.2"), 1)
		var from netip.AddrPort
		n.Tap(func(_ time.Time, src, _ netip.AddrPort, _ []byte) { from = src })
		send(t, a, b.AddrPort(), "x")
		expectSilence(t, b)
		if from != a.AddrPort() {
			t.Errorf("tapped from %v, want %v", from, a.AddrPort())
		}
	})
}

func TestCloseWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		h := n.Host("203.0.113.1")
		c := open(t, h, 1)
		l, err := h.ListenStream(1)
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 3)
		go func() { _, _, err := c.ReadFrom(nil); errs <- err }()
		go func() { _, err := l.Accept(); errs <- err }()
		n.Cut(all, all)
		go func() { _, err := h.DialStream(t.Context(), addrAt("203.0.113.1:1")); errs <- err }()
		synctest.Wait()
		n.Close()
		n.Close() // does nothing
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v, want net.ErrClosed", err)
			}
		}
		if _, err := h.ListenPacket(5); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a socket on a closed net: %v", err)
		}
	})
}

// Outside of bubbles time is real.
func TestRealTime(t *testing.T) {
	n := New(1)
	defer n.Close()
	a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
	n.SetLink(all, all, Link{Delay: 5 * time.Millisecond})
	start := time.Now()
	for range 3 {
		send(t, a, b.AddrPort(), "ping")
		send(t, b, expect(t, b, "ping"), "pong")
		expect(t, a, "pong")
	}
	if got := time.Since(start); got < 30*time.Millisecond {
		t.Errorf("three round trips of 10ms in %v", got)
	}
}

func TestMistakesPanic(t *testing.T) {
	n := New(1)
	defer n.Close()
	n.Host("203.0.113.1")
	r := n.Router("198.51.100.1", FullCone())
	for name, f := range map[string]func(){
		"no address":         func() { n.Host("203.0.113") },
		"no addresses":       func() { n.Host() },
		"taken by a host":    func() { n.Host("203.0.113.1") },
		"taken by a router":  func() { n.Host("198.51.100.1") },
		"no public address":  func() { r.Host("192.168.0.2", "fd00::1") },
		"share above one":    func() { n.SetLink(all, all, Link{Loss: 5}) },
		"negative delay":     func() { n.SetLink(all, all, Link{Delay: -1}) },
		"negative bandwidth": func() { n.SetLink(all, all, Link{Bandwidth: -1}) },
		"no ports":           func() { n.Router("198.51.100.2", NAT{FirstPort: 9, LastPort: 8}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
