package simnet

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// restless runs sixteen clients behind every kind of NAT that all talk to a
// server and to each other in the same instants, over links with all
// impairments, while mappings are lost and lines cut. It returns what was sent,
// what was received, and the statistics.
func restless(t *testing.T, seed uint64) (trace []string, stats Stats) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(seed)
		defer n.Close()
		n.SetLink(all, all, Link{
			Delay: 20 * time.Millisecond, Jitter: 15 * time.Millisecond, Loss: 0.05, Burst: Burst{Enter: 0.01, Leave: 0.3},
			Duplicate: 0.05, Corrupt: 0.05, Reorder: 0.1, Bandwidth: 30_000, Queue: 2000, MTU: 700,
		})
		start := time.Now()
		n.Tap(func(at time.Time, from, to netip.AddrPort, p []byte) {
			trace = append(trace, fmt.Sprintf("%v %v>%v %x", at.Sub(start), from, to, p[:min(9, len(p))]))
		})
		servers := n.Host("203.0.113.1")
		server, stranger := open(t, servers, 1), open(t, servers, 2)
		var readers sync.WaitGroup
		var received [17][]string
		receive := func(i int, c *PacketConn, handle func(from netip.AddrPort, p []byte)) {
			readers.Go(func() { // until the net is closed
				buf := make([]byte, 2048)
				for {
					length, from, err := c.ReadFromUDPAddrPort(buf)
					if err != nil {
						return
					}
					received[i] = append(received[i], fmt.Sprintf("%d: %v %v %x", i, time.Since(start), from, buf[:min(9, length)]))
					handle(from, buf[:length])
				}
			})
		}
		var known []netip.AddrPort
		receive(16, server, func(from netip.AddrPort, p []byte) {
			if !slices.Contains(known, from) && len(known) < 64 {
				known = append(known, from)
			}
			answer := server
			if len(p)%3 == 0 {
				answer = stranger
			}
			answer.WriteToUDPAddrPort(append(p, "pong"...), known[len(p)%len(known)])
		})
		var senders sync.WaitGroup
		nats := []NAT{FullCone(), RestrictedCone(), PortRestricted(), Symmetric(), SymmetricSequential(), Linux(), Blocked(), Firewall()}
		var routers []*Router
		for i, c := range nats {
			routers = append(routers, n.Router(fmt.Sprintf("198.51.100.%d", i+1), c))
		}
		for i := range 16 {
			h := routers[i/2].Host(fmt.Sprintf("192.0.2.%d", i+1))
			c := open(t, h, 0)
			receive(i, c, func(from netip.AddrPort, p []byte) {
				if len(p) < 100 && p[0]%2 == 0 {
					c.WriteToUDPAddrPort(append(p, 1), from)
				}
			})
			senders.Go(func() {
				for k := range 60 {
					c.WriteToUDPAddrPort(make([]byte, 1+(k*i)%1000), server.AddrPort())
					runtime.Gosched()
					time.Sleep(10 * time.Millisecond) // all at once
				}
			})
		}
		time.Sleep(205 * time.Millisecond)
		routers[1].Rebind()
		n.Cut(server.host.Addr(), routers[2].Addr())
		time.Sleep(100 * time.Millisecond)
		n.Heal(server.host.Addr(), routers[2].Addr())
		senders.Wait()
		time.Sleep(time.Second)
		stats = n.Stats()
		n.Close()
		readers.Wait()
		trace = append(trace, slices.Concat(received[:]...)...)
	})
	return trace, stats
}

func TestSameSeedSameRun(t *testing.T) {
	want, stats := restless(t, 7)
	for _, r := range []Reason{LostCut, LostTooLarge, LostRandom, LostBurst, LostQueue, LostBlocked, LostNoMapping, LostFiltered} {
		if stats.Lost[r] == 0 {
			t.Errorf("a tame run: none lost by %v", r)
		}
	}
	if stats.Delivered < 300 || stats.Duplicated == 0 || stats.Corrupted == 0 {
		t.Errorf("a tame run: %+v", stats)
	}
	for range 5 {
		got, again := restless(t, 7)
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("event %d of %d was %q, is %q", i, len(want), want[i], strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""))
			}
		}
		if len(got) != len(want) || fmt.Sprint(again) != fmt.Sprint(stats) {
			t.Fatalf("%d events, %+v; before %d, %+v", len(got), again, len(want), stats)
		}
	}
	if other, _ := restless(t, 8); slices.Equal(other, want) {
		t.Error("another seed gives the same run")
	}
}

// Datagrams are somewhere: sent ones are delivered, lost for a reason or under
// way, at any time.
func TestConservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(3)
		defer n.Close()
		n.SetLink(all, all, Link{Delay: 50 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.1, Duplicate: 0.3, Bandwidth: 3000, Queue: 200})
		server := open(t, n.Host("203.0.113.1"), 1)
		server.SetReadBuffer(20_000)
		hosts := []*Host{n.Host("203.0.113.2"), n.Router("198.51.100.1", FullCone()).Host("192.168.0.2"), n.Router("198.51.100.2", Blocked()).Host("192.168.0.2")}
		sent, flying := 0, 0
		for range 200 {
			for _, h := range hosts {
				c := open(t, h, 0)
				for _, to := range []string{"203.0.113.1:1", "203.0.113.1:2", "203.0.113.77:1", "198.51.100.1:9"} {
					send(t, c, addrAt(to), "datagram")
					sent++
				}
				c.Close()
			}
			time.Sleep(3 * time.Millisecond)
			s := n.Stats()
			if s.Sent != sent || s.Sent+s.Duplicated != s.Delivered+s.TotalLost()+s.InFlight {
				t.Fatalf("sent %d: %+v", sent, s)
			}
			flying += s.InFlight
		}
		time.Sleep(time.Second)
		s := n.Stats()
		if s.InFlight != 0 || flying == 0 || s.Sent+s.Duplicated != s.Delivered+s.TotalLost() {
			t.Errorf("in the end %+v, %d seen in flight", s, flying)
		}
		for _, r := range []Reason{LostRandom, LostQueue, LostNoListener, LostNoRoute, LostNoHairpin, LostNoMapping, LostBlocked, LostInbox} {
			if s.Lost[r] == 0 {
				t.Errorf("none lost by %v: %v", r, s.Lost)
			}
		}
	})
}
