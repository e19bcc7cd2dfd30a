package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// datagrams serves by UDP what answer makes of a datagram; nil is no answer.
func datagrams(t *testing.T, answer func([]byte) []byte) (addr string) {
	t.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ended by the closed socket
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if a := answer(b[:n]); a != nil {
				pc.WriteToUDPAddrPort(a, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return pc.LocalAddr().String()
}

func TestPlainVoiceAsksAgain(t *testing.T) {
	var n int
	addr := datagrams(t, func(b []byte) []byte {
		if n++; n == 1 {
			return nil
		}
		return b
	})
	v, err := dialPlainUDP(t.Context(), addr, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	if err := v.ask(t.Context(), payload(1)); err != nil {
		t.Error(err)
	}
}

func TestPlainVoiceNoticesWrongAnswers(t *testing.T) {
	addr := datagrams(t, func(b []byte) []byte { b[0]++; return b })
	v, err := dialPlainUDP(t.Context(), addr, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	if err := v.ask(t.Context(), payload(1)); err == nil {
		t.Error("a wrong answer passed")
	}
}

// mute is a voice that counts how many there are.
type mute struct{ open *atomic.Int64 }

func (mute) ask(context.Context, []byte) error { return nil }

func (m mute) close() error {
	m.open.Add(-1)
	return nil
}

func TestSingLeavesNobodyBehind(t *testing.T) {
	var open atomic.Int64
	wrong := errors.New("out of tune")
	for _, failing := range []int{-1, 0, 57, 99} {
		voices, err := sing(t.Context(), "", func(_ context.Context, _ string, i int) (voice, error) {
			if i == failing {
				return nil, wrong
			}
			open.Add(1)
			return mute{&open}, nil
		}, 100)
		if failing < 0 {
			if err != nil || len(voices) != 100 || open.Load() != 100 {
				t.Fatalf("%d voices, %d open, %v", len(voices), open.Load(), err)
			}
			if err := silence(voices); err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, wrong) {
			t.Errorf("%v, want %v", err, wrong)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%d voices are left", n)
		}
	}
}

func TestWrongPinIsRefused(t *testing.T) {
	for _, tt := range []struct {
		server string
		dial   choir
	}{{troupeUDP, dialTroupeVoice}, {plainTLS, dialTLS}} {
		addr, _, _ := strings.Cut(serving(t, tt.server).addr, " ")
		if v, err := tt.dial(t.Context(), addr+" sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0); err == nil {
			v.close()
			t.Errorf("%s: another key passed", tt.server)
		}
	}
}

// portions hands a sink what it takes.
type portions struct {
	sizes   []int
	answers []int // how many bytes had come at each
	read    int
}

func (p *portions) Read(b []byte) (int, error) {
	if len(p.sizes) == 0 {
		return 0, net.ErrClosed
	}
	n := p.sizes[0]
	p.sizes, p.read = p.sizes[1:], p.read+n
	return n, nil
}

func (p *portions) Write(b []byte) (int, error) {
	p.answers = append(p.answers, p.read)
	return len(b), nil
}

func TestSwallowAnswersPortions(t *testing.T) {
	const whole = bulkPortion * bulkSize
	p := &portions{sizes: []int{whole - 1, 1, 1, whole, whole - 1, 5}}
	swallow(p)
	want := []int{whole, 2*whole + 1, 3 * whole}
	if len(p.answers) != 3 || p.answers[0] != want[0] || p.answers[1] != want[1] || p.answers[2] != want[2] {
		t.Errorf("answered at %v, want %v", p.answers, want)
	}
}

// What is overheard makes a server answer, and not let anybody in.
func TestKnockWithAHello(t *testing.T) {
	hello, err := overhearHello(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addr, _, _ := strings.Cut(serving(t, troupeUDP).addr, " ")
	nc, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := nc.Write(hello); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1500)
	if n, err := nc.Read(b); err != nil || n >= len(hello) {
		t.Errorf("%d bytes were answered by %d, %v", len(hello), n, err)
	}
}

func TestKnockKeepsItsRate(t *testing.T) {
	var n atomic.Int64
	addr := datagrams(t, func([]byte) []byte { n.Add(1); return nil })
	const d = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	began := time.Now()
	sent, err := knock(ctx, addr, []byte("hello"))
	most := int(time.Since(began).Seconds()*floodRate) + 1
	if err != nil || sent == 0 || sent > most || int(n.Load()) > sent {
		t.Errorf("%d sent, %d came, at most %d should, %v", sent, n.Load(), most, err)
	}
}
