package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

// outposts opens some that take addr for the server.
func outposts(t *testing.T, addr string, loss float64, n int) (all []*outpost) {
	t.Helper()
	for i := range n {
		o, err := newOutpost(netip.MustParseAddrPort(addr), loss, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { o.Close() }) // an error says that it is closed
		all = append(all, o)
	}
	return all
}

// post sends from one, and returns what comes to another within that time, and
// after how long; nil is nothing.
func post(t *testing.T, from *outpost, to netip.AddrPort, at *outpost, within time.Duration) ([]byte, time.Duration) {
	t.Helper()
	began := time.Now()
	if n, err := from.WriteToUDPAddrPort([]byte("far"), to); n != 3 || err != nil {
		t.Fatalf("%d bytes sent, %v", n, err)
	}
	select {
	case d := <-at.inbox:
		return d.b, time.Since(began)
	case <-time.After(within):
		return nil, 0
	}
}

// postTime is how long what has to come is waited for.
const postTime = 10 * time.Second

func at(o *outpost) netip.AddrPort { return o.LocalAddr().(*net.UDPAddr).AddrPort() }

// A round trip is the same to the server and to another outpost.
func TestOutpostIsFarFromEverybody(t *testing.T) {
	server := serving(t, plainUDP).addr
	both := outposts(t, server, 0, 2)
	b, took := post(t, both[0], netip.MustParseAddrPort(server), both[0], postTime)
	if string(b) != "far" || took < roundTrip {
		t.Errorf("the server answered %q after %v, want a round trip of %v", b, took, roundTrip)
	}
	quickest := postTime // a machine that is busy adds to it
	for i := range 20 {
		b, took := post(t, both[i%2], at(both[1-i%2]), both[1-i%2], postTime)
		if string(b) != "far" || took < farDelay {
			t.Errorf("outpost %d sent %q in %v, want %v", i%2, b, took, farDelay)
		}
		quickest = min(quickest, took)
	}
	if quickest >= roundTrip {
		t.Errorf("%v from one to the other, want %v: a delay at either end is one too many", quickest, farDelay)
	}
}

func TestCutOutpostReachesTheServerAlone(t *testing.T) {
	server := serving(t, plainUDP).addr
	both := outposts(t, server, 0, 2)
	both[0].cut.Store(true)
	if b, _ := post(t, both[0], at(both[1]), both[1], 5*farDelay); b != nil {
		t.Errorf("%q went through a path that is cut", b)
	}
	if b, _ := post(t, both[0], netip.MustParseAddrPort(server), both[0], postTime); b == nil {
		t.Error("the server does not answer")
	}
	if b, _ := post(t, both[1], at(both[0]), both[0], postTime); b == nil {
		t.Error("what the other sends does not come: it is not cut")
	}
}

// Between an outpost and the server each way loses its share, between two
// outposts the way loses it once.
func TestOutpostLoses(t *testing.T) {
	const n, loss = 100, 0.3
	server := datagrams(t, bytes.Clone)
	for _, tt := range []struct {
		name string
		ways []uint64 // of the first outpost's, by what seeds them
		to   func(both []*outpost) (netip.AddrPort, *outpost)
	}{
		{"server", []uint64{2, 1}, func(both []*outpost) (netip.AddrPort, *outpost) {
			return both[0].server, both[0]
		}},
		{"outpost", []uint64{2}, func(both []*outpost) (netip.AddrPort, *outpost) {
			return at(both[1]), both[1]
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both := outposts(t, server, loss, 2)
			want := n
			for _, w := range tt.ways {
				chance, in := rand.New(rand.NewPCG(0, w)), want
				for range in {
					if chance.Float64() < loss {
						want--
					}
				}
			}
			to, where := tt.to(both)
			for range n {
				if _, err := both[0].WriteToUDPAddrPort([]byte("far"), to); err != nil {
					t.Fatal(err)
				}
			}
			for got := range want {
				select {
				case <-where.inbox:
				case <-time.After(postTime):
					t.Fatalf("%d of %d came, want %d", got, n, want)
				}
			}
			select {
			case <-where.inbox:
				t.Errorf("more than %d of %d came", want, n)
			case <-time.After(5 * farDelay):
			}
		})
	}
}

func TestOutpostCloses(t *testing.T) {
	o := outposts(t, "127.0.0.1:9", 0, 1)[0]
	read := make(chan error, 1)
	go func() {
		_, _, err := o.ReadFromUDPAddrPort(make([]byte, 9))
		read <- err
	}()
	if _, err := o.WriteToUDPAddrPort([]byte("under way"), at(o)); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read ends with %v", err)
	}
	if _, err := o.WriteToUDPAddrPort([]byte("late"), at(o)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write afterwards: %v", err)
	}
	if err := o.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
}
