package transport_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
)

// A listener that has stopped answers nobody new; the sessions that it let in
// live until their owners end them, and then the socket is closed.
func TestStopKeepsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		c := w.dial(w.net.Host("198.51.100.9"), w.URL)
		w.echo(c)
		home := w.net.Host("198.51.100.10")
		g := w.streamed()
		cookie := w.packets(home)
		old := cookie.Cookie()
		attaching := w.packets(home)
		attached := attaching.Cookie()
		waiting := w.packets(home)
		waiting.Send(first(waiting.Cookie(), clientHello(t)).Append(nil))
		time.Sleep(2 * way)
		if st := w.Transport.Stats(); st.Handshaking != 1 {
			t.Fatalf("%+v", st)
		}
		begin := time.Now()
		w.listener.Stop()
		<-w.listener.Done()
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it stops in %v", took)
		}
		if st := w.Transport.Stats(); st.Handshaking != 0 || st.Connections != 2 {
			t.Errorf("%+v", st)
		}
		if _, ok := w.packets(home).Knock(time.Second); ok {
			t.Error("a HELLO is answered")
		}
		second := transporttest.NewPackets(t, socket(t, home), w.second)
		if _, ok := second.Knock(time.Second); ok {
			t.Error("a HELLO is answered at the second port")
		}
		cookie.Send(first(old, clientHello(t)).Append(nil))
		m := g.connect(attached)
		attaching.Send(m.Append(nil))
		if g.accepted(attaching, m) != nil {
			t.Error("a CONNECT is answered")
		}
		if st := w.Transport.Stats(); st.Handshaking != 0 || st.Datagrams.Unknown < 4 {
			t.Errorf("%+v", st)
		}
		g.Send(transporttest.Frame(t, wire.KindAttach, nil))
		if _, body := g.Next(); len(body) != 0 {
			t.Errorf("UDP is offered: %x", body)
		}
		w.echo(c)
		c.Close()
		g.session.Abort()
		w.Stop(t)
		if err := w.Transport.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := w.host.ListenPacket(4530); err != nil {
			t.Errorf("the socket is still there: %v", err)
		}
	})
}

// Without a session the socket is closed with the listener.
func TestStopClosesTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		w.packets(w.net.Host("198.51.100.9")).Cookie()
		w.listener.Stop()
		<-w.listener.Done()
		for _, port := range []uint16{4530, 4531} {
			if _, err := w.host.ListenPacket(port); err != nil {
				t.Errorf("port %d is still in use: %v", port, err)
			}
		}
	})
}

// With a session the socket is closed when that has ended, and answered what is
// late. The port is free for another listener then, time and again.
func TestStoppedListenerGivesItsPortBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		in := uint64(0)
		for range 3 {
			c := w.dial(home, w.URL)
			w.echo(c)
			w.listener.Stop()
			<-w.listener.Done()
			time.Sleep(10 * time.Second)
			w.echo(c)
			if pc, err := w.host.ListenPacket(4530); err == nil {
				pc.Close()
				t.Error("the port of a session is free")
			}
			c.Close()
			var pc, second *simnet.PacketConn
			until(t, 5*time.Second, "the ports are free", func() bool {
				if pc == nil {
					pc, _ = w.host.ListenPacket(4530)
				}
				if second == nil {
					second, _ = w.host.ListenPacket(4531)
				}
				return pc != nil && second != nil
			})
			synctest.Wait()
			st := w.Transport.Stats().Datagrams
			if n := w.Transport.Doors(); n != 0 || st.In <= in {
				t.Errorf("%d doors are left, and %+v, with %d packets before", n, st, in)
			}
			in = st.In
			var err error
			if _, w.listener, err = w.Transport.ListenPacket(w.URL, pc, second); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Stopping at any moment of many handshakes leaves nothing.
func TestStopWhileShaking(t *testing.T) {
	for at := range 12 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, uint64(at), transport.Config{Limits: transport.Limits{Linger: 200 * time.Millisecond}}, simnet.Link{Delay: way, Jitter: way, Loss: 0.1})
			var senders sync.WaitGroup
			for i := range 20 {
				p := w.packets(w.net.Host(spoofed(i).Addr().String()))
				c := p.Cookie()
				hello := clientHello(t)
				senders.Go(func() { // ended by itself
					for off := 0; off < len(hello); off += packet.MaxStreamData {
						up := packet.StreamUp{Cookie: c, Offset: uint32(off), Data: hello[off:min(len(hello), off+packet.MaxStreamData)]}
						p.Send(up.Append(nil))
						time.Sleep(time.Duration(i) * time.Millisecond)
					}
				})
			}
			time.Sleep(time.Duration(at) * 5 * time.Millisecond)
			w.Stop(t)
			if st := w.Transport.Stats(); st.Handshaking != 0 || st.Connections != 0 {
				t.Errorf("after %d: %+v", at, st)
			}
			if err := w.Transport.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			senders.Wait()
		})
	}
}

// The second port answers HELLO and Bind, and nothing else; no address changes
// for what comes there.
func TestSecondPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way})
		home := w.net.Host("198.51.100.9")
		pc := socket(t, home)
		g, err := transporttest.Enter(t, transporttest.NewPackets(t, pc, w.Addr), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c := transporttest.NewClient(t, g).Enter()
		s := w.Next(t)
		c.Echo(1, []byte("before"))

		other := socket(t, home)
		stranger := transporttest.NewPackets(t, other, w.second)
		cookie := stranger.Cookie()
		stranger.Send(first(cookie, clientHello(t)).Append(nil))
		if b := stranger.Answer(time.Second); b != nil {
			t.Errorf("STREAM is answered by %x", b)
		}
		if under, _ := w.Transport.Shakes(); under != 0 {
			t.Error("a handshake begins at the second port")
		}
		// The cookie is good at the first port: there is one server.
		at := transporttest.NewPackets(t, socket(t, home), w.Addr)
		at.Send(first(cookie, clientHello(t)).Append(nil)) // from another port: not good
		if b := at.Answer(time.Second); b != nil {
			t.Errorf("a cookie of another port is answered by %x", b)
		}

		var mu sync.Mutex
		bound := map[string]packet.Bound{}
		g.OnFrame(func(k packet.FrameType, body []byte) {
			var m packet.Bound
			if k == packet.FrameBound && m.Parse(body) == nil {
				mu.Lock()
				bound[string(m.Nonce[:])] = m
				mu.Unlock()
			}
		})
		nonce := []byte("12345678")
		sealed := g.Seal(packet.AppendFrame(nil, packet.FrameBind, nonce))
		pc.WriteTo(sealed, net.UDPAddrFromAddrPort(w.second))
		time.Sleep(4 * way)
		mu.Lock()
		m, ok := bound[string(nonce)]
		mu.Unlock()
		if !ok || m.Observed != pc.AddrPort() {
			t.Errorf("Bound %+v, %v; the client is at %v", m, ok, pc.AddrPort())
		}
		// From elsewhere a padded Bind is answered there, and nothing moves.
		bind := packet.AppendFrame(nil, packet.FrameBind, []byte("abcdefgh"))
		other.WriteTo(g.Seal(bind), net.UDPAddrFromAddrPort(w.second))
		if b := stranger.Answer(time.Second); b != nil {
			t.Errorf("a Bind that is shorter than its answer is answered by %x", b)
		}
		other.WriteTo(g.Seal(packet.Pad(bind, 96-packet.Overhead)), net.UDPAddrFromAddrPort(w.second))
		if b := stranger.Answer(time.Second); b == nil || !packet.KindOf(b).IsData() {
			t.Errorf("a Bind from elsewhere is answered by %x", b)
		}
		before := s.Operations()
		op := packet.AppendFrame(nil, packet.FrameDatagram, (&wire.Operation{Code: 1}).AppendFrame(nil))
		pc.WriteTo(g.Seal(op), net.UDPAddrFromAddrPort(w.second))
		other.WriteTo(g.Seal(op), net.UDPAddrFromAddrPort(w.second))
		other.WriteTo(g.Seal(packet.AppendFrame(nil, packet.FrameChallenge, nonce)), net.UDPAddrFromAddrPort(w.second))
		if b := stranger.Answer(time.Second); b != nil {
			t.Errorf("a message at the second port is answered by %x", b)
		}
		if s.Operations() != before || s.RemoteAddr() != pc.AddrPort() || s.Counts().Moves.Load() != 0 {
			t.Errorf("the second port is heard: %d operations, client at %v", s.Operations()-before, s.RemoteAddr())
		}
		c.Echo(2, []byte("after"))
	})
}

// listenNextTo listens by UDP at a port whose next one is free or not.
func listenNextTo(t *testing.T, s *transporttest.Server, taken bool) {
	t.Helper()
	for range 50 {
		l, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.LocalAddr().(*net.UDPAddr).Port
		next, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port+1))
		l.Close()
		if err != nil {
			continue
		}
		if !taken {
			next.Close()
		} else {
			t.Cleanup(func() { next.Close() })
		}
		if _, _, err := s.Transport.Listen(fmt.Sprintf("udp://127.0.0.1:%d", port)); err == nil {
			s.Addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
			return
		}
	}
	t.Fatal("no two ports next to each other")
}

func TestSecondPortTaken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   transport.Config
		taken bool
		want  bool
	}{
		{"free", transport.Config{}, false, true},
		{"taken", transport.Config{}, true, false},
		{"not wanted", transport.Config{SecondPort: -1}, false, false},
	} {
		s := transporttest.NewServer(t, tt.cfg)
		listenNextTo(t, s, tt.taken)
		p := transporttest.NewPackets(t, listenUDP(t), netip.AddrPortFrom(s.Addr.Addr(), s.Addr.Port()+1))
		if _, got := p.Knock(300 * time.Millisecond); got != tt.want {
			t.Errorf("%s: a second port answers: %v", tt.name, got)
		}
		p = transporttest.NewPackets(t, listenUDP(t), s.Addr)
		p.Cookie()
	}
	pc := listenUDP(t)
	defer pc.Close()
	s := transporttest.NewServer(t, transport.Config{SecondPort: pc.LocalAddr().(*net.UDPAddr).Port})
	if _, _, err := s.Transport.Listen("udp://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "second port") {
		t.Errorf("a second port that was asked for and is taken: %v", err)
	}
}

func listenUDP(t *testing.T) net.PacketConn {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

// Whatever becomes of sessions and handshakes by UDP, no descriptor and no
// goroutine stays.
func TestNothingIsLeftOfListenersByUDP(t *testing.T) {
	before, routines := descriptors(t), runtime.NumGoroutine()
	h := transporttest.Datagrams()
	t.Run("", func(t *testing.T) {
		for range 3 {
			s := h.Serve(t, transport.Config{Limits: transport.Limits{Linger: 50 * time.Millisecond}})
			for i := range 6 {
				c := transporttest.NewClient(t, h.Dial(t, s))
				if i == 0 {
					continue // silent
				}
				c.Enter()
				p := s.Next(t)
				switch i {
				case 1:
					p.Close(wire.CodeKicked, "")
				case 2:
					p.Abort()
				case 3:
					c.Stream.Close()
				case 4:
					c.Stream.(*transporttest.Guest).Vanish()
				}
			}
			_, _, err := s.Transport.Listen("udp://" + s.Addr.String())
			if err == nil || !strings.Contains(err.Error(), "bind") {
				t.Errorf("two listeners share a port: %v", err)
			}
		}
		s := h.Serve(t, transport.Config{})
		s.Stop(t)
		if _, _, err := s.Transport.Listen("udp://127.0.0.1:0"); err == nil {
			t.Error("a stopped transport listens")
		}
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for descriptors(t) > before+2 || runtime.NumGoroutine() > routines+2 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d descriptors and %d goroutines, %d and %d before", descriptors(t), runtime.NumGoroutine(), before, routines)
		}
	}
}

// A transport that stops tells the clients of handshakes by UDP why.
func TestShutdownIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, quiet, simnet.Link{Delay: way, Loss: 0.2})
		judging := make(chan struct{})
		w.Judge = func(ctx context.Context, _ *transport.Hello) error {
			close(judging)
			<-ctx.Done()
			return ctx.Err()
		}
		g, err := transporttest.Enter(t, w.packets(w.net.Host("198.51.100.9")), 9*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c := transporttest.NewClient(t, g)
		c.Send(transporttest.Frame(t, wire.KindHello, helloBy(packet.SuiteAES256GCM)))
		<-judging
		go w.Stop(t) // ended by itself
		if code, _ := c.Refused(); code != wire.CodeShutdown {
			t.Errorf("refused with %v", code)
		}
	})
}
