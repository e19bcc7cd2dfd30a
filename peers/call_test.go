package peers_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// asking has a peer ask its client what an operation tells it to, in its own
// turn, and answer with what it heard.
func asking(c *peers.Context) {
	op, ok := c.Message().(*peers.Operation)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := c.Call(ctx, op.Code, op.Body)
	if err != nil {
		op.Fail(1, err.Error())
		return
	}
	op.Respond(r.Body)
}

func TestCallFromTheBehaviourItself(t *testing.T) {
	s := serve(t, asking)
	c := s.Dial(client.Config{OnOperation: func(op *client.Operation) {
		if op.Code == 1 {
			op.Respond(wire.Text("the client heard " + string(op.Payload)))
			return
		}
		op.Fail(7, "no")
	}})
	if r := c.Ask(1, wire.Text("hello")); string(r.Payload) != "the client heard hello" {
		t.Errorf("answer %+v", r)
	}
	if r := c.Ask(2, wire.Text("hello")); r.Result != 1 || r.Text != "troupe: result 7: no" {
		t.Errorf("answer %+v", r)
	}
	r, err := c.Peer.Call(t.Context(), 2, wire.Body{})
	if failure, ok := errors.AsType[*peers.Error](err); !ok || failure.Code != 7 || r.Result != 7 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestCallFromStarted(t *testing.T) {
	heard := make(chan string, 1)
	s := serve(t, func(c *peers.Context) {
		if _, ok := c.Message().(peers.Started); ok {
			r, err := c.Call(t.Context(), 1, wire.Text("version?"))
			if err != nil {
				t.Error(err)
			}
			heard <- string(r.Payload)
		}
	})
	s.Dial(client.Config{OnOperation: func(op *client.Operation) { op.Respond(wire.Text("3.1")) }})
	if got := <-heard; got != "3.1" {
		t.Errorf("heard %q", got)
	}
}

// In its own turn a peer must hear the answer also when more operations are
// waiting for it than the reader lets through otherwise.
func TestCallIsAnsweredBehindAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *peers.Context) {
			if c.Message() == "go" {
				time.Sleep(time.Second) // the flood comes first
				if _, err := c.Call(context.Background(), 1, wire.Body{}); err != nil {
					t.Error(err)
				}
				c.Event(9, wire.Body{}, wire.Reliable)
			}
		})
		r := dialRaw(t, s)
		theOnly(s).Ref().Send("go")
		synctest.Wait()
		written := make(chan struct{})
		go func() {
			defer close(written)
			for range 40 { // 160 KiB, in reads of 4 KiB
				r.Write(opFrame(1, 0, string(make([]byte, 4000)))) // an error shows below: no event comes
			}
			r.Write((&wire.Response{Code: 1, Request: 1}).AppendFrame(nil))
		}()
		if k, _ := r.frame(); k != wire.KindOperation {
			t.Errorf("got %v", k)
		}
		if k, _ := r.frame(); k != wire.KindEvent {
			t.Errorf("got %v", k)
		}
		<-written
		r.Close()
	})
}

func TestFloodBehindACallIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *peers.Context) {
			if c.Message() == "go" {
				_, err := c.Call(context.Background(), 1, wire.Body{})
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %v", err)
				}
			}
		})
		r := dialRaw(t, s)
		theOnly(s).Ref().Send("go")
		r.frame() // the call
		go func() {
			big := opFrame(1, 0, string(make([]byte, 60000)))
			for range 100 { // 6 MB; what comes after the close is thrown away
				r.SetWriteDeadline(time.Now().Add(patience))
				if _, err := r.Write(big); err != nil {
					return
				}
			}
		}()
		r.wantClose(wire.CodeOverloaded)
		r.Close()
	})
}

func TestCallsThatGetNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client func(r *raw)
		kick   bool
		check  func(err error) bool
		took   time.Duration
	}{
		{"never answered", func(*raw) {}, false, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, time.Minute},
		{"client gone", func(r *raw) { r.Close() }, false, func(err error) bool { return errors.Is(err, net.ErrClosed) }, 0},
		{"kicked meanwhile", func(*raw) {}, true, func(err error) bool {
			why, ok := errors.AsType[*peers.CloseError](err)
			return ok && why.Code == wire.CodeKicked
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				result := make(chan error, 1)
				s := serve(t, func(c *peers.Context) {
					if c.Message() == "go" {
						ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
						defer cancel()
						_, err := c.Call(ctx, 1, wire.Body{})
						result <- err
					}
				})
				r := dialRaw(t, s)
				begin := time.Now()
				p := theOnly(s)
				p.Ref().Send("go")
				r.frame()
				tt.client(r)
				if tt.kick {
					p.Close(wire.CodeKicked, "")
				}
				if err := <-result; !tt.check(err) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("it took %v", took)
				}
				synctest.Wait()
				r.Close()
			})
		})
	}
}

// Answers that are late, come twice, or were never asked for, change nothing.
func TestStrayAnswersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, echo)
		r := dialRaw(t, s)
		peer := theOnly(s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer := func(request uint32, text string) {
			r.write((&wire.Response{Code: 1, Request: request, Body: wire.Text(text)}).AppendFrame(nil))
		}
		answer(1, "never asked for")
		synctest.Wait()                   // else it may be the answer to the next
		go peer.Call(ctx, 1, wire.Body{}) // request 1, which times out
		r.frame()
		time.Sleep(2 * time.Second)
		heard := make(chan string)
		go func() {
			got, err := peer.Call(context.Background(), 1, wire.Body{})
			if err != nil {
				t.Error(err)
			}
			heard <- string(got.Payload)
		}()
		r.frame() // request 2
		answer(1, "late")
		answer(77, "forged")
		answer(2, "yes")
		answer(2, "twice")
		if got := <-heard; got != "yes" {
			t.Errorf("heard %q", got)
		}
		r.write(opFrame(1, 5, "still there"))
		if m := r.response(); string(m.Payload) != "still there" {
			t.Errorf("got %+v", m)
		}
		if n := peer.Session().Counts().Late.Load(); n != 4 {
			t.Errorf("%d stray answers were counted, want 4", n)
		}
		r.Close()
	})
}

func TestTellAndValues(t *testing.T) {
	got := make(chan string, 1)
	s := serve(t, echo)
	c := s.Dial(client.Config{OnOperation: func(op *client.Operation) {
		if op.Asks() {
			t.Error("a Tell asks")
		}
		got <- string(op.Payload)
	}})
	if err := c.Peer.Tell(1, wire.Text("listen"), wire.Reliable); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "listen" {
		t.Errorf("got %q", s)
	}
	type key struct{}
	if v := c.Peer.Value(key{}); v != nil {
		t.Errorf("value %v", v)
	}
	c.Peer.Set(key{}, 7)
	if v := c.Peer.Value(key{}); v != 7 {
		t.Errorf("value %v", v)
	}
}
