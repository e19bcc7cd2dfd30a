package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
)

var near = simnet.Link{Delay: 10 * time.Millisecond}

// expectEnd checks how an end of a session has ended.
func expectEnd(t *testing.T, st *station, code wire.Code, remote bool) {
	t.Helper()
	if ce := st.in.ended(); ce == nil || ce.Code != code || ce.Remote != remote {
		t.Errorf("ended with %v, want code %v, said by the other end: %v", ce, code, remote)
	}
}

func (st *station) hasEnded() bool { return st.in.ended() != nil }

// What was sent before a Close arrives before it, with its code and text,
// whatever is lost on the way, and both ends are done soon.
func TestLinkClose(t *testing.T) {
	for _, weather := range weathers {
		t.Run(weather.name, func(t *testing.T) {
			for seed := range 10 {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, worldConfig{seed: uint64(seed), link: weather.link})
					g := newLedger(w.client.in)
					for i := range 50 {
						if err := w.server.put(wire.Reliable.On(1), parcel(1, i, 500)); err != nil {
							t.Fatal(err)
						}
					}
					w.server.s.Close(wire.CodeKicked, "out")
					if err := w.server.put(wire.Reliable, nil); err != ErrClosed {
						t.Errorf("put after Close: %v", err)
					}
					until(t, 10*time.Second, "both ends", func() bool { return w.server.hasEnded() && w.client.hasEnded() })
					expectEnd(t, w.server, wire.CodeKicked, false)
					expectEnd(t, w.client, wire.CodeKicked, true)
					if n, err := g.total(); n != 50 || err != nil {
						t.Errorf("%d of 50 messages came before the end: %v", n, err)
					}
					if text := w.client.in.ended().Text; text != "out" {
						t.Errorf("the text is %q", text)
					}
				})
			}
		})
	}
}

func TestLinkCloseFromBothEnds(t *testing.T) {
	for seed := range 20 {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldConfig{seed: uint64(seed), link: simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.2}})
			w.client.send(wire.Reliable, "x")
			time.Sleep(time.Duration(seed) * 2 * time.Millisecond)
			w.server.s.Close(wire.CodeKicked, "")
			time.Sleep(time.Duration(seed%3) * 5 * time.Millisecond)
			w.client.s.Close(wire.CodeNormal, "")
			until(t, 6*time.Second, "both ends", func() bool { return w.server.hasEnded() && w.client.hasEnded() })
		})
	}
}

// Each of the three goodbyes is enough.
func TestLinkLostGoodbyes(t *testing.T) {
	for lost := range 3 {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldConfig{link: near})
			w.client.send(wire.Reliable, "x")
			time.Sleep(time.Second)
			w.net.CutOneWay(w.addr.Addr(), w.client.e.LocalAddr().Addr())
			w.server.s.Close(wire.CodeKicked, "")
			if lost > 0 {
				time.Sleep([]time.Duration{0, 10 * time.Millisecond, 60 * time.Millisecond}[lost])
			}
			w.net.Heal(w.addr.Addr(), w.client.e.LocalAddr().Addr())
			took := until(t, time.Second, "the client's end", w.client.hasEnded)
			if took > 200*time.Millisecond {
				t.Errorf("the client heard after %v", took)
			}
			expectEnd(t, w.client, wire.CodeKicked, true)
			until(t, 100*time.Millisecond, "the server's end", w.server.hasEnded)
		})
	}
}

// All goodbyes are lost: whoever sends something later hears so.
func TestLinkGraveAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		w.net.CutOneWay(w.addr.Addr(), w.client.e.LocalAddr().Addr())
		w.server.s.Close(wire.CodeKicked, "")
		until(t, time.Second, "the server's end", w.server.hasEnded)
		w.net.Heal(w.addr.Addr(), w.client.e.LocalAddr().Addr())
		if w.client.hasEnded() {
			t.Fatal("the client has heard")
		}
		w.client.send(wire.Unreliable, "are you there?")
		until(t, 100*time.Millisecond, "the client's end", w.client.hasEnded)
		expectEnd(t, w.client, wire.CodeKicked, true)
	})
}

// The other end has gone: Close ends in its time and that of the goodbyes.
func TestLinkCloseAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, limits: Limits{CloseTimeout: 3 * time.Second}})
		w.net.Cut(w.addr.Addr(), w.client.e.LocalAddr().Addr())
		w.server.send(wire.Reliable, "x")
		w.server.s.Close(wire.CodeKicked, "")
		took := until(t, time.Minute, "the server's end", w.server.hasEnded)
		if least, most := 3*time.Second, 3300*time.Millisecond; took < least || took > most {
			t.Errorf("it took %v, want CloseTimeout and the goodbyes'", took)
		}
		expectEnd(t, w.server, wire.CodeKicked, false)
		if n := checkSent(t, w.server.s); n.Queued != 0 {
			t.Errorf("%+v", n)
		}
	})
	bubble(t, func(t *testing.T) { // nothing is to be acknowledged
		w := newWorld(t, worldConfig{link: near})
		w.net.Cut(w.addr.Addr(), w.client.e.LocalAddr().Addr())
		w.server.s.Close(wire.CodeKicked, "")
		if took := until(t, time.Minute, "the server's end", w.server.hasEnded); took > 250*time.Millisecond {
			t.Errorf("it took %v, want the goodbyes' times", took)
		}
	})
}

func TestLinkAbort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		w.server.put(wire.Reliable, make([]byte, 5000)) // not flushed
		w.server.s.Abort()
		synctest.Wait()
		expectEnd(t, w.server, wire.CodeAborted, false)
		until(t, 50*time.Millisecond, "the client's end", w.client.hasEnded)
		expectEnd(t, w.client, wire.CodeAborted, true)
		if n := checkSent(t, w.server.s); n.Discarded != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// Abort does not wait for what Close waits for.
func TestLinkAbortWhileClosing(t *testing.T) {
	for _, when := range []time.Duration{0, time.Millisecond, time.Second, 5100 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldConfig{link: near})
			w.net.Cut(w.addr.Addr(), w.client.e.LocalAddr().Addr())
			w.server.send(wire.Reliable, strings.Repeat("x", 60000))
			w.server.s.Close(wire.CodeKicked, "")
			time.Sleep(when)
			w.server.s.Abort()
			synctest.Wait()
			if !w.server.hasEnded() {
				t.Errorf("aborted %v after Close it goes on", when)
			}
			expectEnd(t, w.server, wire.CodeKicked, false)
		})
	}
}

// A session that is silent ends, and one whose other end has gone while it sends.
func TestLinkTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.sweep()
		time.Sleep(3 * time.Minute) // the client's pings keep it
		if w.server.hasEnded() || w.client.hasEnded() {
			t.Fatal("an idle session ends")
		}
		w.net.Cut(w.addr.Addr(), w.client.e.LocalAddr().Addr())
		took := until(t, 2*time.Minute, "both ends", func() bool { return w.server.hasEnded() && w.client.hasEnded() })
		if took < 30*time.Second || took > 65*time.Second {
			t.Errorf("silent for %v", took)
		}
		expectEnd(t, w.server, wire.CodeTimeout, false)
		expectEnd(t, w.client, wire.CodeTimeout, false)
	})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		w.net.Cut(w.addr.Addr(), w.client.e.LocalAddr().Addr())
		w.server.send(wire.Reliable, "x")
		took := until(t, time.Minute, "the server's end", w.server.hasEnded)
		if lost := w.server.env.PingInterval + lostAfter/2; took < lost || took > lost+time.Second {
			t.Errorf("ended after %v", took)
		}
		expectEnd(t, w.server, wire.CodeTimeout, false)
	})
}

// A session that has long been silent has all the time there is for the first
// message after that.
func TestLinkSpeaksAfterSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: simnet.Link{Delay: 400 * time.Millisecond}})
		w.client.send(wire.Reliable, "x")
		time.Sleep(40 * time.Second)
		w.client.send(wire.Reliable, "y")
		time.Sleep(5 * time.Second)
		if w.client.hasEnded() {
			t.Fatalf("ended: %v", w.client.in.ended())
		}
		if got := w.server.in.of(wire.Reliable); len(got) != 2 {
			t.Errorf("%q came", got)
		}
	})
}

// Sessions that are never started are given up, or end before they are.
func TestLinkNeverStarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near, idle: true})
		w.client.s.Start(w.client.in)
		w.client.send(wire.Reliable, "x")
		time.Sleep(time.Second)
		ended := 0
		w.server.s.OnEnd(func() { ended++ })
		w.server.env.GiveUp()
		until(t, time.Second, "the client's end", w.client.hasEnded)
		expectEnd(t, w.client, wire.CodeAborted, true)
		if ended != 1 {
			t.Errorf("OnEnd was called %d times", ended)
		}
	})
	for _, how := range []string{"closed", "aborted", "too slow", "by the other end"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldConfig{link: near, idle: true})
			w.client.s.Start(w.client.in)
			w.client.send(wire.Reliable, "x")
			want, remote := wire.CodeKicked, false
			switch how {
			case "closed":
				w.server.s.Close(wire.CodeKicked, "")
			case "aborted":
				w.server.s.Abort()
				want = wire.CodeAborted
			case "too slow":
				for w.server.put(wire.Reliable, make([]byte, 60000)) == nil {
				}
				want = wire.CodeSlow
			default:
				w.client.s.Close(wire.CodeNormal, "")
				want, remote = wire.CodeNormal, true
			}
			time.Sleep(10 * time.Second)
			if w.server.hasEnded() {
				t.Fatal("told before Start")
			}
			w.server.s.Start(w.server.in)
			synctest.Wait()
			expectEnd(t, w.server, want, remote)
			select {
			case <-w.server.s.Done():
			default:
				t.Error("not done")
			}
		})
	}
}

// A goodbye that takes the place of one that has not left is accounted for.
func TestLinkGoodbyesAccountedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldConfig{link: near})
		w.server.s.Close(wire.CodeKicked, "")
		time.Sleep(1100 * time.Millisecond) // nothing else is due now
		synctest.Wait()
		l := w.server.l
		for range 3 {
			l.mu.Lock()
			l.bid()
			l.mu.Unlock()
			checkSent(t, w.server.s)
		}
		w.server.e.tx.run()
		if n := checkSent(t, w.server.s); n.Queued != 0 || n.Discarded < 2 {
			t.Errorf("%+v", n)
		}
	})
}
