package packet

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// message is what faces itself: every layout of this package.
type message interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

// tail is what bytes after a message mean.
type tail int

const (
	tailIgnored tail = iota
	tailRefused
	tailData // they belong to the last field, as do bytes that are missing from it
)

// vector is a message and its bytes, written by hand.
type vector struct {
	name string
	m    message
	hex  string // spaces are for the reader
	fill int    // zeros that follow
	tail tail
	data int // with tailData: the bytes of the last field
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(v.hex, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return append(b, make([]byte, v.fill)...)
}

var (
	nonce8  = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	nonce16 = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	mac16   = [16]byte{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf}
	v4      = netip.MustParseAddrPort("192.0.2.1:4530")
	v6      = netip.MustParseAddrPort("[2001:db8::5]:65535")
)

const (
	nonce8Hex  = "0102030405060708 "
	nonce16Hex = "0102030405060708090a0b0c0d0e0f10 "
	mac16Hex   = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf "
	v4Hex      = "00000000000000000000ffffc0000201 11b2 "
	v6Hex      = "20010db8000000000000000000000005 ffff "
)

func vectors() []vector {
	cookie := Cookie{Nonce: nonce8, Epoch: 7, MAC: mac16}
	return []vector{
		{name: "hello", m: &Hello{Version: 1, Suite: 1, Nonce: nonce8},
			hex: "80 01 01" + nonce8Hex + "00", fill: MaxSize - 12, tail: tailRefused},
		{name: "hello with a cookie", m: &Hello{Version: 1, Suite: 1, Nonce: nonce8, HasCookie: true, Cookie: cookie},
			hex: "80 01 01" + nonce8Hex + "14 00000007" + mac16Hex, fill: MaxSize - 32, tail: tailRefused},
		{name: "hello of another version", m: &Hello{Version: 9, Suite: 200, Nonce: nonce8},
			hex: "80 09 c8" + nonce8Hex, fill: MaxSize - 11, tail: tailRefused},
		{name: "cookie", m: &cookie, hex: "81" + nonce8Hex + "00000007" + mac16Hex},
		{name: "version", m: &Version{Nonce: nonce8, Versions: []byte{3, 1}}, hex: "82" + nonce8Hex + "02 0301"},
		{name: "stream up", m: &StreamUp{Cookie: cookie, Offset: 0x01020304, Ack: 0xfffefdfc, Data: []byte("abc")},
			hex: "84 01" + nonce8Hex + "14 00000007" + mac16Hex + "01020304 fffefdfc 616263", tail: tailData, data: 3},
		{name: "stream up, only an ack", m: &StreamUp{Cookie: cookie, Ack: 1, Data: []byte{}},
			hex: "84 01" + nonce8Hex + "14 00000007" + mac16Hex + "00000000 00000001", tail: tailData},
		{name: "stream down", m: &StreamDown{Nonce: nonce8, Offset: 0x01020304, Ack: 0xfffefdfc, Data: []byte("abc")},
			hex: "85" + nonce8Hex + "01020304 fffefdfc 616263", tail: tailData, data: 3},
		{name: "connect", m: &Connect{Nonce: nonce16, Epoch: 7, MAC: mac16, Ticket: []byte("tick"),
			Packet: append([]byte{0xc0}, make([]byte, MaxSize-39-4-1)...)},
			hex: "86 01" + nonce16Hex + "00000007" + mac16Hex + "04 7469636b c0", fill: MaxSize - 39 - 4 - 1, tail: tailRefused},
		{name: "connect without a ticket", m: &Connect{Nonce: nonce16, Epoch: 7, MAC: mac16, Ticket: []byte{},
			Packet: append([]byte{0xe0}, make([]byte, MaxSize-39-1)...)},
			hex: "86 01" + nonce16Hex + "00000007" + mac16Hex + "00 e0", fill: MaxSize - 39 - 1, tail: tailRefused},

		{name: "challenge", m: &Challenge{Nonce: nonce8}, hex: nonce8Hex},
		{name: "response", m: &Response{Nonce: nonce8, Observed: v4, Server: 0x01020304}, hex: nonce8Hex + v4Hex + "01020304"},
		{name: "bound", m: &Bound{Nonce: nonce8, Observed: v6, Receipt: Receipt{Time: 0x0102030405060708, MAC: mac16}},
			hex: nonce8Hex + v6Hex + "0102030405060708" + mac16Hex},
		{name: "attach", m: &Attach{Nonce: nonce16, Epoch: 7, MAC: mac16, MTU: 1200, Time: 0x0102030405060708},
			hex: nonce16Hex + "00000007" + mac16Hex + "04b0 0102030405060708"},
		{name: "accept", m: &Accept{Nonce: nonce16, Observed: v6}, hex: nonce16Hex + v6Hex},
		{name: "ticket", m: &Ticket{Node: 2, ID: 0x03040506, Expiry: 0x0102030405060708, MAC: mac16},
			hex: "0002 03040506 0102030405060708" + mac16Hex},
		{name: "receipt", m: &Receipt{Time: 0x0102030405060708, MAC: mac16}, hex: "0102030405060708" + mac16Hex},
	}
}

// blank returns a zero message of m's type.
func blank(m message) message {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
}

func TestGolden(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			want := v.bytes(t)
			if got := v.m.Append([]byte("before")); !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Fatalf("Append = %x, want %x", got[6:], want)
			}
			m := blank(v.m)
			if err := m.Parse(want); err != nil || !reflect.DeepEqual(m, v.m) {
				t.Fatalf("Parse = %+v, %v, want %+v", m, err, v.m)
			}
		})
	}
}

func TestTruncationsAndTails(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			b := v.bytes(t)
			for n := range len(b) - v.data {
				m := blank(v.m)
				if err := m.Parse(b[:n:n]); err != ErrMessage {
					t.Fatalf("%d bytes of %d: %v", n, len(b), err)
				}
				if !reflect.DeepEqual(m, blank(v.m)) {
					t.Fatalf("%d bytes of %d: an error and %+v", n, len(b), m)
				}
			}
			m := blank(v.m)
			err := m.Parse(append(b, 0x5a))
			switch v.tail {
			case tailIgnored:
				if err != nil || !reflect.DeepEqual(m, v.m) {
					t.Fatalf("with a tail: %+v, %v", m, err)
				}
			case tailRefused:
				if err != ErrMessage {
					t.Fatalf("with a tail: %v", err)
				}
			case tailData:
				if err != nil || !bytes.Equal(m.Append(nil), append(b, 0x5a)) {
					t.Fatalf("with a byte more: %+v, %v", m, err)
				}
			}
		})
	}
}

// What follows the nonce in another version means nothing here, but the nonce
// does: the answer names it.
func TestHelloOfAnotherVersion(t *testing.T) {
	b := (&Hello{Version: 2, Suite: 3, Nonce: nonce8}).Append(nil)
	b[11] = 77
	var m Hello
	if err := m.Parse(b); err != nil || m != (Hello{Version: 2, Suite: 3, Nonce: nonce8}) {
		t.Fatalf("%+v, %v", m, err)
	}
}

// One byte makes a message another, or none.
func TestRefused(t *testing.T) {
	find := func(name string) vector {
		for _, v := range vectors() {
			if v.name == name {
				return v
			}
		}
		t.Fatalf("no vector %q", name)
		return vector{}
	}
	for _, x := range []struct {
		name, of string
		at       int
		to       byte
	}{
		{"kind", "hello", 0, 0x81},
		{"cookie of 1 byte", "hello", 11, 1},
		{"cookie of 21 bytes", "hello with a cookie", 11, 21},
		{"kind", "cookie", 0, 0x80},
		{"kind", "version", 0, 0x81},
		{"no versions", "version", 9, 0},
		{"more versions than there are bytes", "version", 9, 3},
		{"kind", "stream up", 0, 0x85},
		{"version", "stream up", 1, 2},
		{"no cookie", "stream up", 10, 0},
		{"cookie of 19 bytes", "stream up", 10, 19},
		{"kind", "stream down", 0, 0x84},
		{"kind", "connect", 0, 0x80},
		{"version", "connect", 1, 0},
		{"ticket of 129 bytes", "connect", 38, 129},
		{"ticket of 255 bytes", "connect", 38, 255},
		{"no DATA packet inside", "connect", 43, 0x80},
	} {
		v := find(x.of)
		b := v.bytes(t)
		b[x.at] = x.to
		if err := blank(v.m).Parse(b); err != ErrMessage {
			t.Errorf("%s, %s: %v", x.of, x.name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	up := StreamUp{Data: make([]byte, MaxStreamData)}
	down := StreamDown{Data: up.Data}
	list := Version{Versions: make([]byte, MaxVersions)}
	for _, m := range []message{&up, &down, &list} {
		b := m.Append(nil)
		if err := blank(m).Parse(b); err != nil || len(b) > MaxSize {
			t.Errorf("%T at its largest: %d bytes, %v", m, len(b), err)
		}
	}
	if n := len(list.Append(nil)); n != 64 {
		t.Errorf("the longest VERSION has %d bytes, want 64", n)
	}
	for _, m := range []message{&up, &down} {
		if err := blank(m).Parse(append(m.Append(nil), 0)); err != ErrMessage {
			t.Errorf("%T larger than its largest: %v", m, err)
		}
	}
	c := list.Append(nil)
	c[9]++
	if err := new(Version).Parse(append(c, 0)); err != ErrMessage {
		t.Errorf("VERSION of %d versions: %v", MaxVersions+1, err)
	}
	long := Connect{Ticket: make([]byte, MaxTicket)}
	long.Packet = append([]byte{0xc0}, make([]byte, long.PacketSize()-1)...)
	if b := long.Append(nil); len(b) != MaxSize || new(Connect).Parse(b) != nil {
		t.Errorf("CONNECT with the longest ticket has %d bytes and does not come back", len(b))
	}
	b := long.Append(nil)
	b[connectSize-1], b[connectSize+MaxTicket+1] = MaxTicket+1, 0xc0
	if err := new(Connect).Parse(b); err != ErrMessage {
		t.Errorf("CONNECT with a longer ticket: %v", err)
	}
	accept := len((&Accept{Observed: v6}).Append(nil)) + FrameHeaderSize + Overhead
	if accept > 100 {
		t.Errorf("ACCEPT takes %d bytes, 100 at most", accept)
	}
}

// What a message cannot say is the programmer's mistake.
func TestAppendPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"no version":         func() { (&Version{}).Append(nil) },
		"too many versions":  func() { (&Version{Versions: make([]byte, MaxVersions+1)}).Append(nil) },
		"small packet":       func() { (&Connect{Packet: make([]byte, 100)}).Append(nil) },
		"ticket of 129":      func() { m := Connect{Ticket: make([]byte, 129), Packet: make([]byte, MaxSize-39-129)}; m.Append(nil) },
		"frame of 64 KiB":    func() { AppendFrame(nil, FrameReliable, make([]byte, 1<<16)) },
		"padding as a frame": func() { AppendFrame(nil, FramePadding, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestObserved(t *testing.T) {
	for _, x := range []struct{ in, out string }{
		{"192.0.2.1:4530", "192.0.2.1:4530"},
		{"[::ffff:192.0.2.1]:4530", "192.0.2.1:4530"},
		{"[2001:db8::5]:0", "[2001:db8::5]:0"},
		{"[fe80::1%eth0]:9", "[fe80::1]:9"},
	} {
		b := AppendObserved(nil, netip.MustParseAddrPort(x.in))
		got, err := ParseObserved(append(b, 1, 2))
		if err != nil || got.String() != x.out || len(b) != ObservedSize {
			t.Errorf("%s came back as %v, %v in %d bytes", x.in, got, err, len(b))
		}
	}
}

func TestKind(t *testing.T) {
	if KindOf(nil) != 0 || KindOf([]byte{0x86, 1}) != KindConnect {
		t.Error("KindOf does not give the first byte")
	}
	for k := range 256 {
		if got, want := Kind(k).IsData(), k >= 0xc0; got != want {
			t.Errorf("%#x: IsData = %v", k, got)
		}
	}
	p := append([]byte{0xe0, 0xde, 0xad, 0xbe, 0xef}, make([]byte, 20)...)
	for _, x := range []struct {
		name string
		p    []byte
		id   ID
		ok   bool
	}{
		{"the shortest", p, 0xdeadbeef, true},
		{"too short", p[:24], 0, false},
		{"empty", nil, 0, false},
		{"another kind", append([]byte{0xbf}, p[1:]...), 0, false},
		{"reserved bits", append([]byte{0xff}, p[1:]...), 0xdeadbeef, true},
	} {
		if id, ok := Receiver(x.p); id != x.id || ok != x.ok {
			t.Errorf("%s: Receiver = %x, %v", x.name, id, ok)
		}
	}
}
