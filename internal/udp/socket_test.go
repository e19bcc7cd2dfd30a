package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pattern is a datagram that tells its size and number.
func pattern(size, number int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + size + number*31)
	}
	return b
}

func TestEverySize(t *testing.T) {
	each(t, "udp4", loopback, func(t *testing.T, open func() *Socket) {
		a, b := open(), open()
		const step = 79
		for size := 0; size <= 1500; size += step {
			var ds [][]byte
			for s := size; s < min(size+step, 1501); s++ {
				ds = append(ds, pattern(s, 0))
			}
			send(t, a, to(b.LocalAddr(), ds...))
			for i, m := range take(t, b, len(ds)) {
				if !bytes.Equal(m.Buf[:m.N], ds[i]) || m.Addr != a.LocalAddr() {
					t.Fatalf("size %d came as %d bytes from %v", size+i, m.N, m.Addr)
				}
			}
		}
		if as, bs := a.Stats(), b.Stats(); as.Out != 1501 || bs.In != 1501 || as.Dropped+bs.Faults != 0 {
			t.Fatalf("counted %+v and %+v", as, bs)
		}
	})
}

func TestMoreThanABatch(t *testing.T) {
	each(t, "udp4", loopback, func(t *testing.T, open func() *Socket) {
		a, b := open(), open()
		ds := make([][]byte, 200)
		for i := range ds {
			ds[i] = pattern(20, i)
		}
		send(t, a, to(b.LocalAddr(), ds...))
		for i, m := range take(t, b, len(ds)) {
			if !bytes.Equal(m.Buf[:m.N], ds[i]) {
				t.Fatalf("datagram %d came as %x", i, m.Buf[:m.N])
			}
		}
		if s := a.Stats(); s.Out != 200 || s.BatchesOut != 1 {
			t.Fatalf("counted %+v, want 200 in one Write", s)
		}
	})
}

func TestAddressesAreUnmapped(t *testing.T) {
	each(t, "udp", ":0", func(t *testing.T, open func() *Socket) {
		a, b := open(), open()
		at := netip.MustParseAddr("127.0.0.1")
		mapped := netip.AddrFrom16(at.As16())
		for _, host := range []netip.Addr{at, mapped} {
			send(t, a, to(netip.AddrPortFrom(host, b.LocalAddr().Port()), []byte("hello")))
			ms := room(1)
			ms[0].Local = netip.MustParseAddr("192.0.2.1") // of an earlier use
			if n, err := b.Read(ms); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if want := netip.AddrPortFrom(at, a.LocalAddr().Port()); ms[0].Addr != want {
				t.Errorf("read from %v, want %v", ms[0].Addr, want)
			}
			if l := ms[0].Local; l.IsValid() && l != at {
				t.Errorf("sent to %v, Local says %v", at, l)
			}
		}
	})
}

// What a Write refuses takes nothing else with it.
func TestWriteRefused(t *testing.T) {
	each(t, "udp4", loopback, func(t *testing.T, open func() *Socket) {
		a, b := open(), open()
		good := func(i int) Message { return Message{Buf: pattern(9, i), Addr: b.LocalAddr()} }
		ms := []Message{
			{Buf: make([]byte, 1<<16), Addr: b.LocalAddr()}, // no datagram is that long
			good(0),
			{Buf: []byte("no address")},
			{Buf: []byte("other family"), Addr: netip.MustParseAddrPort("[2001:db8::1]:9")},
			good(1),
			{Buf: []byte("no port"), Addr: netip.AddrPortFrom(b.LocalAddr().Addr(), 0)},
			good(2),
		}
		if sent := a.Write(ms); sent != 3 {
			t.Errorf("sent %d, want 3", sent)
		}
		if s := a.Stats(); s.Out != 3 || s.Dropped != 4 {
			t.Errorf("counted %+v, want 3 out and 4 dropped", s)
		}
		for i, m := range take(t, b, 3) {
			if want := pattern(9, i); !bytes.Equal(m.Buf[:m.N], want) {
				t.Errorf("datagram %d is %x, want %x", i, m.Buf[:m.N], want)
			}
		}
	})
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	s := listen(t, loopback)
	s.Close()
	return s.LocalAddr()
}

func TestClosedPortDoesNotEndReading(t *testing.T) {
	each(t, "udp4", loopback, func(t *testing.T, open func() *Socket) {
		a, b := open(), open()
		send(t, b, to(closedPort(t), []byte("anybody?"), []byte("hello?")))
		send(t, a, to(b.LocalAddr(), []byte("here")))
		if m := take(t, b, 1)[0]; string(m.Buf[:m.N]) != "here" {
			t.Fatalf("read %q", m.Buf[:m.N])
		}
	})
}

// A connected socket is told of closed ports, so that Read meets true errors.
func TestFaultIsCountedAndReadingGoesOn(t *testing.T) {
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			other := listen(t, loopback)
			addr := other.LocalAddr()
			c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(addr))
			if err != nil {
				t.Fatal(err)
			}
			s := k.make(c)
			defer s.Close()
			other.Close()
			send(t, s, to(netip.MustParseAddrPort("192.0.2.9:9"), []byte("anybody?"))) // goes to the other end all the same
			other = listen(t, addr.String())
			send(t, other, to(s.LocalAddr(), []byte("now I am")))
			if m := take(t, s, 1)[0]; string(m.Buf[:m.N]) != "now I am" || m.Addr != addr {
				t.Fatalf("read %q from %v", m.Buf[:m.N], m.Addr)
			}
			if st := s.Stats(); st.Faults != 1 || st.In != 1 {
				t.Fatalf("counted %+v, want the refusal and the datagram", st)
			}
		})
	}
}

// What does not fit is dropped, and its Buf serves the next.
func TestTooLongForItsBuf(t *testing.T) {
	if truncated == 0 {
		t.Skip("this platform tells by an error")
	}
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			c, err := net.ListenPacket("udp4", loopback)
			if err != nil {
				t.Fatal(err)
			}
			s := k.make(c.(*net.UDPConn))
			defer s.Close()
			a := listen(t, loopback)
			long := make([]byte, 1501)
			send(t, a, to(s.LocalAddr(), long, []byte("one"), long, long, []byte("two"), []byte("three")))
			for i, m := range take(t, s, 3) {
				if want := []string{"one", "two", "three"}[i]; string(m.Buf[:m.N]) != want || len(m.Buf) != 1500 {
					t.Errorf("read %q in %d bytes, want %q", m.Buf[:m.N], len(m.Buf), want)
				}
			}
			if s := s.Stats(); s.Faults != 3 || s.In != 3 {
				t.Errorf("counted %+v, want 3 faults and 3 in", s)
			}
		})
	}
}

func TestCloseWakesRead(t *testing.T) {
	each(t, "udp4", loopback, func(t *testing.T, open func() *Socket) {
		s := open()
		done := make(chan error)
		go func() {
			_, err := s.Read(room(4))
			done <- err
		}()
		first := s.Close()
		if err := <-done; err != net.ErrClosed {
			t.Errorf("Read returned %v", err)
		}
		if _, err := s.Read(room(1)); err != net.ErrClosed {
			t.Errorf("Read after Close returned %v", err)
		}
		if sent := s.Write(to(s.LocalAddr(), []byte("x"), []byte("y"))); sent != 0 || s.Stats().Dropped != 2 {
			t.Errorf("after Close %d sent, %+v", sent, s.Stats())
		}
		if err := s.Close(); err != first || err != nil {
			t.Errorf("closed with %v, then %v", first, err)
		}
	})
}

// One goroutine reads and another writes on the same socket.
func TestReadAndWriteAtOnce(t *testing.T) {
	for _, n := range []int{1, 7, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			client, server := listen(t, loopback), listen(t, loopback)
			var wg sync.WaitGroup
			queue := make(chan []Message, 8)
			wg.Go(func() { // the server's reader; ended by Close
				defer close(queue)
				for {
					ms := room(n)
					got, err := server.Read(ms)
					if err != nil {
						return
					}
					for i := range ms[:got] {
						ms[i].Buf = ms[i].Buf[:ms[i].N]
					}
					queue <- ms[:got]
				}
			})
			wg.Go(func() { // its writer; ended by its reader
				for ms := range queue {
					server.Write(ms)
				}
			})
			for begin := 0; begin < 1000; begin += n {
				ms := make([]Message, n)
				for i := range ms {
					ms[i] = Message{Buf: pattern(100, begin+i), Addr: server.LocalAddr()}
				}
				send(t, client, ms)
				for i, m := range take(t, client, n) {
					if !bytes.Equal(m.Buf[:m.N], pattern(100, begin+i)) {
						t.Fatalf("echo of %d differs", begin+i)
					}
				}
			}
			server.Close()
			wg.Wait()
		})
	}
}

// scripted fails as often as it is told to.
type scripted struct {
	errs int
	err  error
}

func (p *scripted) read(ms []Message) (int, error) {
	if p.errs > 0 {
		p.errs--
		return 0, p.err
	}
	ms[0].N = 1
	return 1, nil
}

func (*scripted) write([]Message) int { return 0 }

type nowhere struct{ net.PacketConn }

func (nowhere) LocalAddr() net.Addr { return nil }
func (nowhere) Close() error        { return nil }

func TestPauses(t *testing.T) {
	tests := []struct {
		errs int
		want time.Duration
	}{
		{1, 0},
		{manyFaults, 0},
		{manyFaults + 1, time.Millisecond},
		{manyFaults + 3, 7 * time.Millisecond},
		{manyFaults + 7, 127 * time.Millisecond},
		{manyFaults + 100, 127*time.Millisecond + 93*64*time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.errs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(nowhere{})
				s.port = &scripted{tt.errs, errors.New("bad luck")}
				for range 2 { // the second time the row begins anew
					begin := time.Now()
					if n, err := s.Read(room(1)); n != 1 || err != nil {
						t.Fatal(n, err)
					}
					if took := time.Since(begin); took != tt.want {
						t.Errorf("took %v, want %v", took, tt.want)
					}
					s.port.(*scripted).errs = tt.errs
				}
				if f := s.Stats().Faults; f != uint64(2*tt.errs) {
					t.Errorf("counted %d faults, want %d", f, 2*tt.errs)
				}
			})
		})
	}
}

func TestCloseEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(nowhere{})
		s.port = &scripted{1e9, errors.New("bad luck")}
		time.AfterFunc(10*time.Second+time.Microsecond, func() { s.Close() })
		begin := time.Now()
		if _, err := s.Read(room(1)); err != net.ErrClosed {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 10*time.Second+time.Microsecond {
			t.Errorf("returned after %v", took)
		}
	})
}

func TestListen(t *testing.T) {
	tests := []struct {
		address string
		v4, v6  bool // reachable on
	}{
		{"127.0.0.1:0", true, false},
		{"0.0.0.0:0", true, false},
		{"[::1]:0", false, true},
		{":0", true, true},
		{"[::]:0", true, true},
	}
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		c.Close()
	}
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			s := listen(t, tt.address)
			if a := s.LocalAddr(); a.Port() == 0 || a.Addr().Is4In6() {
				t.Errorf("bound to %v", a)
			}
			client := listen(t, ":0")
			knock := func(host string) netip.AddrPort {
				client.Write(to(netip.AddrPortFrom(netip.MustParseAddr(host), s.LocalAddr().Port()), []byte(host)))
				return netip.AddrPortFrom(netip.MustParseAddr(host), client.LocalAddr().Port())
			}
			hosts := map[string]bool{"127.0.0.1": tt.v4, "::1": tt.v6}
			for host, reached := range hosts {
				if !reached {
					knock(host) // before the others: it would be read first
				}
			}
			for host, reached := range hosts {
				if !reached {
					continue
				}
				from := knock(host)
				if m := take(t, s, 1)[0]; m.Addr != from {
					t.Errorf("read from %v, want %v", m.Addr, from)
				}
			}
		})
	}
	if _, err := Listen("127.0.0.1:none"); err == nil {
		t.Error("a bad address was accepted")
	}
}
