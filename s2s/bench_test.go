package s2s_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// onLoopback links two servers by plaintext on loopback.
func onLoopback(t testing.TB, receive s2s.Func) *s2s.Link {
	serve := func(name string) (*actor.System, *s2s.Links) {
		sys := actor.NewSystem(actor.Config{})
		ls, err := s2s.New(sys, s2s.Config{Name: name, Link: func(*s2s.Init) (s2s.Behavior, error) { return receive, nil }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx := context.Background() // nothing in it blocks: no error
			ls.Shutdown(ctx)
			sys.Shutdown(ctx)
			ls.Wait(ctx)
		})
		return sys, ls
	}
	_, master := serve("master")
	sys, _ := serve("game")
	addr, _, err := master.Listen("s2s+tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := s2s.Dial(sys, s2s.Target{Name: "master", URL: "s2s+tcp://" + addr.String()}, func() s2s.Behavior { return receive })
	if err != nil {
		t.Fatal(err)
	}
	for !l.Up() {
		time.Sleep(time.Millisecond)
	}
	return l
}

func answer(c *s2s.Context) {
	if op, ok := c.Message().(*s2s.Operation); ok {
		op.Respond(op.Body) // an error says that the link is down
	}
}

// Both ends of the link are in this process.
func BenchmarkCalls(b *testing.B) {
	l := onLoopback(b, answer)
	body := wire.Payload(make([]byte, 64))
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Call(b.Context(), 1, body); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// A behaviour tells many events in a turn; the other end says when it has had them.
func BenchmarkEvents(b *testing.B) {
	const inTurn = 64
	type burst struct{}
	heard := make(chan struct{}, 1)
	n := 0
	l := onLoopback(b, func(c *s2s.Context) {
		switch c.Message().(type) {
		case burst:
			body := wire.Payload(make([]byte, 64))
			for range inTurn {
				c.Event(1, body, wire.Reliable)
			}
		case *s2s.Event:
			if n++; n%inTurn == 0 {
				heard <- struct{}{}
			}
		}
	})
	b.ReportAllocs()
	for left := b.N; left > 0; left -= inTurn {
		if err := l.Ref().Send(burst{}); err != nil {
			b.Fatal(err)
		}
		<-heard
	}
}
