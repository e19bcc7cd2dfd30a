package groups

import (
	"io"
	"net"
	"testing"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// audience makes a quiet group of n members at the other end of TCP
// connections, where everything is read and nothing answered.
func audience(t testing.TB, n int) (*world, *Group) {
	w := newWorld(t, session.Limits{}, actor.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	list := make([]*peers.Peer, n)
	for i := range list {
		near, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		far, err := l.Accept()
		must(t, err)
		list[i] = w.serve(session.NewConn(far), false)
		t.Cleanup(func() { near.Close() })
		go io.Copy(io.Discard, near) // ends with the connection
	}
	g, err := Create(w.sys, Options{Quiet: true, AckTimeout: -1, Relay: transport.Rate{PerSecond: -1}}, list...)
	must(t, err)
	for g.Len() < n {
		_, err := g.Info(t.Context())
		must(t, err)
	}
	return w, g
}

// routeOf is a member's, for a test that plays its reader.
func routeOf(g *Group) *route {
	s := g.view.Load().seats[0]
	return s.peer.Session().Routes()[g.id].(*route)
}

func TestRelayDoesNotAllocate(t *testing.T) {
	if session.Poison {
		t.Skip("buffers are not pooled in this build")
	}
	_, g := audience(t, 50)
	r := routeOf(g)
	m := wire.GroupSend{Code: 1, Delivery: wire.Unreliable, Group: g.id, Body: wire.Payload(make([]byte, 64))}
	to := m
	to.To = wire.MakeIDs(g.view.Load().seats[1].id, g.view.Load().seats[2].id)
	relay := func() {
		if r.Send(m, nil) != nil || r.Send(to, nil) != nil || r.EndRead(true) != nil {
			t.Fatal("closed")
		}
	}
	relay()
	if n := testing.AllocsPerRun(200, relay); n >= 1 {
		t.Errorf("%v allocations for two messages to 51 members", n)
	}
}

// BenchmarkTell500 places a reliable message in the log of a group of 500 and
// writes it to all of them, as the group's actor does.
func BenchmarkTell500(b *testing.B) {
	_, g := audience(b, 500)
	m := &sendCall{wire.GroupSend{Code: 1, Body: wire.Payload(make([]byte, 64))}}
	b.ReportAllocs()
	for b.Loop() {
		g.ref.Force(m)
		if _, err := actor.Ask[any](b.Context(), g.ref, struct{}{}); err != actor.ErrNoAnswer { // behind it
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/delivery")
}

// BenchmarkRelay500 passes an unreliable message to a group of 500, as a
// member's reader does.
func BenchmarkRelay500(b *testing.B) {
	_, g := audience(b, 500)
	r := routeOf(g)
	m := wire.GroupSend{Code: 1, Delivery: wire.Unreliable, Group: g.id, Body: wire.Payload(make([]byte, 64))}
	b.ReportAllocs()
	for b.Loop() {
		if r.Send(m, nil) != nil || r.EndRead(true) != nil {
			b.Fatal("closed")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/499, "ns/delivery")
}
