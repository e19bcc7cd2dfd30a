package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// outbound answers each send by its script, then with success.
type outbound struct {
	script []error
	sends  int
}

func (*outbound) receive([]byte) (int, netip.AddrPort, error) { panic("not read") }

func (o *outbound) send([]byte, netip.AddrPort) error {
	o.sends++
	if len(o.script) < o.sends {
		return nil
	}
	return o.script[o.sends-1]
}

func TestPlainWriteOutOfTime(t *testing.T) {
	late := &net.OpError{Op: "write", Err: os.ErrDeadlineExceeded}
	refused := errors.New("refused")
	tests := []struct {
		script      []error
		sent, sends int // of five
		renewals    int // of the deadline
	}{
		{nil, 5, 5, 1},
		{[]error{refused, nil, refused}, 3, 5, 1},
		{[]error{nil, late}, 5, 6, 2},
		{[]error{late, nil, late, nil, late}, 5, 8, 4},
		{[]error{nil, late, late}, 1, 3, 2},
		{[]error{late, refused}, 4, 6, 2},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			o := &outbound{script: tt.script}
			renewals := 0
			p := &plainPort{o, new(counts), func(d time.Time) error {
				renewals++
				if in := time.Until(d); in > patience {
					t.Errorf("deadline in %v", in)
				}
				return nil
			}}
			if sent := p.write(make([]Message, 5)); sent != tt.sent || o.sends != tt.sends || renewals != tt.renewals {
				t.Errorf("sent %d by %d calls, deadline set %d times; want %d, %d, %d",
					sent, o.sends, renewals, tt.sent, tt.sends, tt.renewals)
			}
		})
	}
}

// A program that was not running for a while loses nothing by it.
func TestPlainWriteOfASlowProgram(t *testing.T) {
	pc, err := net.ListenPacket("udp4", loopback)
	if err != nil {
		t.Fatal(err)
	}
	c := pc.(*net.UDPConn)
	defer c.Close()
	p := plain(c, new(counts)).(*plainPort)
	first := true
	p.setDeadline = func(d time.Time) error {
		if first {
			first, d = false, time.Now().Add(-time.Second)
		}
		return c.SetWriteDeadline(d)
	}
	if sent := p.write(to(addrPort(c.LocalAddr()), []byte("one"), []byte("two"))); sent != 2 {
		t.Errorf("sent %d of 2", sent)
	}
}

type text string

func (text) Network() string  { return "text" }
func (a text) String() string { return string(a) }

func TestAddrPort(t *testing.T) {
	tests := []struct {
		addr net.Addr
		want string // "" for none
	}{
		{nil, ""},
		{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}, "192.0.2.1:7"}, // 16 bytes
		{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 7}, "192.0.2.1:7"},
		{&net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "lo"}, "[fe80::1%lo]:7"},
		{text("[::ffff:192.0.2.1]:7"), "192.0.2.1:7"},
		{text("[2001:db8::1]:7"), "[2001:db8::1]:7"},
		{text("pipe"), ""},
	}
	for _, tt := range tests {
		var want netip.AddrPort
		if tt.want != "" {
			want = netip.MustParseAddrPort(tt.want)
		}
		if got := addrPort(tt.addr); got != want {
			t.Errorf("%v is %v, want %v", tt.addr, got, want)
		}
	}
}
