package udp

import (
	"net"
	"net/netip"
	"testing"
)

// kinds are the ways a Socket may reach its network.
var kinds = []struct {
	name string
	make func(*net.UDPConn) *Socket
}{
	{"own", func(c *net.UDPConn) *Socket { return New(c) }}, // batched on Linux
	{"plain", func(c *net.UDPConn) *Socket {
		s := New(c)
		s.port = plain(c, &s.counts)
		return s
	}},
	{"addrport", func(c *net.UDPConn) *Socket { return New(struct{ *net.UDPConn }{c}) }},
	{"packetconn", func(c *net.UDPConn) *Socket { return New(struct{ net.PacketConn }{c}) }},
}

// each runs a test with sockets of each kind at the address.
func each(t *testing.T, network, address string, test func(t *testing.T, open func() *Socket)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			test(t, func() *Socket {
				pc, err := net.ListenPacket(network, address)
				if err != nil {
					t.Fatal(err)
				}
				s := k.make(pc.(*net.UDPConn))
				t.Cleanup(func() { s.Close() })
				return s
			})
		})
	}
}

const loopback = "127.0.0.1:0"

func listen(t testing.TB, address string) *Socket {
	t.Helper()
	s, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// room makes messages to read into.
func room(n int) []Message {
	ms := make([]Message, n)
	for i := range ms {
		ms[i].Buf = make([]byte, 1500)
	}
	return ms
}

// to makes messages of the datagrams.
func to(addr netip.AddrPort, datagrams ...[]byte) []Message {
	ms := make([]Message, len(datagrams))
	for i, d := range datagrams {
		ms[i] = Message{Buf: d, Addr: addr}
	}
	return ms
}

// take reads until there are n datagrams.
func take(t testing.TB, s *Socket, n int) []Message {
	t.Helper()
	var all []Message
	for len(all) < n {
		ms := room(n)
		got, err := s.Read(ms)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		if got == 0 {
			t.Fatal("Read returned neither datagram nor error")
		}
		all = append(all, ms[:got]...)
	}
	return all
}

// send writes, and all of it.
func send(t testing.TB, s *Socket, ms []Message) {
	t.Helper()
	if sent := s.Write(ms); sent != len(ms) {
		t.Fatalf("sent %d of %d", sent, len(ms))
	}
}
