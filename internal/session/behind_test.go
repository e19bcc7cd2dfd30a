package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

// While the endpoint's reader has the transmitter held, what waits for it is
// bounded as it is behind a slow socket.
func TestLossyWhileHeld(t *testing.T) {
	for _, d := range []wire.Delivery{wire.Unreliable, wire.Sequenced(1)} {
		for _, size := range []int{4, 1000} {
			t.Run(fmt.Sprintf("%d by %d bytes", d.Class(), size), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, worldConfig{})
					time.Sleep(time.Second)
					w.server.e.tx.hold()
					for i := range 20000 {
						if d.Class() == wire.ClassSequenced {
							d = wire.Sequenced(uint16(i))
						}
						w.server.send(d, string(make([]byte, size))) // an error says that it was dropped
					}
					q := &w.server.l.lossy
					expectBounded(t, q)
					if used := w.server.env.Budget.Used(); used > int64(2*q.hard) {
						t.Errorf("they take %d bytes", used)
					}
					w.server.e.tx.release()
				})
			})
		}
	}
}

func expectBounded(t *testing.T, q *outbox) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if bytes, places := q.queuedLocked(), len(q.lossy); bytes > q.soft || q.frames > maxHeld || places > 2*maxHeld {
		t.Errorf("%d bytes in %d frames wait, %d places are kept", bytes, q.frames, places)
	}
}

// So is what waits in a pair's link, whose transmitter is its client's.
func TestPairLossyWhileHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTrio(t, 1, simnet.Link{Delay: time.Millisecond}, simnet.PortRestricted(), simnet.PortRestricted())
		f := w.friends[0]
		f.e.tx.hold()
		m := wire.GroupMessage{Delivery: wire.Unreliable, Body: wire.Payload(make([]byte, 100))}
		frame := m.AppendFrame(nil)
		for range 20000 {
			f.pair.PutRelayed(frame, wire.Unreliable, 1, 2) // an error says that it was dropped
		}
		expectBounded(t, &f.pair.dg.Load().link.Load().lossy)
		f.e.tx.release()
	})
}

// A turn that sends much to one session loses nothing by that.
func TestBurstInATurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{})
		time.Sleep(time.Second)
		const n = 400
		w.server.e.tx.hold()
		for i := range n {
			if err := w.server.send(wire.Unreliable, fmt.Sprintf("%0200d", i)); err != nil {
				t.Fatal(err)
			}
		}
		w.server.e.tx.release()
		time.Sleep(time.Second)
		if got := len(w.client.in.of(wire.Unreliable)); got != n {
			t.Errorf("%d of %d messages came", got, n)
		}
	})
}
