package transport_test

import (
	"bytes"
	"crypto/tls"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
)

// meter counts what goes to and comes from the server, by address.
type meter struct {
	mu      sync.Mutex
	server  netip.Addr
	in, out map[netip.AddrPort]int
	worst   map[netip.AddrPort]int // largest out minus in
	triple  map[netip.AddrPort]int // largest out minus three times in
	last    map[netip.AddrPort]time.Time
	kinds   map[packet.Kind]int // out
}

func meterOn(w *world) *meter {
	m := &meter{
		server: w.Addr.Addr(), in: map[netip.AddrPort]int{}, out: map[netip.AddrPort]int{},
		worst: map[netip.AddrPort]int{}, triple: map[netip.AddrPort]int{}, last: map[netip.AddrPort]time.Time{}, kinds: map[packet.Kind]int{},
	}
	w.net.Tap(func(at time.Time, from, to netip.AddrPort, p []byte) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if from.Addr() == m.server {
			m.out[to] += len(p)
			m.worst[to] = max(m.worst[to], m.out[to]-m.in[to])
			m.triple[to] = max(m.triple[to], m.out[to]-3*m.in[to])
			m.last[to] = at
			m.kinds[kindOf(p)]++
		} else {
			m.in[from] += len(p)
		}
	})
	return m
}

// exceeded is by how much an address has at some time got more than it sent.
func (m *meter) exceeded(a netip.AddrPort) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.worst[a]
}

// tripled is by how much it has got more than three times that.
func (m *meter) tripled(a netip.AddrPort) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.triple[a]
}

func (m *meter) kindsOut(k packet.Kind) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kinds[k]
}

func (m *meter) kindsAll() map[packet.Kind]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.kinds)
}

func (m *meter) sent(a netip.AddrPort) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out[a]
}

func (m *meter) sum() (in, out int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a, n := range m.in {
		in += n
		out += m.out[a]
	}
	return in, out
}

// clientHello is the first flight of a TLS client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	var b []byte
	tls.Client(grab{b: &b}, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{transport.ALPN}}).HandshakeContext(t.Context())
	return b
}

// spoofed is an address of nobody's.
func spoofed(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(64 + i>>16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
}

// Whatever comes first from an address, the server sends no more bytes there
// than it got, until the address is proven.
func TestNoAmplification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		m := meterOn(w)
		// Of a client that is in, everything it ever sends, to be said again elsewhere.
		var mu sync.Mutex
		var heard [][]byte
		victim := w.net.Host("198.51.100.9")
		w.net.Tap(func(_ time.Time, from, to netip.AddrPort, p []byte) {
			if from.Addr() == victim.Addr() {
				mu.Lock()
				heard = append(heard, bytes.Clone(p))
				mu.Unlock()
			}
		})
		c := w.dial(victim, "udp://203.0.113.1:4530")
		w.echo(c)
		w.dial(victim, "tcp://203.0.113.1:4530") // attaches
		time.Sleep(time.Second)
		cookie := w.packets(victim).Cookie()
		hello := clientHello(t)
		n := 0
		say := func(p []byte) {
			n++
			w.net.Inject(spoofed(n), w.Addr, p)
			w.net.Inject(spoofed(n), w.second, p)
			if n%64 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		}
		r := rand.New(rand.NewPCG(1, 2))
		for kind := range 256 {
			known := kind >= 0x80 && kind <= 0x8f || kind == 0xc0 || kind == 0xe0
			for size := 0; size <= 1500; size++ {
				if !known && size%149 != 0 || known && testing.Short() && size%7 != 0 && size != packet.MaxSize {
					continue
				}
				p := make([]byte, size)
				for i := range p {
					p[i] = byte(r.Uint32())
				}
				if size > 1 {
					p[0], p[1] = byte(kind), 1
				}
				say(p)
			}
		}
		strange := transporttest.HelloPacket()
		strange.Version = 9
		whole := [][]byte{transporttest.HelloPacket().Append(nil), strange.Append(nil)}
		stolen := packet.StreamUp{Cookie: cookie, Data: hello[:min(len(hello), packet.MaxStreamData)]}
		whole = append(whole, stolen.Append(nil))
		guessed := stolen
		guessed.MAC[3] ^= 1
		whole = append(whole, guessed.Append(nil))
		mu.Lock()
		whole = append(whole, heard...)
		mu.Unlock()
		for _, p := range whole {
			for size := range 1501 {
				if size%5 != 0 && size != len(p) && size != len(p)-1 && size != len(p)+1 {
					continue
				}
				say(append(bytes.Clone(p), make([]byte, 1500)...)[:size])
			}
		}
		// Again and again from one address.
		one := netip.MustParseAddrPort("192.0.2.77:7777")
		for i := range 2000 {
			w.net.Inject(one, w.Addr, whole[i%len(whole)])
			if i%64 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		}
		time.Sleep(30 * time.Second)
		for i := range n {
			if d := m.exceeded(spoofed(i + 1)); d > 0 {
				t.Fatalf("packet %d: %d bytes more than came were sent to an address that is not proven", i+1, d)
			}
		}
		if d := m.exceeded(one); d > 0 {
			t.Fatalf("%d bytes more than came were sent to an address that said all of it", d)
		}
		if st := w.Transport.Stats(); st.Admitted != 2 || st.Handshaking != 0 {
			t.Errorf("after %d packets: %+v", n, st)
		}
		in, out := m.sum()
		t.Logf("%d packets, %d bytes in, %d out (the client's own included); kinds out %v", 2*n, in, out, m.kindsAll())
		if m.kindsOut(packet.KindCookie) < 2 || m.kindsOut(packet.KindVersion) < 1 {
			t.Errorf("nothing was answered: %v", m.kindsAll())
		}
		w.echo(c)
	})
}

// A fresh packet of a session, taken off the way and sent from elsewhere, gets
// there at most three times what came from there: see the roaming of links.
func TestNoAmplificationByStolenPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		m := meterOn(w)
		home := w.net.Host("198.51.100.9")
		c := w.dial(home, "udp://203.0.113.1:4530")
		w.echo(c)
		var mu sync.Mutex
		var taken [][]byte
		w.net.Tap(func(_ time.Time, from, _ netip.AddrPort, p []byte) {
			if from.Addr() == home.Addr() {
				mu.Lock()
				taken = append(taken, bytes.Clone(p))
				mu.Unlock()
			}
		})
		w.net.CutOneWay(home.Addr(), w.host.Addr())
		thief := netip.MustParseAddrPort("192.0.2.66:6666")
		for i := range 20 {
			if err := c.Notify(7, packetText(i*50), 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(60 * time.Millisecond)
			mu.Lock()
			for _, p := range taken {
				w.net.Inject(thief, w.Addr, p)
			}
			taken = taken[:0]
			mu.Unlock()
		}
		time.Sleep(time.Second)
		if m.sent(thief) == 0 || m.tripled(thief) > 0 {
			t.Errorf("%d bytes went to the thief, %d more than three times what came", m.sent(thief), m.tripled(thief))
		}
		w.net.Heal(home.Addr(), w.host.Addr())
		w.echo(c)
		if moves := w.Next(t).Counts().Moves.Load(); moves != 0 {
			t.Errorf("the session has moved %d times", moves)
		}
	})
}

// An address that is proven and then says nothing more gets 24 KiB.
func TestStreamPhaseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		m := meterOn(w)
		pc := socket(t, w.net.Host("198.51.100.9"))
		p := transporttest.NewPackets(t, pc, w.Addr)
		cookie := p.Cookie()
		in := func() int { m.mu.Lock(); defer m.mu.Unlock(); return m.in[pc.AddrPort()] }
		before := m.sent(pc.AddrPort())
		hello := clientHello(t)
		for off := 0; off < len(hello); off += packet.MaxStreamData {
			up := packet.StreamUp{Cookie: cookie, Offset: uint32(off), Data: hello[off:min(len(hello), off+packet.MaxStreamData)]}
			p.Send(up.Append(nil))
		}
		time.Sleep(time.Millisecond)
		said := in()
		time.Sleep(time.Minute)
		sent := m.sent(pc.AddrPort()) - before
		if sent < 1000 || sent > 24<<10 || in() != said {
			t.Errorf("%d bytes were sent to a client that says nothing", sent)
		}
		m.mu.Lock()
		last := m.last[pc.AddrPort()]
		m.mu.Unlock()
		if time.Since(last) < 45*time.Second {
			t.Errorf("the last of them %v before the end", time.Since(last))
		}
		if under, bygone := w.Transport.Shakes(); under != 0 || bygone != 0 {
			t.Errorf("left: %d and %d handshakes", under, bygone)
		}
	})
}

// A flood of HELLOs costs no memory, no handshake, and nothing beyond its rate;
// sessions do not notice.
func TestFloodOfHellos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		c := w.dial(w.net.Host("198.51.100.9"), "udp://203.0.113.1:4530")
		w.echo(c)
		var cookies atomic.Uint64
		w.wire.losing(func(p []byte, _ netip.AddrPort) bool {
			cookie := kindOf(p) == packet.KindCookie
			if cookie {
				cookies.Add(1)
			}
			return cookie // nobody is there
		})
		base := w.Transport.Stats()
		hello := transporttest.HelloPacket()
		begin := time.Now()
		var worst time.Duration
		before := heap()
		const n = 100_000
		for i := range n {
			hello.Nonce[0], hello.Nonce[1], hello.Nonce[2] = byte(i), byte(i>>8), byte(i>>16)
			from := netip.AddrPortFrom(spoofed(i%256).Addr(), uint16(1024+i/256)) // the internet keeps something for each address
			w.net.Inject(from, w.Addr, hello.Append(nil))
			if i%100 == 99 {
				time.Sleep(time.Millisecond) // 100,000 a second
			}
			if i%5000 == 0 {
				worst = max(worst, w.echo(c))
			}
		}
		time.Sleep(time.Second)
		most := uint64(2000 + 20_000*time.Since(begin).Seconds())
		if grown := heap() - before; grown > 8<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		st := w.Transport.Stats()
		under, bygone := w.Transport.Shakes()
		answered, excess := st.Datagrams.Hellos-base.Datagrams.Hellos, st.Datagrams.Excess-base.Datagrams.Excess
		if st.Admitted != 1 || st.Accepted != base.Accepted || under > 1 || bygone > 1 {
			t.Errorf("a flood of HELLOs leaves %+v, %d and %d handshakes", st, under, bygone)
		}
		if answered > most || answered < most/2 || answered+excess != n || answered != cookies.Load() {
			t.Errorf("%d answered by %d cookies, %d in excess; at most %d may be", answered, cookies.Load(), excess, most)
		}
		if worst > 2*way+15*time.Millisecond {
			t.Errorf("an echo took %v", worst)
		}
	})
}

// The second port has a rate of its own.
func TestFloodOfHellosAtTheSecondPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, transport.Config{}, simnet.Link{Delay: way})
		m := meterOn(w)
		hello := transporttest.HelloPacket().Append(nil)
		for i := range 10_000 {
			w.net.Inject(spoofed(i), w.second, hello)
			if i%100 == 99 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		if n := m.kindsOut(packet.KindCookie); n > 5000 || n < 1000 {
			t.Errorf("%d cookies in a tenth of a second", n)
		}
		if st := w.Transport.Stats().Datagrams; st.Excess < 5000 {
			t.Errorf("%+v", st)
		}
	})
}
