package reliable

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// T2 and T2b: the largest message passes through the window; what is larger,
// or empty, is refused.
func TestT2LargestMessage(t *testing.T) {
	a, b := pair(t, 1)
	m := bytes.Repeat([]byte("message!"), MaxMessage/8)
	var got []byte
	b.received = func(m []byte) { got = m }
	if err := a.Send(m); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		a.deliver(t, b)
		b.deliver(t, a)
	}
	if !bytes.Equal(got, m) {
		t.Errorf("%d bytes arrived of %d", len(got), len(m))
	}
}

func TestT2bLimits(t *testing.T) {
	a, _ := pair(t, 0)
	if err := a.Send(nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("empty: %v", err)
	}
	if err := a.Send(make([]byte, MaxMessage+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if a.Waiting() != 0 || a.Active() {
		t.Error("a refused message waits")
	}
	if MaxMessage < 64<<10+16 {
		t.Errorf("MaxMessage is %d", MaxMessage)
	}
}

// T7: no packet exceeds MTU, which never shrinks below what is queued, because
// it never changes.
func TestT7PacketsFit(t *testing.T) {
	largest := 0
	c := New(1, func(p []byte) { largest = max(largest, len(p)) })
	for size := 1; size <= MaxMessage; size += 997 {
		c.Send(make([]byte, size))
	}
	c.Flush()
	if largest != MTU {
		t.Errorf("largest packet %d, want %d", largest, MTU)
	}
}

// T8: to an end that is gone segments are repeated for ever, ever more seldom,
// and Stalled tells the owner.
func TestT8SilentEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.loss = 1
		w.a.Send(make([]byte, 1000))
		w.a.Flush()
		w.until(time.Minute, func() bool { return w.elapsed >= 30*time.Second })
		if s := w.a.Stalled(); s != 30*time.Second {
			t.Errorf("stalled for %v", s)
		}
		if n := w.a.Stats().Resent; n < 5 || n > 40 {
			t.Errorf("repeated %d times in 30 s", n)
		}
		if !w.a.Active() {
			t.Error("nothing to do, with a segment on its way")
		}
	})
}

// Stalled starts anew with every progress and with every first message.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.a.Send([]byte("one"))
		w.a.Flush()
		w.until(time.Second, func() bool { return w.a.Waiting() == 0 })
		if s := w.a.Stalled(); s != 0 {
			t.Errorf("stalled for %v with nothing waiting", s)
		}
		time.Sleep(time.Hour)
		w.elapsed = time.Since(w.start)
		w.a.Send([]byte("acknowledged"))
		w.a.Flush()
		w.a.out = func([]byte) {} // from here on all of it is lost
		w.a.Send([]byte("two"))
		w.until(time.Second, func() bool { return w.a.Waiting() == 1 })
		progress := w.elapsed
		w.until(time.Hour, func() bool { return w.elapsed == progress+7*time.Second })
		w.a.Send([]byte("three"))
		if s := w.a.Stalled(); s != 7*time.Second {
			t.Errorf("stalled for %v, want 7s", s)
		}
	})
}

// T13: KCP takes any amount; Full says when the owner has to stop.
func TestT13SendNeverRefuses(t *testing.T) {
	a, _ := pair(t, 0)
	for i := range 3 * Window {
		if full := a.Full(); full != (i >= Window) {
			t.Fatalf("full is %v with %d waiting", full, a.Waiting())
		}
		if err := a.Send([]byte("m")); err != nil {
			t.Fatal(err)
		}
		if a.Waiting() != i+1 {
			t.Fatalf("%d wait of %d", a.Waiting(), i+1)
		}
	}
}

// T15: Flush sends without time passing, whatever KCP's grid; this version of
// KCP has the field that it takes.
func TestT15FlushSendsAtOnce(t *testing.T) {
	if !canPoke {
		t.Fatal("this version of KCP cannot be poked: messages wait up to 10 ms")
	}
	synctest.Test(t, func(t *testing.T) {
		packets := 0
		c := New(1, func([]byte) { packets++ })
		send := func(when string) {
			t.Helper()
			for range 3 {
				before := packets
				c.Send([]byte("m"))
				c.Flush()
				if packets != before+1 {
					t.Fatalf("%s: %d packets left, want 1", when, packets-before)
				}
			}
		}
		send("at first")
		time.Sleep(3 * time.Millisecond)
		send("between two ticks")
		time.Sleep(time.Minute)
		c = New(1, func([]byte) { packets++ })
		send("at first, later")
		for range 5 { // KCP's milliseconds wrap here
			c = New(1, func([]byte) { packets++ })
			time.Sleep(time.Duration(-now()-4000) * time.Millisecond)
			send("4 s before the wrap")
			time.Sleep(4 * time.Second)
			send("at the wrap")
			time.Sleep(4 * time.Second)
			send("after the wrap")
		}
	})
}

// Without the poke KCP's grid rules, and all still arrives.
func TestWithoutPoke(t *testing.T) {
	defer func(was bool) { canPoke = was }(canPoke)
	canPoke = false
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) { model(t, seed, .05) })
	}
}

// now is KCP's clock, which the times of segments are by.
func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at uint32
		c := New(1, func(p []byte) { at = parseHeader(p).time })
		for range 3 {
			time.Sleep(1234 * time.Millisecond)
			c.Send([]byte("m"))
			c.Flush()
			if at != now() {
				t.Errorf("a segment left at %d, now is %d", at, now())
			}
			c = New(1, func(p []byte) { at = parseHeader(p).time })
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.delay = 20 * time.Millisecond
		bytesOut := 0
		w.a.out = func(out func([]byte)) func([]byte) {
			return func(p []byte) { bytesOut += len(p); out(p) }
		}(w.a.out)
		w.a.Send(make([]byte, 3*Segment))
		w.loss = 1
		w.a.Flush()
		w.loss = 0
		w.until(time.Second, func() bool { return w.a.Waiting() == 0 && !w.b.Active() })
		s := w.a.Stats()
		if s.Sent != 3 || s.Resent != 3 || s.Packets != uint64(w.a.packets) || s.Bytes != uint64(bytesOut) {
			t.Errorf("%+v, %d packets and %d bytes left", s, w.a.packets, bytesOut)
		}
		if s.RTT < 40*time.Millisecond || s.RTT > 50*time.Millisecond {
			t.Errorf("round trip of 40 ms measured as %v", s.RTT)
		}
		if s := w.b.Stats(); s.Sent != 0 || s.RTT != 0 {
			t.Errorf("who sent nothing has %+v", s)
		}
	})
}

func TestConstants(t *testing.T) {
	if headerSize != kcp.IKCP_OVERHEAD || push != kcp.IKCP_CMD_PUSH || ack != kcp.IKCP_CMD_ACK ||
		windowAsk != kcp.IKCP_CMD_WASK || windowTell != kcp.IKCP_CMD_WINS {
		t.Error("KCP's constants have changed")
	}
}
