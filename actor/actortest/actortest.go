// Package actortest makes testing a behaviour short: an actor system that ends
// with its test, and a Probe that stands for whoever the behaviour talks to.
//
//	synctest.Test(t, func(t *testing.T) { // time costs nothing in a bubble
//		sys := actortest.New(t)
//		probe := actortest.NewProbe(sys)
//		player := actortest.Spawn(sys, &player{room: probe.Ref()})
//		...
//		time.Sleep(time.Minute)
//		synctest.Wait()
//		if got := probe.All(); ...
//	})
package actortest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
)

const patience = 10 * time.Second

// New starts a system that logs to t and is shut down when t ends. t fails
// unless all its actors have stopped 10 s later.
func New(t testing.TB) *actor.System {
	return NewWith(t, actor.Config{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

// NewWith is New with a Config.
func NewWith(t testing.TB, cfg actor.Config) *actor.System {
	sys := actor.NewSystem(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience) // t.Context has ended
		defer cancel()
		if err := sys.Shutdown(ctx); err != nil {
			t.Errorf("actortest: actors still running: %v", err)
		}
	})
	return sys
}

// Spawn starts an actor with b, in the way of the zero Props.
func Spawn(sys *actor.System, b actor.Behavior) actor.Ref {
	return sys.Spawn(actor.Props{}, func() actor.Behavior { return b })
}

// Probe is an actor that records what it is sent, Terminated included.
type Probe struct {
	ref     actor.Ref
	arrived chan struct{} // capacity 1: there may be something new

	mu       sync.Mutex
	messages []any
}

// NewProbe starts a Probe.
func NewProbe(sys *actor.System) *Probe {
	p := &Probe{arrived: make(chan struct{}, 1)}
	p.ref = Spawn(sys, actor.Func(p.receive))
	return p
}

// Ref refers to the Probe.
func (p *Probe) Ref() actor.Ref { return p.ref }

// Watch has a Terminated recorded when r stops.
func (p *Probe) Watch(r actor.Ref) { p.ref.Force(watch{r}) }

type watch struct{ ref actor.Ref }

func (p *Probe) receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started, actor.Stopping:
	case watch:
		c.Watch(m.ref)
	default:
		p.mu.Lock()
		p.messages = append(p.messages, m)
		p.mu.Unlock()
		select {
		case p.arrived <- struct{}{}:
		default:
		}
	}
}

// Next takes the oldest message, waiting for one. When none has come within
// 10 s, a bubble's or real ones, t fails. Only in the test's goroutine.
func (p *Probe) Next(t testing.TB) any {
	t.Helper()
	late := time.After(patience)
	for {
		if m, ok := p.take(); ok {
			return m
		}
		select {
		case <-p.arrived:
		case <-late:
			t.Fatal("actortest: the probe got no message within ", patience)
		}
	}
}

func (p *Probe) take() (any, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) == 0 {
		return nil, false
	}
	m := p.messages[0]
	p.messages = p.messages[1:]
	return m, true
}

// All takes what has come so far. In a bubble, synctest.Wait first.
func (p *Probe) All() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.messages
	p.messages = nil
	return m
}
