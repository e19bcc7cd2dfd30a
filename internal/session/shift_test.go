package session

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/udp"
)

// turn is a Turn that is not left to others.
type turn func()

func (f turn) Run()      { f() }
func (f turn) Dispatch() {}

// tapped is a socket that gives what the test says, and tells of every packet
// that it is given, on the goroutine that sends.
type tapped struct {
	quiet
	packets chan []byte
	reading chan struct{} // a reader has come; has room
	wrote   func()
}

func (p *tapped) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	p.reading <- struct{}{}
	select {
	case m := <-p.packets:
		return copy(b, m), netip.MustParseAddrPort("198.51.100.2:1000"), nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *tapped) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	p.wrote()
	return len(b), nil
}

// newTapped is an endpoint whose reader runs f for every packet.
func newTapped(f func(e *Endpoint)) (*Endpoint, *tapped) {
	pc := &tapped{quiet: quiet{closed: make(chan struct{})}, packets: make(chan []byte), reading: make(chan struct{}, 10), wrote: func() {}}
	var e *Endpoint
	e = NewEndpoint(udp.New(pc), NewEnv(Limits{}), EndpointConfig{Stranger: func([]byte, netip.AddrPort, netip.Addr, time.Time) {
		e.shift.turns = append(e.shift.turns, turn(func() { f(e) }))
	}})
	e.Start()
	<-pc.reading
	return e, pc
}

// A reader that is relieved while it sends what has been answered leaves the
// transmitter to the one that has relieved it: that one has nothing to release
// before a packet comes.
func TestRelievedWhileSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		to := netip.MustParseAddrPort("198.51.100.2:1000")
		e, pc := newTapped(func(e *Endpoint) {
			e.Send([]byte{1}, to, netip.Addr{})
			time.Sleep(2 * maxUnsent)
		})
		var sent atomic.Int32
		pc.wrote = func() {
			if sent.Add(1) == 1 {
				e.shift.takeOver(e.shift.number.Load())
				<-pc.reading
			}
		}
		pc.packets <- []byte{1}
		synctest.Wait()
		time.Sleep(time.Second)
		if n := sent.Load(); n != 1 {
			t.Fatalf("%d packets were sent in the turn", n)
		}
		e.Send([]byte{2}, to, netip.Addr{})
		if sent.Load() != 2 {
			t.Error("nobody sends any more")
		}
		e.Close()
		if err := e.env.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A behaviour that blocks on the reader's goroutine does not hold Close up. It
// is waited for as all goroutines of sessions are: for as long as one likes.
func TestCloseWhileATurnBlocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		e, pc := newTapped(func(*Endpoint) { <-release })
		pc.packets <- []byte{1}
		synctest.Wait()
		start := time.Now()
		e.Close()
		if took := time.Since(start); took > (reliefAfter+1)*reliefTick {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.env.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v while the turn is under way", err)
		}
		close(release)
		if err := e.env.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if e.wg.n != 0 || e.env.wg.n != 0 {
			t.Errorf("%d and %d goroutines are counted in the end", e.wg.n, e.env.wg.n)
		}
	})
}

// However a turn ends the reader, the counts of goroutines come out even.
func TestTurnEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, pc := newTapped(func(*Endpoint) { runtime.Goexit() })
		for range 3 {
			pc.packets <- []byte{1}
			<-pc.reading // somebody reads on
		}
		e.Close()
		if err := e.env.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if e.wg.n != 0 || e.env.wg.n != 0 {
			t.Errorf("%d and %d goroutines are counted in the end", e.wg.n, e.env.wg.n)
		}
	})
}
