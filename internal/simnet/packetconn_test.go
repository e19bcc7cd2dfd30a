package simnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var _ net.PacketConn = (*PacketConn)(nil)

func TestPacketConnReads(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		if n, err := a.WriteTo([]byte("truncated"), b.LocalAddr()); n != 9 || err != nil {
			t.Fatalf("sent %d bytes, %v", n, err)
		}
		send(t, a, netip.AddrPortFrom(netip.AddrFrom16(b.host.Addr().As16()), 2), "")
		buf := make([]byte, 5)
		if n, from, err := b.ReadFrom(buf); n != 5 || string(buf) != "trunc" || from.String() != "203.0.113.1:1" || err != nil {
			t.Errorf("read %q from %v, %v", buf[:n], from, err)
		}
		if n, from, err := b.ReadFrom(buf); n != 0 || from.String() != "203.0.113.1:1" || err != nil {
			t.Errorf("read %q from %v, %v; want an empty datagram", buf[:n], from, err)
		}
	})
}

// The sender may use its buffer again.
func TestPacketConnCopies(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		p := []byte("mine")
		a.WriteTo(p, b.LocalAddr())
		copy(p, "oops")
		expect(t, b, "mine")
		n.Inject(a.AddrPort(), b.AddrPort(), p)
		copy(p, "mine")
		expect(t, b, "oops")
	})
}

func TestPacketConnDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		c := open(t, n.Host("203.0.113.1"), 1)
		start := time.Now()
		read := func(after time.Duration) {
			t.Helper()
			_, _, err := c.ReadFrom(nil)
			var timeout net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("read ended with %v", err)
			}
			if got := time.Since(start); got != after {
				t.Errorf("ended after %v, want %v", got, after)
			}
		}
		c.SetReadDeadline(start.Add(time.Second))
		read(time.Second)
		read(time.Second) // stays passed
		send(t, c, c.AddrPort(), "to myself")
		time.Sleep(time.Second)
		read(2 * time.Second) // whatever there is to read
		c.SetReadDeadline(time.Time{})
		expect(t, c, "to myself")

		c.SetReadDeadline(start.Add(5 * time.Second))
		time.AfterFunc(time.Second, func() { c.SetReadDeadline(start.Add(8 * time.Second)) }) // moved while reading
		read(8 * time.Second)
		c.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { c.SetReadDeadline(time.Unix(1, 0)) }) // the past wakes at once
		read(9 * time.Second)

		c.SetWriteDeadline(start.Add(10 * time.Second))
		send(t, c, c.AddrPort(), "in time")
		time.Sleep(time.Second)
		if _, err := c.WriteTo(nil, c.LocalAddr()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write after its deadline: %v", err)
		}
		c.SetDeadline(time.Time{})
		expect(t, c, "in time")
	})
}

func TestPacketConnClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := n.Host("203.0.113.1")
		a, c := open(t, n.Host("203.0.113.2"), 1), open(t, h, 5)
		errs := make(chan error)
		for range 3 {
			go func() { _, _, err := c.ReadFrom(nil); errs <- err }()
		}
		synctest.Wait()
		send(t, c, a.AddrPort(), "last words")
		c.SetDeadline(time.Now().Add(time.Hour))
		c.Close()
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("read ended with %v", err)
			}
		}
		expect(t, a, "last words")
		_, werr := c.WriteTo(nil, a.LocalAddr())
		for what, err := range map[string]error{"write": werr, "close": c.Close(), "set": c.SetReadDeadline(time.Time{})} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
		open(t, h, 5) // the port is free again
	})
}

func TestPacketConnErrors(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := n.Host("203.0.113.1")
		c := open(t, h, 5)
		_, inUse := h.ListenPacket(5)
		_, inUseAt := h.ListenPacketAt(addrAt("203.0.113.1:5"))
		_, notMine := h.ListenPacketAt(addrAt("203.0.113.2:6"))
		_, large := c.WriteTo(make([]byte, maxDatagram+1), c.LocalAddr())
		_, family := c.WriteToUDPAddrPort(nil, addrAt("[2001:db8::1]:5"))
		_, nowhere := c.WriteToUDPAddrPort(nil, netip.AddrPort{})
		_, tcp := c.WriteTo(nil, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 5})
		for i, e := range []struct{ got, want error }{
			{inUse, syscall.EADDRINUSE},
			{inUseAt, syscall.EADDRINUSE},
			{notMine, syscall.EADDRNOTAVAIL},
			{large, syscall.EMSGSIZE},
			{family, syscall.ENETUNREACH},
			{nowhere, syscall.EINVAL},
			{tcp, syscall.EINVAL},
		} {
			var op *net.OpError
			if !errors.Is(e.got, e.want) || !errors.As(e.got, &op) {
				t.Errorf("error %d: %v, want %v in a *net.OpError", i, e.got, e.want)
			}
		}
		if got := n.Stats().Sent; got != 0 {
			t.Errorf("%d sent", got)
		}
	})
}

// A socket on all addresses answers from the first of the family, which need not
// be the one that was asked; one on a single address from that.
func TestSeveralAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := n.Host("203.0.113.1", "203.0.113.2", "2001:db8::1")
		every, second := open(t, h, 7), addrAt("203.0.113.2:8")
		one, err := h.ListenPacketAt(second)
		if err != nil {
			t.Fatal(err)
		}
		c := open(t, n.Host("203.0.113.9", "2001:db8::9"), 1)
		for _, e := range []struct {
			socket   *PacketConn
			to, from string
		}{
			{every, "203.0.113.1:7", "203.0.113.1:7"},
			{every, "203.0.113.2:7", "203.0.113.1:7"},
			{every, "[2001:db8::1]:7", "[2001:db8::1]:7"},
			{one, "203.0.113.2:8", "203.0.113.2:8"},
		} {
			send(t, c, addrAt(e.to), "ask")
			send(t, e.socket, expect(t, e.socket, "ask"), "answer")
			if from := expect(t, c, "answer"); from != addrAt(e.from) {
				t.Errorf("%v answered from %v, want %v", e.to, from, e.from)
			}
		}
		send(t, c, addrAt("203.0.113.1:8"), "not bound there")
		expectSilence(t, one)
	})
}

// A reader that does not read loses what its buffer has no room for.
func TestInboxIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		b.SetReadBuffer(10 * (perDatagram + 4))
		for range 2 {
			for range 15 {
				send(t, a, b.AddrPort(), "data")
			}
			time.Sleep(time.Second)
			for range 10 {
				expect(t, b, "data")
			}
			expectSilence(t, b)
		}
		if s := n.Stats(); s.Lost[LostInbox] != 10 || s.Delivered != 20 {
			t.Errorf("%+v, want 20 delivered and 10 lost", s)
		}
	})
}

// Ephemeral ports are free ones, and a host can have thousands.
func TestEphemeralPorts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := n.Host("203.0.113.1", "2001:db8::1")
		seen := map[uint16]bool{}
		for range 5000 {
			p := open(t, h, 0).AddrPort().Port()
			if seen[p] || p < 32768 {
				t.Fatalf("port %d", p)
			}
			seen[p] = true
		}
	})
}
