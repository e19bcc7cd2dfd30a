package session

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A receiver that takes nothing leaves what is reliable where it is, in bounded
// memory, and loses what is not; what it left comes when it takes again.
func TestLinkGate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, limits: Limits{QueueHard: 4 << 20, Rate: Rate{PerSecond: -1}}})
		g := newLedger(w.server.in)
		w.server.in.shut = true
		before := heap()
		const messages = 800
		for i := range messages {
			if err := w.client.put(wire.Reliable.On(2), parcel(2, i, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		w.client.s.Flush()
		time.Sleep(2 * time.Second)
		for i := range 20 {
			w.client.put(wire.Unreliable, parcel(0, i, 100))
		}
		w.client.s.Flush()
		time.Sleep(time.Second)
		taken, err := g.total()
		if taken > 200 || err != nil {
			t.Errorf("%d messages came past the gate, %v", taken, err)
		}
		if n := w.server.s.Counts().Unread.Load(); n != 20 || g.lossy() != 0 {
			t.Errorf("%d unreliable messages counted as unread, %d came", n, g.lossy())
		}
		if took := int64(heap() - before); took > 4<<20 {
			t.Errorf("%d bytes of memory are taken by %d", took, messages*1000)
		}
		w.server.in.open()
		took := until(t, 10*time.Second, "the rest", func() bool { n, _ := g.total(); return n == messages })
		if took > 500*time.Millisecond {
			t.Errorf("the rest took %v", took)
		}
		if _, err := g.total(); err != nil {
			t.Error(err)
		}
	})
}

// Who is never read is closed as slow.
func TestLinkSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.in.shut = true
		for range 900 {
			if err := w.server.put(wire.Reliable, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		w.server.s.Flush()
		took := until(t, time.Minute, "the server's end", w.server.hasEnded)
		if took < maxAge || took > 2*maxAge+500*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
		expectEnd(t, w.server, wire.CodeSlow, false)
		until(t, time.Second, "the client's end", w.client.hasEnded)
		expectEnd(t, w.client, wire.CodeSlow, true)
	})
	bubble(t, func(t *testing.T) { // at once where the queue is full
		w := newWorld(t, worldConfig{link: near})
		var err error
		n := 0
		for ; err == nil; n++ {
			err = w.server.put(wire.Reliable, make([]byte, 60000))
		}
		if !errors.Is(err, ErrOverloaded) || n < 17 || n > 24 {
			t.Errorf("message %d of 60,000 bytes: %v", n, err)
		}
		until(t, time.Second, "the server's end", w.server.hasEnded)
		expectEnd(t, w.server, wire.CodeSlow, false)
	})
}

func TestLinkTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		tests := []struct {
			d    wire.Delivery
			size int
			ok   bool
		}{
			{wire.Reliable, 65500, true},
			{wire.Reliable, 65536, false},
			{wire.Unreliable, 1100, true},
			{wire.Unreliable, 1180, false},
			{wire.Sequenced(1), 1100, true},
			{wire.Sequenced(1), 1180, false},
			{wire.Unreliable.Twice(), 1100, true},
		}
		for _, test := range tests {
			err := w.client.put(test.d, make([]byte, test.size))
			if test.ok && err != nil || !test.ok && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%v with %d bytes: %v", test.d, test.size, err)
			}
			w.client.s.Flush()
			time.Sleep(100 * time.Millisecond)
			if got := w.server.in.of(test.d); test.ok && (len(got) == 0 || len(got[len(got)-1]) != test.size) {
				t.Errorf("%v with %d bytes did not come", test.d, test.size)
			}
		}
	})
}

// busyRoute is a group that has no room until it is freed.
type busyRoute struct {
	mu    sync.Mutex
	got   []string
	free  chan struct{} // closed
	limit time.Duration // of its patience
}

func (r *busyRoute) Send(m wire.GroupSend, _ *Buffer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, string(m.Payload))
	return nil
}

func (r *busyRoute) EndRead(wait bool) error {
	select {
	case <-r.free:
		return nil
	default:
	}
	if !wait {
		return ErrWait
	}
	t := time.NewTimer(r.limit)
	defer t.Stop()
	select {
	case <-r.free:
		return nil
	case <-t.C:
		return &CloseError{Code: wire.CodeOverloaded, Text: "the group is too slow"}
	}
}

func (r *busyRoute) Ack(uint64) error                 { return nil }
func (r *busyRoute) Set(*wirepb.GroupSet, bool) error { return nil }
func (r *busyRoute) Gone(*CloseError)                 {}
func (r *busyRoute) texts() []string                  { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.got) }
func (st *station) toGroup(d wire.Delivery, s string) {
	st.s.PutGroupSend(&wire.GroupSend{Group: 9, Delivery: d, Body: wire.Text(s)})
	st.s.Flush()
}
func (st *station) join(t *testing.T, g *busyRoute) { st.s.AddRoute(9, g, 0) }
func newBusy(limit time.Duration) *busyRoute {
	return &busyRoute{free: make(chan struct{}), limit: limit}
}

// A busy group holds up the session that has sent to it and nobody else, and
// what that session sends comes in order afterwards.
func TestLinkBusyGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		other := w.another()
		g := newBusy(5 * time.Second)
		w.server.join(t, g)
		w.client.toGroup(wire.Reliable, "1")
		w.client.toGroup(wire.Reliable, "2")
		w.client.send(wire.Reliable, "3")
		time.Sleep(100 * time.Millisecond)
		for i := range 300 {
			w.client.toGroup(wire.Reliable, strings.Repeat("x", 1000))
			w.client.toGroup(wire.Unreliable, "u")
			if i%100 == 0 {
				other.client.send(wire.Reliable, "o")
			}
			time.Sleep(time.Millisecond)
		}
		if got := other.server.in.of(wire.Reliable); len(got) != 3 {
			t.Errorf("of another session %d messages came, want 3", len(got))
		}
		if n := len(g.texts()); n > 60 {
			t.Errorf("the group got %d messages while it was busy", n)
		}
		close(g.free)
		until(t, 5*time.Second, "the rest", func() bool {
			return len(slices.DeleteFunc(g.texts(), func(s string) bool { return s == "u" })) == 302
		})
		if got := g.texts(); got[0] != "1" {
			t.Errorf("first came %q", got[0])
		}
		if got := w.server.in.of(wire.Reliable); !slices.Equal(got, []string{"3"}) {
			t.Errorf("%q came", got)
		}
		if w.server.hasEnded() {
			t.Error(w.server.in.ended())
		}
	})
	bubble(t, func(t *testing.T) { // until its patience is over
		w := newWorld(t, worldConfig{link: near})
		w.server.join(t, newBusy(5*time.Second))
		w.client.toGroup(wire.Reliable, "1")
		took := until(t, 10*time.Second, "the end", w.server.hasEnded)
		if took < 5*time.Second || took > 5500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		expectEnd(t, w.server, wire.CodeOverloaded, false)
	})
}

// What came before a goodbye is handed on before the end is told, be it that a
// group holds it up.
func TestLinkCloseBehindBusyGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		g := newBusy(5 * time.Second)
		w.server.join(t, g)
		w.client.toGroup(wire.Reliable, "1")
		time.Sleep(100 * time.Millisecond)
		for range 5 {
			w.client.send(wire.Reliable, "after")
		}
		w.client.s.Close(wire.CodeNormal, "")
		time.Sleep(time.Second)
		if w.server.hasEnded() {
			t.Error("the end was told before what came before it")
		}
		close(g.free)
		until(t, time.Second, "the end", w.server.hasEnded)
		expectEnd(t, w.server, wire.CodeNormal, true)
		if got := w.server.in.of(wire.Reliable); len(got) != 5 {
			t.Errorf("%q came before the end", got)
		}
	})
}

// Whoever decodes may take long; what could not be pending meanwhile is not
// forgotten.
func TestLinkSlowDecoder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, limits: Limits{Rate: Rate{PerSecond: -1}}})
		g := newLedger(w.server.in)
		w.server.in.shut = true
		const messages = 420
		put := func(from, to int) {
			for i := from; i < to; i++ {
				if err := w.client.put(wire.Reliable, parcel(0, i, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			w.client.s.Flush()
			time.Sleep(200 * time.Millisecond)
		}
		put(0, 150) // up to the gate
		stop := make(chan struct{})
		w.server.in.mu.Lock()
		w.server.in.onMsg = func(d wire.Delivery, b []byte) { <-stop; g.take(d, b) }
		w.server.in.mu.Unlock()
		go w.server.in.open() // decodes, and is held up
		time.Sleep(10 * time.Millisecond)
		put(150, messages)
		close(stop)
		time.Sleep(100 * time.Millisecond) // no packet comes that could help
		synctest.Wait()
		if n, err := g.total(); n != messages || err != nil {
			t.Errorf("%d of %d messages came: %v", n, messages, err)
		}
	})
}

// What ends a session comes behind what came before it, be it that whoever
// decodes takes long.
func TestLinkFaultBehindPending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		g := newLedger(w.server.in)
		w.server.in.shut = true
		put := func(from, to int) {
			for i := from; i < to; i++ {
				if err := w.client.put(wire.Reliable, parcel(0, i, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			w.client.s.Flush()
			time.Sleep(200 * time.Millisecond)
		}
		put(0, 150) // up to the gate
		stop := make(chan struct{})
		w.server.in.mu.Lock()
		w.server.in.onMsg = func(d wire.Delivery, b []byte) { <-stop; g.take(d, b) }
		w.server.in.mu.Unlock()
		go w.server.in.open() // decodes, and is held up
		time.Sleep(10 * time.Millisecond)
		put(150, 165)
		w.client.say(packet.AppendFrame(nil, 0x7f, nil))
		time.Sleep(50 * time.Millisecond)
		close(stop)
		until(t, time.Second, "the end", w.server.hasEnded)
		expectEnd(t, w.server, wire.CodeProtocol, false)
		if n, err := g.total(); n != 165 || err != nil {
			t.Errorf("%d of 165 messages came before the end: %v", n, err)
		}
	})
}

// A stream's reader that waits for a group holds up what comes by datagrams, in
// bounded memory, and not the endpoint.
func TestBesideBusyStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, beside: true, limits: Limits{Rate: Rate{PerSecond: -1}}})
		until(t, time.Second, "UDP", func() bool { return w.client.s.Datagrams() && w.server.s.Datagrams() })
		g := newBusy(5 * time.Second)
		w.server.join(t, g)
		w.client.toGroup(wire.Reliable, "by the stream")
		time.Sleep(50 * time.Millisecond)
		for range 2000 {
			w.client.put(wire.Unreliable, make([]byte, 1000))
			w.client.s.Flush()
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(50 * time.Millisecond)
		d := w.server.s.dg.Load()
		d.mu.Lock()
		bytes := d.bytes
		d.mu.Unlock()
		if bytes > 2*maxPending {
			t.Errorf("%d bytes are pending", bytes)
		}
		if n := w.server.s.Counts().Unread.Load(); n < 1000 {
			t.Errorf("%d messages were dropped", n)
		}
		close(g.free)
		time.Sleep(time.Second)
		w.client.send(wire.Unreliable, "now")
		time.Sleep(50 * time.Millisecond)
		if got := w.server.in.of(wire.Unreliable); len(got) == 0 || got[len(got)-1] != "now" {
			t.Errorf("nothing comes afterwards")
		}
	})
}
