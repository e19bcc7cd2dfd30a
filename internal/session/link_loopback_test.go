package session

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
)

// overLoopback is sessions between two endpoints with real sockets. Nothing of
// them is started.
func overLoopback(t testing.TB, n int, l Limits) (clients, servers []*station) {
	t.Helper()
	var ends [2]*station
	for i := range ends {
		sock, err := udp.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		st := &station{env: NewEnv(l)}
		st.e = NewEndpoint(sock, st.env, EndpointConfig{})
		st.e.Start()
		t.Cleanup(st.e.Close)
		t.Cleanup(func() { st.env.Wait(t.Context()) })
		ends[i] = st
	}
	for i := range n {
		c := &station{env: ends[0].env, e: ends[0].e, in: &inbox{}}
		s := &station{env: ends[1].env, e: ends[1].e, in: &inbox{}}
		ids := [2]packet.ID{c.e.Reserve(), s.e.Reserve()}
		secret := packet.Secret{byte(i), byte(i >> 8), 1}
		var err error
		c.l, err = c.e.NewLink(LinkConfig{Secret: secret, Key: uint64(i), Self: ids[0], Peer: ids[1], Remote: s.e.LocalAddr()})
		if err != nil {
			t.Fatal(err)
		}
		s.l, err = s.e.NewLink(LinkConfig{Secret: secret, Key: uint64(i), Self: ids[1], Peer: ids[0], Server: true, Remote: c.e.LocalAddr()})
		if err != nil {
			t.Fatal(err)
		}
		c.s = NewDatagram(2, c.l, c.env, false)
		s.s = NewDatagram(2, s.l, s.env, true)
		for _, st := range []*station{c, s} {
			st.in.s = st.s
			t.Cleanup(st.s.Abort)
		}
		clients, servers = append(clients, c), append(servers, s)
	}
	return clients, servers
}

// Many goroutines put, flush, look and close at once, over real sockets; under
// the race detector this shows what is not guarded.
func TestLinkRaces(t *testing.T) {
	const sessions, senders = 4, 4
	clients, servers := overLoopback(t, sessions, Limits{Rate: Rate{PerSecond: -1}, QueueHard: 8 << 20})
	all := append(clients, servers...)
	var came atomic.Int64
	for _, st := range all {
		st.in.onMsg = func(wire.Delivery, []byte) { came.Add(1) }
		st.s.Start(st.in)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, st := range all {
		for k := range senders {
			wg.Go(func() {
				deliveries := []wire.Delivery{wire.Reliable.On(uint8(k)), wire.Unreliable, wire.Sequenced(uint16(k)), wire.Unreliable.Twice()}
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if st.put(deliveries[i%len(deliveries)], parcel(k, i, 100)) == ErrClosed {
						return
					}
					if i%3 == 0 {
						st.s.Flush()
					}
					if i%20 == 0 {
						st.s.Ping()
						st.s.Sent()
						st.s.RTT()
						st.l.Remote()
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
	}
	wg.Go(func() {
		for i := range 20 {
			time.Sleep(5 * time.Millisecond)
			l := all[i%len(all)].l
			l.mu.Lock()
			l.crypt.Update(time.Now())
			l.mu.Unlock()
		}
	})
	for begun := time.Now(); came.Load() < 1000 && time.Since(begun) < 20*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	for i, st := range all {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 5 * time.Millisecond)
			if i%3 == 0 {
				st.s.Abort()
			} else {
				st.s.Close(wire.CodeNormal, "")
			}
		})
	}
	for _, st := range all {
		select {
		case <-st.s.Done():
		case <-time.After(20 * time.Second):
			t.Fatal("a session does not end")
		}
		checkSent(t, st.s)
	}
	close(stop)
	wg.Wait()
	if came.Load() < 1000 {
		t.Errorf("only %d messages came", came.Load())
	}
	for _, st := range all {
		if st.in.late || len(st.in.ends) != 1 {
			t.Errorf("ended %d times; something came later: %v", len(st.in.ends), st.in.late)
		}
	}
}

// In the long run an unreliable message costs no allocation, neither to send nor
// to receive.
func TestUnreliableAllocatesNothing(t *testing.T) {
	if Poison {
		t.Skip("buffers are not pooled in this build")
	}
	m := &wire.Operation{Delivery: wire.Unreliable, Body: wire.Payload(make([]byte, 64))}
	t.Run("send", func(t *testing.T) {
		w := newLone(t, Limits{Pace: Rate{PerSecond: -1}}, false)
		defer w.close(t)
		w.in.onMsg = func(wire.Delivery, []byte) {}
		w.s.Start(w.in)
		if n := testing.AllocsPerRun(500, func() {
			if err := w.s.PutOperation(m); err != nil {
				t.Fatal(err)
			}
			w.s.Flush()
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("receive", func(t *testing.T) {
		w := newLone(t, Limits{Rate: Rate{PerSecond: -1}}, true)
		defer w.close(t)
		came := 0
		w.in.onMsg = func(wire.Delivery, []byte) { came++ }
		w.s.Start(w.in)
		body := packet.AppendFrame(nil, packet.FrameDatagram, m.AppendFrame(nil))
		if n := testing.AllocsPerRun(500, func() { w.hear(body) }); n > 0 || came < 500 {
			t.Errorf("%v allocations, %d came", n, came)
		}
	})
}

// An idle session by UDP is small: 10,000 of them are to fit beside their actors.
func TestIdleLinkMemory(t *testing.T) {
	if Poison {
		t.Skip("the race detector's memory is not ours")
	}
	const sessions = 2000
	w := newLone(t, Limits{}, true)
	defer w.close(t)
	w.s.Start(w.in)
	before := heap()
	all := make([]*Session, sessions)
	for i := range all {
		l, err := w.e.NewLink(LinkConfig{Secret: packet.Secret{1}, Key: uint64(i), Self: w.e.Reserve(), Peer: 9, Server: true, Remote: netip.MustParseAddrPort("198.51.100.2:1")})
		if err != nil {
			t.Fatal(err)
		}
		all[i] = NewDatagram(2, l, w.env, true)
		all[i].Start(&inbox{s: all[i]})
	}
	each := int(heap()-before) / sessions
	t.Logf("%d bytes a session; Link %d, Session %d, datagrams %d, Crypt %d, channel %d, outbox %d",
		each, unsafe.Sizeof(Link{}), unsafe.Sizeof(Session{}), unsafe.Sizeof(datagrams{}), unsafe.Sizeof(packet.Crypt{}), unsafe.Sizeof(channel{}), unsafe.Sizeof(outbox{}))
	if each > 4608 {
		t.Errorf("%d bytes a session", each)
	}
	runtime.KeepAlive(all)
	for _, s := range all {
		s.Abort()
	}
}

// BenchmarkLinkEcho is a message there and back by loopback: each of 100
// sessions has one under way.
func BenchmarkLinkEcho(b *testing.B) {
	for name, d := range map[string]wire.Delivery{"reliable": wire.Reliable, "unreliable": wire.Unreliable} {
		b.Run(name, func(b *testing.B) {
			const sessions = 100
			clients, servers := overLoopback(b, sessions, Limits{Rate: Rate{PerSecond: -1}})
			payload := make([]byte, 64)
			var left atomic.Int64
			done := make(chan struct{})
			for i := range sessions {
				c, s := clients[i], servers[i]
				s.in.onMsg = func(wire.Delivery, []byte) { s.put(d, payload); s.s.Flush() }
				c.in.onMsg = func(wire.Delivery, []byte) {
					switch n := left.Add(-1); {
					case n > 0:
						c.put(d, payload)
						c.s.Flush()
					case n == 0:
						close(done)
					}
				}
				c.s.Start(c.in)
				s.s.Start(s.in)
			}
			b.ReportAllocs()
			b.ResetTimer()
			left.Store(int64(b.N))
			for _, c := range clients {
				c.put(d, payload)
				c.s.Flush()
			}
			select {
			case <-done:
			case <-time.After(time.Minute):
				b.Fatalf("%d messages have not come back", left.Load())
			}
		})
	}
}

// BenchmarkUnreliable is one message sent, or received, without a socket.
func BenchmarkUnreliable(b *testing.B) {
	m := &wire.Operation{Delivery: wire.Unreliable, Body: wire.Payload(make([]byte, 64))}
	b.Run("send", func(b *testing.B) {
		w := newLone(b, Limits{Pace: Rate{PerSecond: -1}}, false)
		w.in.onMsg = func(wire.Delivery, []byte) {}
		w.s.Start(w.in)
		b.ReportAllocs()
		for b.Loop() {
			w.s.PutOperation(m)
			w.s.Flush()
		}
		w.close(b)
	})
	b.Run("receive", func(b *testing.B) {
		w := newLone(b, Limits{Rate: Rate{PerSecond: -1}}, true)
		w.in.onMsg = func(wire.Delivery, []byte) {}
		w.s.Start(w.in)
		body := packet.AppendFrame(nil, packet.FrameDatagram, m.AppendFrame(nil))
		b.ReportAllocs()
		for b.Loop() {
			w.hear(body)
		}
		w.close(b)
	})
}
