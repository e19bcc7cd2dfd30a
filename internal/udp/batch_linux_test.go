package udp

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// answer echoes one datagram from the address that it was sent to.
func answer(t *testing.T, s *Socket) Message {
	m := take(t, s, 1)[0]
	send(t, s, []Message{{Buf: m.Buf[:m.N], Addr: m.Addr, Local: m.Local}})
	return m
}

func TestAnswersLeaveFromTheAddressAsked(t *testing.T) {
	for _, tt := range []struct {
		listen string
		hosts  []string
	}{
		{"0.0.0.0:0", []string{"127.0.0.1", "127.0.0.2", "127.9.9.9"}},
		{":0", []string{"127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"}},
	} {
		t.Run(tt.listen, func(t *testing.T) {
			s := listen(t, tt.listen)
			for _, host := range tt.hosts {
				addr := netip.AddrPortFrom(netip.MustParseAddr(host), s.LocalAddr().Port())
				client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr)) // hears nobody else
				if host == "::1" && err != nil {
					t.Skip("no IPv6 here")
				} else if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				if _, err := client.Write([]byte(host)); err != nil {
					t.Fatal(err)
				}
				m := answer(t, s)
				if m.Local != addr.Addr() {
					t.Errorf("sent to %v, Local says %v", addr.Addr(), m.Local)
				}
				if from := unmap(client.LocalAddr().(*net.UDPAddr).AddrPort()); m.Addr != from {
					t.Errorf("sent from %v, Addr says %v", from, m.Addr)
				}
				client.SetReadDeadline(time.Now().Add(5 * time.Second))
				b := make([]byte, 100)
				if n, err := client.Read(b); err != nil || string(b[:n]) != host {
					t.Errorf("asked %v, answered %q, %v", host, b[:n], err)
				}
			}
		})
	}
}

func TestLocalIsForWildcards(t *testing.T) {
	s, other := listen(t, loopback), listen(t, "0.0.0.0:0")
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), other.LocalAddr().Port())
	send(t, s, to(at, []byte("x")))
	ms := room(1)
	ms[0].Local = netip.MustParseAddr("192.0.2.1") // of an earlier use
	if _, err := other.Read(ms); err != nil || ms[0].Local != at.Addr() {
		t.Errorf("wildcard: sent to %v, %v", ms[0].Local, err)
	}
	send(t, other, to(s.LocalAddr(), []byte("x")))
	if _, err := s.Read(ms); err != nil || ms[0].Local.IsValid() {
		t.Errorf("bound: sent to %v, %v", ms[0].Local, err)
	}
}

func TestLocalThatIsNotHere(t *testing.T) {
	s, other := listen(t, ":0"), listen(t, loopback)
	ms := to(other.LocalAddr(), []byte("foreign"), []byte("other family"), []byte("mine"), []byte("any"))
	ms[0].Local = netip.MustParseAddr("203.0.113.77")
	ms[1].Local = netip.MustParseAddr("::1")
	ms[2].Local = netip.MustParseAddr("127.0.0.3")
	if sent := s.Write(ms); sent != 2 || s.Stats().Dropped != 2 {
		t.Errorf("sent %d, %+v", sent, s.Stats())
	}
	for i, want := range []string{"127.0.0.3 mine", "127.0.0.1 any"} {
		m := take(t, other, 1)[0]
		if got := m.Addr.Addr().String() + " " + string(m.Buf[:m.N]); got != want {
			t.Errorf("datagram %d: %s, want %s", i, got, want)
		}
	}
}

// Link-local addresses keep their zone, by name, as in package net.
func TestZone(t *testing.T) {
	addr, ok := linkLocal()
	if !ok {
		t.Skip("no link-local address here")
	}
	a, b := listen(t, ":0"), listen(t, ":0")
	for range 2 { // there, and back to the address that was read
		send(t, a, to(netip.AddrPortFrom(addr, b.LocalAddr().Port()), []byte("neighbour")))
		m := take(t, b, 1)[0]
		if want := netip.AddrPortFrom(addr, a.LocalAddr().Port()); m.Addr != want {
			t.Fatalf("read from %v, want %v", m.Addr, want)
		}
		a, b, addr = b, a, m.Addr.Addr()
	}
}

func linkLocal() (netip.Addr, bool) {
	all, _ := net.Interfaces()
	for _, i := range all {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				return p.Addr().WithZone(i.Name), true
			}
		}
	}
	return netip.Addr{}, false
}

func TestBatchesAreOneRead(t *testing.T) {
	a, b := listen(t, loopback), listen(t, loopback)
	for _, n := range []int{1, 63, 64, 65, 128, 150} {
		ds := make([][]byte, n)
		for i := range ds {
			ds[i] = pattern(30, i)
		}
		send(t, a, to(b.LocalAddr(), ds...))
		if got, err := b.Read(room(150)); got != n || err != nil { // on loopback all have come
			t.Errorf("read %d of %d, %v", got, n, err)
		}
	}
}

// batchOf opens a socket and gives its port to tamper with.
func batchOf(t *testing.T) (*Socket, *batchPort) {
	s := listen(t, loopback)
	return s, s.port.(*batchPort)
}

// step is what a system call answers once: the number of datagrams it may move,
// or an error.
type step struct {
	max   int
	errno syscall.Errno
}

// play has a call follow a script, then be itself. It notes how many datagrams
// each call was given.
func play(call *mmsg, given *[]int, script ...step) {
	real := *call
	*call = func(fd uintptr, hs []header) (int, syscall.Errno) {
		*given = append(*given, len(hs))
		if len(script) == 0 {
			return real(fd, hs)
		}
		s := script[0]
		script = script[1:]
		if s.errno != 0 {
			return 0, s.errno
		}
		return real(fd, hs[:min(len(hs), s.max)])
	}
}

func TestWriteGoesOn(t *testing.T) {
	const n = 100
	tests := []struct {
		name   string
		script []step
		given  []int
		lost   []int // datagrams
	}{
		{"plainly", nil, []int{64, 36}, nil},
		{"after a part", []step{{max: 10}, {max: 1}}, []int{64, 54, 53, 36}, nil},
		{"after an interruption", []step{{errno: unix.EINTR}}, []int{64, 64, 36}, nil},
		{"after refusals", []step{{errno: unix.ENOBUFS}, {max: 5}, {errno: unix.EPERM}}, []int{64, 63, 58, 57, 36}, []int{0, 6}},
		{"after the last is refused", []step{{max: 64}, {max: 35}, {errno: unix.ENETUNREACH}}, []int{64, 36, 1}, []int{99}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, p := batchOf(t)
			b := listen(t, loopback)
			var given []int
			play(&p.writer.call, &given, tt.script...)
			var ds, want [][]byte
			for i := range n {
				ds = append(ds, pattern(30, i))
				if !slices.Contains(tt.lost, i) {
					want = append(want, ds[i])
				}
			}
			if sent := a.Write(to(b.LocalAddr(), ds...)); sent != len(want) || a.Stats().Dropped != uint64(len(tt.lost)) {
				t.Errorf("sent %d, %+v", sent, a.Stats())
			}
			if !slices.Equal(given, tt.given) {
				t.Errorf("calls were given %v, want %v", given, tt.given)
			}
			for i, m := range take(t, b, len(want)) {
				if !bytes.Equal(m.Buf[:m.N], want[i]) {
					t.Fatalf("datagram %d is %x, want %x", i, m.Buf[:m.N], want[i])
				}
			}
		})
	}
}

// A kernel whose buffer stays full costs a Write its patience and no more, and
// the next Write nothing.
func TestWriteToAFullKernel(t *testing.T) {
	a, p := batchOf(t)
	b := listen(t, loopback)
	real := p.writer.call
	full := true
	calls := 0
	p.writer.call = func(fd uintptr, hs []header) (int, syscall.Errno) {
		calls++
		if full && calls > 1 {
			return 0, unix.EAGAIN
		}
		return real(fd, hs)
	}
	ds := make([][]byte, 200)
	for i := range ds {
		ds[i] = pattern(30, i)
	}
	begin := time.Now()
	sent := a.Write(to(b.LocalAddr(), ds...))
	if took := time.Since(begin); took < patience || took > time.Second {
		t.Errorf("took %v, want a little more than %v", took, patience)
	}
	if sent != 64 || a.Stats().Dropped != 136 {
		t.Errorf("sent %d, %+v; want the first batch", sent, a.Stats())
	}
	full = false
	send(t, a, to(b.LocalAddr(), ds...))
	if n := len(take(t, b, 264)); n != 264 {
		t.Errorf("%d arrived", n)
	}
}

func TestReadGoesOn(t *testing.T) {
	const n = 100
	tests := []struct {
		name   string
		script []step
		reads  []int // datagrams of each Read
		faults uint64
	}{
		{"plainly", nil, []int{100}, 0},
		{"after an interruption", []step{{errno: unix.EINTR}, {max: 64}, {errno: unix.EINTR}}, []int{100}, 0},
		{"after a part", []step{{max: 3}}, []int{3, 97}, 0},
		{"after an error", []step{{errno: unix.ECONNREFUSED}, {errno: unix.ENOMEM}}, []int{100}, 2},
		{"after an error behind datagrams", []step{{max: 64}, {errno: unix.ECONNREFUSED}}, []int{64, 36}, 1},
		{"when no more is there", []step{{max: 64}, {errno: unix.EAGAIN}}, []int{64, 36}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, p := batchOf(t)
			a := listen(t, loopback)
			var given []int
			play(&p.reader.call, &given, tt.script...)
			ds := make([][]byte, n)
			for i := range ds {
				ds[i] = pattern(30, i)
			}
			send(t, a, to(b.LocalAddr(), ds...))
			next := 0
			for _, want := range tt.reads {
				ms := room(150)
				got, err := b.Read(ms)
				if got != want || err != nil {
					t.Fatalf("read %d, %v; want %d", got, err, want)
				}
				for _, m := range ms[:got] {
					if !bytes.Equal(m.Buf[:m.N], ds[next]) {
						t.Fatalf("datagram %d is %x", next, m.Buf[:m.N])
					}
					next++
				}
			}
			if f := b.Stats().Faults; f != tt.faults {
				t.Errorf("counted %d faults, want %d", f, tt.faults)
			}
		})
	}
}

// However many useless datagrams there are, Read sees that the socket is closed.
func TestCloseEndsAFloodOfCutDatagrams(t *testing.T) {
	s, p := batchOf(t)
	closed := make(chan struct{})
	begun := sync.OnceFunc(func() {
		go func() { // Close waits until Read has let go of the descriptor
			defer close(closed)
			s.Close()
		}()
	})
	p.reader.call = func(_ uintptr, hs []header) (int, syscall.Errno) {
		begun()
		for i := range hs {
			hs[i].Flags = unix.MSG_TRUNC
		}
		return len(hs), 0
	}
	if _, err := s.Read(room(batchSize)); err != net.ErrClosed {
		t.Fatal(err)
	}
	<-closed
}

// The poller tells once that there is something: waiting before EAGAIN would be
// for ever, and not waiting after it would spin.
func TestReadWaitsAfterEmpty(t *testing.T) {
	b, p := batchOf(t)
	a := listen(t, loopback)
	var given []int
	play(&p.reader.call, &given)
	for i := range 50 {
		done := make(chan int)
		go func() {
			n, _ := b.Read(room(4))
			done <- n
		}()
		send(t, a, to(b.LocalAddr(), pattern(10, i)))
		if n := <-done; n != 1 {
			t.Fatalf("read %d", n)
		}
	}
	if len(given) > 150 {
		t.Errorf("%d system calls for 50 datagrams", len(given))
	}
}

// What was done before a datagram was sent has been done when it is read, and
// the race detector knows: it would fail this test. Nothing else here may order
// the two goroutines, not even a method of t.
func TestDatagramsOrder(t *testing.T) {
	a, b := listen(t, loopback), listen(t, loopback)
	shared := make([]int, 100)
	wrong := -1
	done := make(chan bool)
	go func() {
		defer close(done)
		ms := room(1)
		for i := range shared {
			if _, err := b.Read(ms); err != nil || shared[i] != i {
				wrong = i
			}
		}
	}()
	ms := to(b.LocalAddr(), []byte("look"))
	for i := range shared {
		shared[i] = i
		a.Write(ms)
	}
	<-done
	if wrong >= 0 {
		t.Errorf("at %d", wrong)
	}
}
