package peers_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

// clumsy panics when it is told to, in one way or another.
func clumsy(c *peers.Context) {
	op, ok := c.Message().(*peers.Operation)
	if !ok {
		if _, ok := c.Message().(boom); ok {
			panic("boom")
		}
		return
	}
	switch string(op.Payload) {
	case "panic":
		panic("boom")
	case "answer and panic":
		op.Respond(wire.Text("answered"))
		panic("boom")
	case "later and panic":
		reply := op.Later()
		defer func() {
			r := recover()
			c.Go(func(context.Context) any {
				time.Sleep(time.Second)
				return reply.Respond(wire.Text("too late"))
			})
			panic(r)
		}()
		panic("boom")
	case "nil":
		var p *peers.Peer
		p.ID()
	case "nil behaviour":
		c.Become(nil)
	case "goexit":
		runtime.Goexit()
	}
	op.Respond(op.Body)
}

type boom struct{}

// The default: the operation fails, the peer is closed, nobody else notices.
func TestPeerThatPanicsIsClosed(t *testing.T) {
	for _, how := range []string{"panic", "later and panic", "nil", "nil behaviour"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, clumsy)
				c, other := s.Dial(client.Config{}), s.Dial(client.Config{})
				if r := c.Ask(1, wire.Text(how)); r.Result != wire.ResultInternal || r.Text != "internal error" {
					t.Errorf("answer %+v", r)
				}
				if got := c.Closed(); got != wire.CodeInternal {
					t.Errorf("closed with %v", got)
				}
				if r := other.Ask(1, wire.Text("hello")); string(r.Payload) != "hello" {
					t.Errorf("the other got %+v", r)
				}
				if st := s.Peers.Stats(); st.Panics != 1 || st.Closed != 1 {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

func TestPanicBehindTheAnswer(t *testing.T) {
	c := peerstest.New(t, peers.Func(clumsy))
	if r := c.Ask(1, wire.Text("answer and panic")); string(r.Payload) != "answered" {
		t.Errorf("answer %+v", r)
	}
	if got := c.Closed(); got != wire.CodeInternal {
		t.Errorf("closed with %v", got)
	}
}

// As testing's FailNow in a behaviour does: the goroutine is lost, the peer is
// closed in order.
func TestPeerThatCallsGoexit(t *testing.T) {
	s := serve(t, clumsy)
	c, other := s.Dial(client.Config{}), s.Dial(client.Config{})
	c.Tell(1, wire.Text("goexit"))
	if got := c.Closed(); got != wire.CodeInternal {
		t.Errorf("closed with %v", got)
	}
	if r := other.Ask(1, wire.Text("hello")); string(r.Payload) != "hello" {
		t.Errorf("the other got %+v", r)
	}
}

// restarting is a server whose peers get a fresh behaviour after a panic, and
// count which one they are.
func restarting(t *testing.T, f func(n int, c *peers.Context)) *peerstest.Server {
	n := 0 // one client: Peer is called once at a time
	return peerstest.NewServer(t, peers.Config{OnPanic: peers.RestartOnPanic, Peer: func(in *peers.Init) (peers.Behavior, error) {
		n++
		mine := n
		return peers.Func(func(c *peers.Context) { f(mine, c) }), nil
	}})
}

func TestRestartGoesOnWithTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := dialRaw(t, restarting(t, func(n int, c *peers.Context) {
			if op, ok := c.Message().(*peers.Operation); ok {
				if op.Code == 1 {
					panic("boom")
				}
				op.Respond(wire.Text(fmt.Sprint(n)))
			}
		}))
		r.write(slices.Concat(opFrame(2, 1, ""), opFrame(1, 2, ""), opFrame(2, 3, ""), opFrame(1, 4, ""), opFrame(2, 5, "")))
		for i, want := range []string{"1", "", "2", "", "3"} {
			m := r.response()
			if int(m.Request) != i+1 || string(m.Payload) != want || (want == "") != (m.Result == wire.ResultInternal) {
				t.Errorf("answer %d: %+v", i, m)
			}
		}
		time.Sleep(11 * time.Second) // those two are forgotten
		r.write(opFrame(1, 6, ""))
		if m := r.response(); m.Result != wire.ResultInternal {
			t.Errorf("answer %+v", m)
		}
		r.write(slices.Concat(opFrame(1, 7, ""), opFrame(1, 8, ""), opFrame(2, 9, "")))
		for range 2 {
			if m := r.response(); m.Result != wire.ResultInternal {
				t.Errorf("answer %+v", m)
			}
		}
		r.wantClose(wire.CodeInternal) // the third within 10 s
		r.Close()
	})
}

func TestRestartStartsAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := restarting(t, func(n int, c *peers.Context) {
			switch m := c.Message().(type) {
			case peers.Started:
				j.add(fmt.Sprint(n, " started"))
				c.Every(time.Second, n)
				c.After(time.Second, n)
			case actor.Tick:
				j.add(fmt.Sprint(n, " tick of ", m.Key))
			case int:
				j.add(fmt.Sprint(n, " timer of ", m))
			case boom:
				panic("boom")
			case peers.Closed:
				j.add(fmt.Sprint(n, " closed"))
			}
		})
		c := s.Dial(client.Config{})
		c.Send(boom{})
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		got := j.all()
		slices.Sort(got)
		if want := []string{"1 started", "2 started", "2 tick of 2", "2 timer of 2"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		c.Close()
		c.Closed()
		if got := j.all(); got[len(got)-1] != "2 closed" {
			t.Errorf("got %q", got)
		}
	})
}

func TestPanicsInEveryPlace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		onPanic peers.OnPanic
		f       func(c *peers.Context)
		end     func(c *peerstest.Client)
		want    wire.Code
		panics  uint64
	}{
		{"Started", peers.CloseOnPanic, func(c *peers.Context) {
			if _, ok := c.Message().(peers.Started); ok {
				panic("boom")
			}
		}, func(*peerstest.Client) {}, wire.CodeInternal, 1},
		{"every Started of a restarted one", peers.RestartOnPanic, func(c *peers.Context) {
			if _, ok := c.Message().(peers.Started); ok {
				panic("boom")
			}
		}, func(*peerstest.Client) {}, wire.CodeInternal, 3},
		{"Closed", peers.CloseOnPanic, func(c *peers.Context) {
			if _, ok := c.Message().(peers.Closed); ok {
				panic("boom")
			}
		}, func(c *peerstest.Client) { c.Peer.Close(100, "") }, 100, 1},
		{"Closed of a restarted one", peers.RestartOnPanic, func(c *peers.Context) {
			if _, ok := c.Message().(peers.Closed); ok {
				panic("boom")
			}
		}, func(c *peerstest.Client) { c.Peer.Close(100, "") }, 100, 1},
		{"another actor's message", peers.CloseOnPanic, clumsy, func(c *peerstest.Client) { c.Send(boom{}) }, wire.CodeInternal, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := peerstest.NewServer(t, peers.Config{OnPanic: tt.onPanic, Peer: always(tt.f)})
				c := s.Dial(client.Config{})
				tt.end(c)
				if got := c.Closed(); got != tt.want {
					t.Errorf("closed with %v", got)
				}
				if got := s.Peers.Stats().Panics; got != tt.panics {
					t.Errorf("%d panics were counted, want %d", got, tt.panics)
				}
				if peers.Count(s.System) != 0 {
					t.Error("the peer is still there")
				}
			})
		})
	}
}
