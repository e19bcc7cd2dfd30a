package transport

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/packet"
)

// mouth is a socket that nothing comes from and that counts what is sent.
type mouth struct {
	closed chan struct{}

	mu   sync.Mutex
	sent map[netip.AddrPort]int
}

// ReadFrom implements net.PacketConn.
func (m *mouth) ReadFrom([]byte) (int, net.Addr, error) {
	<-m.closed
	return 0, nil, net.ErrClosed
}

// WriteTo implements net.PacketConn.
func (m *mouth) WriteTo(p []byte, to net.Addr) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[to.(*net.UDPAddr).AddrPort()] += len(p)
	return len(p), nil
}

// taken is how many bytes have gone to an address; they are forgotten.
func (m *mouth) taken(a netip.AddrPort) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.sent[a]
	delete(m.sent, a)
	return n
}

func (m *mouth) Close() error                     { close(m.closed); return nil }
func (m *mouth) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4530} }
func (m *mouth) SetDeadline(time.Time) error      { return nil }
func (m *mouth) SetReadDeadline(time.Time) error  { return nil }
func (m *mouth) SetWriteDeadline(time.Time) error { return nil }

// FuzzDoor gives the door two packets in a row, whose cookies are made good if
// so wished. Without one nothing is kept, and no more is sent than has come.
func FuzzDoor(f *testing.F) {
	sys := actor.NewSystem(actor.Config{})
	f.Cleanup(func() { sys.Shutdown(f.Context()) })
	t, err := New(sys, Config{AcceptRate: Rate{PerSecond: -1}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	m := &mouth{closed: make(chan struct{}), sent: map[netip.AddrPort]int{}}
	if _, _, err := t.ListenPacket("udp://127.0.0.1:4530", m, nil); err != nil {
		f.Fatal(err)
	}
	d := t.doors[0]

	hello := packet.Hello{Version: packet.ProtocolVersion, Suite: packet.SuiteAES256GCM}
	up := packet.StreamUp{Data: []byte{0x16, 3, 1, 0, 4, 1, 0, 0, 0}}
	connect := packet.Connect{Ticket: make([]byte, packet.TicketSize)}
	connect.Packet = make([]byte, connect.PacketSize())
	connect.Packet[0] = byte(packet.KindData)
	f.Add(hello.Append(nil), up.Append(nil), false)
	f.Add(up.Append(nil), up.Append(nil), true)
	f.Add(connect.Append(nil), connect.Append(nil), true)
	f.Add(connect.Append(nil), []byte{0x85}, false)

	now := time.Now()
	port := uint16(0)
	f.Fuzz(func(ft *testing.T, a, b []byte, good bool) {
		port++
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 2}), port)
		now = now.Add(time.Second)
		came := 0
		for _, p := range [][]byte{a, b} {
			if good {
				p = baked(d, p, from, now)
			}
			came += len(p)
			d.stranger(p, from, netip.Addr{}, now)
		}
		d.mu.Lock()
		var begun []shakeKey
		for key := range d.under {
			begun = append(begun, key)
		}
		kept := len(d.under) + len(d.offers)
		d.mu.Unlock()
		for _, key := range begun {
			d.over(key)
		}
		sent := m.taken(from)
		if !good && (kept > 0 || sent > came) || sent > 24<<10 {
			ft.Fatalf("%d bytes came, %d are sent, %d things kept", came, sent, kept)
		}
		d.mu.Lock()
		clear(d.bygone)
		d.mu.Unlock()
	})
}

// baked puts a cookie that is good into a packet that has one.
func baked(d *door, p []byte, from netip.AddrPort, now time.Time) []byte {
	var up packet.StreamUp
	var connect packet.Connect
	switch {
	case up.Parse(p) == nil:
		up.Cookie = d.bakery.MintCookie(from, up.Nonce, now)
		return up.Append(nil)
	case connect.Parse(p) == nil:
		c := d.bakery.MintCookie(from, [8]byte(connect.Nonce[:8]), now)
		connect.Epoch, connect.MAC = c.Epoch, c.MAC
		var ticket packet.Ticket
		if ticket.Parse(connect.Ticket) == nil {
			ticket = d.bakery.MintTicket(ticket.Node, ticket.ID, now.Add(ticketTime))
			connect.Ticket = ticket.Append(nil)
			connect.Packet = append(connect.Packet, make([]byte, packet.MaxSize)...)[:connect.PacketSize()]
		}
		return connect.Append(nil)
	}
	return p
}
