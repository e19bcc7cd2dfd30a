package session

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// charged is what the link has charged for segments.
func (w *lone) charged() int64 {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	return int64(w.l.unread + w.l.unacked)
}

// scatter sends segments of all channels with a gap before each of them.
func (w *lone) scatter(count int) {
	for number := range channels {
		for seq := 1; seq <= count; seq++ {
			w.hear(packet.AppendFrame(nil, packet.FrameReliable, pushSegment(number, seq)))
		}
	}
}

// pushSegment is KCP's segment with a byte that is a message.
func pushSegment(number, seq int) []byte {
	h := make([]byte, 25)
	binary.LittleEndian.PutUint32(h, uint32(number))
	h[4] = 81
	binary.LittleEndian.PutUint16(h[6:], 128)
	binary.LittleEndian.PutUint32(h[12:], uint32(seq))
	h[20] = 1
	return h
}

// ping keeps a session from idling.
func (w *lone) ping() {
	m := newPing(time.Now())
	w.hear(packet.AppendFrame(nil, packet.FrameControl, m.AppendFrame(nil)))
}

// alive pings as often as every, and returns for how long the session lived.
func (w *lone) alive(every, limit time.Duration) time.Duration {
	start := time.Now()
	for time.Since(start) < limit {
		time.Sleep(every)
		synctest.Wait()
		if w.s.Err() != nil {
			break
		}
		w.ping()
	}
	return time.Since(start)
}

// What a client has this end keep counts, and is given back with its session: a
// client that closes no gap in what it sends keeps it for 20 s of being there,
// and one that comes but seldom for a minute.
func TestGapEndsSession(t *testing.T) {
	tests := []struct {
		name        string
		ping        time.Duration
		least, most time.Duration
	}{
		{"heard", time.Second, maxGap, maxGap + 2*time.Second},
		{"seldom heard", 10 * time.Second, maxUnacked, maxUnacked + 10*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newLone(t, Limits{PingInterval: 10 * time.Second}, true)
				w.s.Start(w.in)
				w.scatter(255)
				const want = channels * 255 * 1500
				if used := w.env.Budget.Used(); used < want || w.charged() != want {
					t.Errorf("the budget counts %d bytes, the link %d, want %d", used, w.charged(), want)
				}
				if got := w.alive(tt.ping, 5*time.Minute); got < tt.least || got > tt.most {
					t.Errorf("it lived for %v, want %v to %v", got, tt.least, tt.most)
				}
				if err := w.s.Err(); err == nil || err.Code != wire.CodeSlow {
					t.Errorf("it ended with %v", err)
				}
				w.close(t)
				if used := w.env.Budget.Used(); used != 0 {
					t.Errorf("%d bytes of the budget were not given back", used)
				}
			})
		})
	}
}

// A path that is interrupted for longer than that does no harm: once it is back
// there is time to close the gap.
func TestGapOverSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLone(t, Limits{}, true)
		w.s.Start(w.in)
		w.in.lenient = true
		w.alive(time.Second, time.Minute)
		w.hear(packet.AppendFrame(nil, packet.FrameReliable, pushSegment(0, 1)))
		time.Sleep(30 * time.Second)
		w.ping()
		if got := w.alive(time.Second, 15*time.Second); w.s.Err() != nil {
			t.Errorf("it ended %v after it was heard again, with %v", got, w.s.Err())
		}
		w.close(t)
	})
}

// A client that pings and acknowledges nothing does not have this end keep what
// it has sent for ever.
func TestNothingAcknowledgedEndsSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLone(t, Limits{PingInterval: 5 * time.Second}, true)
		w.s.Start(w.in)
		w.ping()
		if err := w.send(wire.Reliable, "x"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := w.charged(); n != 1500 {
			t.Errorf("%d bytes are charged for a segment", n)
		}
		if got := w.alive(time.Second, 5*time.Minute); got < maxUnacked || got > maxUnacked+2*time.Second {
			t.Errorf("it lived for %v", got)
		}
		if err := w.s.Err(); err == nil || err.Code != wire.CodeSlow {
			t.Errorf("it ended with %v", err)
		}
		w.close(t)
		if used := w.env.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget were not given back", used)
		}
	})
}

// Where the budget of the process is exhausted those who have much kept end, and
// others do not notice.
func TestExhaustedBudget(t *testing.T) {
	tests := []struct {
		name  string
		limit int64
		count int // segments of each channel
		ends  bool
	}{
		{"a hoarder", 256 << 10, 100, true},
		{"little is kept", 16 << 10, 4, false},
		{"there is room", 64 << 20, 100, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newLone(t, Limits{Budget: tt.limit}, true)
				w.s.Start(w.in)
				w.scatter(tt.count)
				time.Sleep(time.Second)
				err := w.s.Err()
				if ended := err != nil; ended != tt.ends {
					t.Errorf("ended with %v", err)
				}
				if err != nil && err.Code != wire.CodeSlow {
					t.Errorf("ended with %v", err)
				}
				w.close(t)
			})
		})
	}
}

// What has been sent and is not acknowledged is part of what a session may queue.
func TestExhaustedBudgetBySending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLone(t, Limits{Budget: 128 << 10}, true)
		w.s.Start(w.in)
		w.ping()
		refused := false
		for range 200 {
			refused = refused || w.send(wire.Reliable, string(make([]byte, 1000))) == ErrOverloaded
			time.Sleep(time.Millisecond)
		}
		if !refused {
			t.Errorf("%d bytes are kept of a budget of 128 KiB, and nothing was refused", w.charged())
		}
		w.close(t)
	})
}

// Whatever finds a link at fault, its session ends: what comes to the second
// socket, too, where nobody goes on to hand anything on.
func TestFaultAtSecondSocket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLone(t, Limits{}, true)
		w.s.Start(w.in)
		w.ping()
		w.l.mu.Lock()
		w.l.crypt.Forged = 1<<24 - 1
		w.l.mu.Unlock()
		p := w.peer.Seal(make([]byte, packet.HeaderSize, packet.MaxSize), w.l.self)
		p[len(p)-1] ^= 1
		w.l.receiveSecond(p, w.from, time.Now())
		synctest.Wait()
		if err := w.s.Err(); err == nil || err.Code != wire.CodeProtocol {
			t.Errorf("the keys are worn out, and the session ended with %v", err)
		}
		w.close(t)
	})
}
