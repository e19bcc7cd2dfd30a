package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/knock"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/simnet"
)

// answerHellos answers every HELLO that pc gets with a cookie.
func answerHellos(pc *simnet.PacketConn) {
	b := make([]byte, packet.ReadSize)
	for {
		n, from, err := pc.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		var h packet.Hello
		if h.Parse(b[:n]) == nil {
			c := packet.Cookie{Nonce: h.Nonce}
			pc.WriteToUDPAddrPort(c.Append(nil), from)
		}
	}
}

// Of a server with addresses of both families the IPv6 one is taken, if it
// answers soon; IPv4 is tried 250 ms later.
func TestIPv6HasAHeadStart(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")
	for _, tt := range []struct {
		name   string
		delay  time.Duration // of either way by IPv6
		cut    bool          // IPv6 leads nowhere
		addrs  []netip.Addr
		want   netip.Addr
		before time.Duration // the answer comes within that
	}{
		{"both are well", 20 * time.Millisecond, false, []netip.Addr{v4, v6}, v6, 41 * time.Millisecond},
		{"IPv6 takes its time", 110 * time.Millisecond, false, []netip.Addr{v4, v6}, v6, 221 * time.Millisecond},
		{"IPv6 is slow", 300 * time.Millisecond, false, []netip.Addr{v6, v4}, v4, 291 * time.Millisecond},
		{"IPv6 leads nowhere", 0, true, []netip.Addr{v6, v4}, v4, 291 * time.Millisecond},
		{"IPv4 alone", 0, true, []netip.Addr{v4}, v4, 41 * time.Millisecond},
		{"IPv6 alone", 20 * time.Millisecond, false, []netip.Addr{v6}, v6, 41 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := simnet.New(1)
				defer n.Close()
				server, home := n.Host(v4.String(), v6.String()), n.Host("198.51.100.1", "2001:db8::2")
				n.SetLink(netip.Addr{}, netip.Addr{}, simnet.Link{Delay: 20 * time.Millisecond})
				n.SetLink(v6, netip.Addr{}, simnet.Link{Delay: tt.delay})
				if tt.cut {
					n.Cut(v6, netip.Addr{})
				}
				pc, err := server.ListenPacket(4530)
				if err != nil {
					t.Fatal(err)
				}
				go answerHellos(pc) // ended by the Net
				cfg := Config{
					ListenPacket: func(context.Context) (net.PacketConn, error) { return home.ListenPacket(0) },
					lookup: func(_ context.Context, _, host string) ([]netip.Addr, error) {
						if host != "game.example" {
							return nil, errors.New("no such host")
						}
						return tt.addrs, nil
					},
				}.withDefaults()
				addrs, err := cfg.find(t.Context(), "game.example", 4530)
				if err != nil {
					t.Fatal(err)
				}
				p, err := cfg.openPort(t.Context(), cfg.newEnv())
				if err != nil {
					t.Fatal(err)
				}
				defer p.End.Close()
				begun := time.Now()
				k, err := p.Knock(t.Context(), addrs)
				if took := time.Since(begun); err != nil || k.Addr.Addr() != tt.want || took > tt.before {
					t.Errorf("%v answered after %v, %v", k.Addr, took, err)
				}
			})
		})
	}
}

// Nobody answers: HELLOs go out again and again, for 5 s.
func TestKnockGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		defer n.Close()
		home := n.Host("198.51.100.1")
		cfg := Config{ListenPacket: func(context.Context) (net.PacketConn, error) { return home.ListenPacket(0) }}.withDefaults()
		p, err := cfg.openPort(t.Context(), cfg.newEnv())
		if err != nil {
			t.Fatal(err)
		}
		defer p.End.Close()
		begun := time.Now()
		_, err = p.Knock(t.Context(), []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:1")})
		if took := time.Since(begun); err != knock.ErrNoAnswer || took != knock.Time {
			t.Errorf("%v after %v", err, took)
		}
		if sent := n.Stats().Sent; sent != 25 {
			t.Errorf("%d HELLOs were sent", sent)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Knock(ctx, nil); err != context.DeadlineExceeded {
			t.Errorf("when ctx ends: %v", err)
		}
	})
}
