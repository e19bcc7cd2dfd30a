package session

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

func (st *station) up() bool { return st.s.Datagrams() }

// changes notes what Changed is told; call it before anything changes.
func (st *station) changes() func() []bool {
	d := st.s.dg.Load()
	var told []bool
	st.s.OnPath(func(up bool) { told = append(told, up) }) // way's
	return func() []bool {
		d.way.Lock()
		defer d.way.Unlock()
		return append([]bool(nil), told...)
	}
}

// udpOnly is a link that cuts UDP and lets the stream pass: streams take no loss.
var udpOnly = simnet.Link{Delay: 10 * time.Millisecond, Loss: 1}

// A path that dies beside a stream is given up within 5 s of use in either
// direction, whichever way it was cut. Messages go by the stream then, sequenced
// ones in order, reliable ones as ever, and by UDP again after an Attach.
func TestDeadPath(t *testing.T) {
	for _, user := range []string{"client", "server"} {
		for _, cut := range []string{"both", "up", "down"} {
			for phase := range 5 {
				t.Run(fmt.Sprint(user, cut, phase), func(t *testing.T) {
					bubble(t, func(t *testing.T) { deadPath(t, user, cut, time.Duration(phase)*230*time.Millisecond) })
				})
			}
		}
	}
}

func deadPath(t *testing.T, user, cut string, phase time.Duration) {
	w := newWorld(t, worldConfig{link: near, beside: true})
	from, to := w.client, w.server
	if user == "server" {
		from, to = to, from
	}
	until(t, time.Second, "UDP", func() bool { return from.up() && to.up() })
	g := newLedger(to.in)
	n := 0
	send := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); n++ {
			from.put(wire.Sequenced(1), parcel(0, n+1, 20))
			from.put(wire.Reliable, parcel(0, n, 20))
			from.s.Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}
	send(3*time.Second + phase)
	up, down := w.client.e.LocalAddr().Addr(), w.addr.Addr()
	if cut != "down" {
		w.net.SetOneWay(up, down, udpOnly)
	}
	if cut != "up" {
		w.net.SetOneWay(down, up, udpOnly)
	}
	start := time.Now()
	for from.up() || to.up() {
		send(50 * time.Millisecond)
		if time.Since(start) > 5*time.Second+100*time.Millisecond {
			t.Fatalf("up for %v after the cut", time.Since(start))
		}
	}
	before := g.newest(wire.Sequenced(1))
	send(time.Second)
	time.Sleep(100 * time.Millisecond)
	if last := g.newest(wire.Sequenced(1)); last != n || last == before {
		t.Errorf("the newest by the stream is %d, want %d", last, n)
	}
	w.net.SetLink(up, down, near)
	w.attach()
	until(t, time.Second, "UDP again", func() bool { return from.up() && to.up() })
	send(time.Second)
	time.Sleep(100 * time.Millisecond)
	if last := g.newest(wire.Sequenced(1)); last != n {
		t.Errorf("the newest by UDP is %d, want %d", last, n)
	}
	if total, err := g.total(); total != n || err != nil {
		t.Errorf("%d of %d reliable messages: %v", total, n, err)
	}
}

// A link that nothing goes by is not looked at, and one that loses much is not
// given up.
func TestHealthyPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{seed: 3, link: simnet.Link{Delay: 30 * time.Millisecond, Loss: 0.1}, beside: true})
		until(t, 5*time.Second, "UDP", func() bool { w.client.l.ping(); return w.client.up() && w.server.up() })
		for range 1200 {
			w.client.send(wire.Unreliable, "x")
			time.Sleep(100 * time.Millisecond)
		}
		if !w.client.up() || !w.server.up() {
			t.Error("given up at 10 % loss")
		}
	})
}

// The owner is told each change once, in order; an Attach in place of a live
// link is a change too: nothing is sent by the new one before it has been heard.
func TestChangedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, beside: true, idle: true})
		told := w.client.changes()
		w.client.s.Start(w.client.in)
		w.server.s.Start(w.server.in)
		until(t, time.Second, "UDP", w.client.up)
		w.attach()
		if w.client.up() {
			t.Error("up before anything has come by the new link")
		}
		until(t, time.Second, "UDP", w.client.up)
		w.client.s.Detach()
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		if w.server.up() {
			t.Error("the server was not told")
		}
		if got := fmt.Sprint(told()); got != "[true false true false]" {
			t.Errorf("told %v", got)
		}
	})
}

// While links come and go nothing is refused.
func TestPutWhileLinksChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, beside: true})
		stop := make(chan struct{})
		done := make(chan error)
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if err := w.client.send(wire.Unreliable, "x"); err == ErrClosed {
					done <- err
					return
				}
				time.Sleep(200 * time.Microsecond)
			}
		}()
		for range 100 {
			w.attach()
			time.Sleep(21 * time.Millisecond)
			w.client.s.Detach()
			time.Sleep(time.Millisecond)
			checkSent(t, w.client.s)
		}
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The race of a message with the end of its link, step by step.
func TestPutOnLinkJustGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, beside: true})
		until(t, time.Second, "UDP", w.client.up)
		w.client.l.abandon() // linkDown has come so far
		for _, d := range []wire.Delivery{wire.Unreliable, wire.Sequenced(1)} {
			if err := w.client.send(d, "x"); err != nil {
				t.Errorf("%v: %v", d, err)
			}
		}
		time.Sleep(50 * time.Millisecond)
		if len(w.server.in.of(wire.Unreliable)) != 1 || len(w.server.in.of(wire.Sequenced(1))) != 1 {
			t.Error("they did not come by the stream")
		}
	})
}

// Nothing is sent by a link that has not begun, nor is one seen half made, while
// others send.
func TestSendWhileAttached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, beside: true})
		until(t, time.Second, "UDP", w.server.up)
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			wg.Go(func() {
				for !isClosed(stop) {
					w.server.send(wire.Unreliable, "x") // an error says that it was dropped
					runtime.Gosched()
				}
			})
		}
		for range 1000 {
			w.link()
			l := w.server.l
			w.server.s.Attach(l)
			runtime.Gosched()
			var sent Sent
			if l.addTo(&sent); sent.Accepted != 0 {
				t.Errorf("%d messages are sent by a link that has not begun", sent.Accepted)
				break
			}
			w.server.s.linkUp(l)
			runtime.Gosched()
		}
		close(stop)
		wg.Wait()
	})
}

// A session that has ended takes no link any more.
func TestAttachTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, beside: true})
		w.server.s.Close(wire.CodeKicked, "")
		until(t, 5*time.Second, "both ends", func() bool { return w.server.hasEnded() && w.client.hasEnded() })
		w.link()
		w.server.s.Attach(w.server.l)
		w.client.s.Attach(w.client.l)
		if n := w.server.e.Links() + w.client.e.Links(); n != 0 {
			t.Errorf("%d links", n)
		}
		w.server.e.mu.Lock()
		defer w.server.e.mu.Unlock()
		if n := len(w.server.e.links); n != 0 {
			t.Errorf("%d ids are reserved", n)
		}
	})
}
