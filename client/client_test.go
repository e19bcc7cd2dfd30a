package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// lastOp waits for n operations in all and returns the last.
func (f *fake) lastOp(n int) wire.Operation {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ops) != n {
		f.t.Fatalf("the server has %d operations, want %d", len(f.ops), n)
	}
	return f.ops[n-1]
}

func (f *fake) answer(op wire.Operation, result int32, text string) {
	m := wire.Response{Code: op.Code, Request: op.Request, Result: result, Text: text, Body: op.Body}
	f.send(m.AppendFrame(nil))
}

func TestWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := open(t, Config{App: "game", Auth: []byte("secret"), Payload: []byte("hello")})
		if o := f.offer; o.App != "game" || string(o.Auth) != "secret" || string(o.Payload) != "hello" || o.SDK != sdk {
			t.Errorf("the server heard %+v", o)
		}
		if c.ID() != fakeID || string(c.Reply()) != "reply" || c.Err() != nil {
			t.Errorf("id %v, reply %q, error %v", c.ID(), c.Reply(), c.Err())
		}
	})
}

func TestServersFrameLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := openWith(t, Config{}, session.Limits{FrameLimit: 1000}, plain)
		if err := c.Notify(1, wire.Payload(make([]byte, 1000)), wire.Reliable); err != ErrTooLarge {
			t.Errorf("more than the server takes: %v, want %v", err, ErrTooLarge)
		}
		if err := c.Notify(1, wire.Payload(make([]byte, 900)), wire.Reliable); err != nil {
			t.Errorf("what the server takes: %v", err)
		}
	})
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := open(t, Config{})
		type result struct {
			text string
			err  error
		}
		results := make(chan result, 1)
		call := func(ctx context.Context) {
			text, err := Call[string](ctx, c, 5, "ping")
			results <- result{text, err}
		}

		go call(t.Context())
		op := f.lastOp(1)
		if op.Code != 5 || op.Request == 0 || string(op.Payload) != `"ping"` {
			t.Errorf("the server was asked %+v", op)
		}
		f.answer(op, 0, "")
		f.answer(op, 0, "") // a second answer is nobody's
		if r := <-results; r.text != "ping" || r.err != nil {
			t.Errorf("Call = %q, %v", r.text, r.err)
		}
		f.answer(wire.Operation{Request: 4711}, 0, "") // nor is one to what was not asked
		synctest.Wait()
		if n := c.Stats().Unmatched; n != 2 {
			t.Errorf("%d answers unmatched, want 2", n)
		}

		go call(t.Context())
		f.answer(f.lastOp(2), 42, "no")
		var failed *Error
		if r := <-results; !errors.As(r.err, &failed) || failed.Code != 42 || failed.Text != "no" {
			t.Errorf("a failure came as %v", r.err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go call(ctx)
		if r := <-results; !errors.Is(r.err, context.DeadlineExceeded) {
			t.Errorf("a call without an answer: %v", r.err)
		}
		f.answer(f.lastOp(3), 0, "")
		synctest.Wait()
		if n := c.Stats().Unmatched; n != 3 {
			t.Errorf("%d answers unmatched, want 3: the late one", n)
		}

		go call(t.Context())
		synctest.Wait()
		f.s.Close(wire.CodeKicked, "out")
		var closed *CloseError
		if r := <-results; !errors.As(r.err, &closed) || closed.Code != wire.CodeKicked || !closed.Remote {
			t.Errorf("a call when the session ends: %v", r.err)
		}
		if _, err := Call[string](t.Context(), c, 5, "ping"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a call after the end: %v", err)
		}
		if err := c.Notify(1, wire.Body{}, wire.Reliable); err != ErrClosed {
			t.Errorf("Notify after the end: %v, want %v", err, ErrClosed)
		}
		if _, err := Call[string](t.Context(), c, 5, func() {}); err == nil {
			t.Error("a request that can't be encoded was sent")
		}
	})
}

func TestCallFailsAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := open(t, Config{})
		failed := make(chan error, 1)
		go func() {
			_, err := c.Call(t.Context(), 1, wire.Body{})
			failed <- err
		}()
		synctest.Wait()
		c.Close()
		var closed *CloseError
		if err := <-failed; !errors.As(err, &closed) || closed.Code != wire.CodeNormal || closed.Remote {
			t.Errorf("a call at Close: %v", err)
		}
	})
}

func TestOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var later Reply
		_, f := open(t, Config{OnOperation: func(op *Operation) {
			switch op.Code {
			case 1:
				if !op.Asks() {
					t.Error("an operation that asks does not")
				}
				if err := op.Respond(op.Body); err != nil {
					t.Error(err)
				}
				if err := op.Fail(9, "again"); err != ErrNotAsked {
					t.Errorf("a second answer: %v, want %v", err, ErrNotAsked)
				}
			case 2:
				op.Fail(7, "no")
			case 3: // forgets
			case 4:
				later = op.Later()
			case 5:
				if err := op.Respond(wire.Payload(make([]byte, wire.MaxFrame))); err != ErrTooLarge {
					t.Errorf("too large an answer: %v, want %v", err, ErrTooLarge)
				}
				op.Fail(8, "it was too large")
			case 6:
				if op.Asks() || op.Respond(wire.Body{}) != ErrNotAsked {
					t.Error("an operation that tells asks")
				}
				op.Later()
			}
		}})
		f.send(operation(1, 11, "echo"), operation(2, 12, ""), operation(3, 13, ""), operation(4, 14, ""), operation(5, 15, ""), operation(6, 0, ""))
		synctest.Wait()
		later.Respond(wire.Text("at last"))
		if err := later.Respond(wire.Body{}); err != ErrNotAsked {
			t.Errorf("a second late answer: %v, want %v", err, ErrNotAsked)
		}
		if err := (Reply{}).Fail(1, ""); err != ErrNotAsked {
			t.Errorf("the zero Reply: %v, want %v", err, ErrNotAsked)
		}
		f.expectAnswers(
			wire.Response{Code: 1, Request: 11, Body: wire.Text("echo")},
			wire.Response{Code: 2, Request: 12, Result: 7, Text: "no"},
			wire.Response{Code: 3, Request: 13, Result: wire.ResultUnanswered, Text: "the client did not answer"},
			wire.Response{Code: 5, Request: 15, Result: 8, Text: "it was too large"},
			wire.Response{Code: 4, Request: 14, Body: wire.Text("at last")},
		)
	})
	synctest.Test(t, func(t *testing.T) {
		_, f := open(t, Config{})
		f.send(operation(1, 11, "asks"), operation(1, 0, "tells"))
		f.expectAnswers(wire.Response{Code: 1, Request: 11, Result: wire.ResultUnknown, Text: "this client takes no operations"})
	})
}

func (f *fake) expectAnswers(want ...wire.Response) {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers) != len(want) {
		f.t.Fatalf("%d answers, want %d: %+v", len(f.answers), len(want), f.answers)
	}
	for i, got := range f.answers {
		w := want[i]
		if got.Code != w.Code || got.Request != w.Request || got.Result != w.Result || got.Text != w.Text || string(got.Payload) != string(w.Payload) {
			f.t.Errorf("answer %+v, want %+v", got, w)
		}
	}
}

// What the server sent before it closed is told before the end is.
func TestOrderOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		cfg := r.config()
		cfg.OnOpen = func(*Client) { r.add("open") }
		c, f := open(t, cfg)
		f.s.PutFrame(event(1, "a"), wire.Reliable)
		f.s.PutFrame(f.joined(7, 1), wire.Reliable)
		f.s.PutFrame(event(2, "b"), wire.Reliable)
		f.s.Close(wire.CodeKicked, "out")
		<-c.Done()
		r.expect(t, "open; event 1 a; group 7; join 256/1; event 2 b; leave 256/1 42; end 42; closed 12")
		var closed *CloseError
		if !errors.As(c.Err(), &closed) || closed.Code != wire.CodeKicked || closed.Text != "out" || !closed.Remote {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		c, f := open(t, r.config())
		f.send(f.joined(7, 1))
		r.expect(t, "group 7; join 256/1")
		c.Notify(1, wire.Text("last words"), wire.Reliable)
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			select {
			case <-c.Done():
			default:
				t.Error("Close returned before the end")
			}
		}
		r.expect(t, "leave 256/1 42; end 42; closed 1")
		if op := f.lastOp(1); string(op.Payload) != "last words" {
			t.Errorf("the server has %q", op.Payload)
		}
		if why := f.closed(); why == nil || why.Code != wire.CodeNormal || !why.Remote {
			t.Errorf("the server heard %v", why)
		}
	})
}

// Callbacks run one at a time and may use all of the client.
func TestCallbacksMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		cfg := r.config()
		var c *Client
		var running atomic.Int32
		cfg.OnOpen = func(opened *Client) { c = opened }
		cfg.OnEvent = func(m wire.Event) {
			if running.Add(1) != 1 {
				t.Error("two callbacks at once")
			}
			defer running.Add(-1)
			r.add("begin %s", m.Payload)
			answer, err := c.Call(t.Context(), 1, wire.Text("ask"))
			r.add("end %s %s %v", m.Payload, answer.Payload, err)
			c.Notify(2, wire.Body{}, wire.Reliable)
			for g := range c.Groups() {
				g.Send(3, wire.Body{}, wire.Reliable)
			}
		}
		got, f := open(t, cfg)
		if c != got {
			t.Error("OnOpen did not run before Dial returned")
		}
		f.send(f.joined(7, 1), event(1, "x"), event(2, "y"))
		r.expect(t, "group 7; join 256/1; begin x")
		time.Sleep(time.Second)
		f.answer(f.lastOp(1), 0, "")
		r.expect(t, "end x ask <nil>; begin y")
		f.answer(f.lastOp(3), 0, "")
		r.expect(t, "end y ask <nil>")
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.sends) != 2 {
			t.Errorf("%d group messages sent, want 2", len(f.sends))
		}
	})
}

func TestCloseInCallbacks(t *testing.T) {
	tests := []struct {
		name string
		when func(cfg *Config, closes func())
		told string
	}{
		{"OnOpen", func(cfg *Config, closes func()) { cfg.OnOpen = func(*Client) { closes() } }, "closed 1"},
		{"OnEvent", func(cfg *Config, closes func()) { cfg.OnEvent = func(wire.Event) { closes() } }, "closed 1"},
		{"OnOperation", func(cfg *Config, closes func()) { cfg.OnOperation = func(*Operation) { closes() } }, "event 1 x; closed 1"},
		{"OnGroup", func(cfg *Config, closes func()) { // its joins are not told, nor then its leaves
			watch := cfg.OnGroup
			cfg.OnGroup = func(g *Group) { watch(g); closes() }
		}, "event 1 x; group 7; end 42; closed 1"},
		{"OnJoin", func(cfg *Config, closes func()) {
			watch := cfg.OnGroup
			cfg.OnGroup = func(g *Group) {
				watch(g)
				join := g.OnJoin
				g.OnJoin = func(m Member) { join(m); closes() }
			}
		}, "event 1 x; group 7; join 10/1; leave 10/1 42; end 42; closed 1"},
		{"OnClose", func(cfg *Config, closes func()) {
			closed := cfg.OnClose
			cfg.OnClose = func(err error) { closed(err); closes() }
			cfg.OnEvent = func(wire.Event) { closes() }
		}, "closed 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &transcript{}
				cfg := r.config()
				client := make(chan *Client, 1)
				done := 0
				test.when(&cfg, func() {
					c := <-client
					client <- c
					c.Close()
					done++
				})
				opened := cfg.OnOpen
				cfg.OnOpen = func(c *Client) {
					client <- c
					if opened != nil {
						opened(c)
					}
				}
				c, f := open(t, cfg)
				f.s.PutFrame(event(1, "x"), wire.Reliable) // ErrClosed after OnOpen
				f.s.PutFrame(operation(1, 0, ""), wire.Reliable)
				f.s.PutFrame(f.joined(7, 2, member(10, 1)), wire.Reliable)
				f.s.Flush()
				<-c.Done()
				r.expect(t, test.told)
				if done == 0 {
					t.Error("Close was not called, or has not returned")
				}
				f.acked("") // nothing was acknowledged that was not told
			})
		})
	}
}

// Close does not wait for a callback that runs, and lets no other begin.
func TestCloseDuringCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		cfg := r.config()
		cfg.OnEvent = func(m wire.Event) {
			time.Sleep(time.Hour)
			r.add("slept %s", m.Payload)
		}
		c, f := open(t, cfg)
		f.send(event(1, "x"), event(1, "y"))
		synctest.Wait()
		c.Close()
		r.expect(t, "")
		<-c.Done()
		r.expect(t, "slept x; closed 1")
	})
}

// A callback that blocks stops the reader, and with it the server's writer;
// nothing is lost.
func TestSlowCallbackStopsTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		told := 0
		c, f := openWith(t, Config{OnEvent: func(wire.Event) {
			<-release
			told++
		}}, session.Limits{QueueHard: 8 << 20}, plain)
		const events = 1000
		for range events {
			if err := f.s.PutFrame(event(1, strings.Repeat("x", 4000)), wire.Reliable); err != nil {
				t.Fatal(err)
			}
		}
		f.s.Flush()
		synctest.Wait()
		if n := c.Stats().QueuedIn; n > 256<<10 {
			t.Errorf("%d bytes wait for the callbacks, want at most 256 KiB", n)
		}
		if n := f.s.Sent().Queued; n < events/2 {
			t.Errorf("%d frames wait at the server, want most of them", n)
		}
		close(release)
		synctest.Wait()
		if told != events || c.Err() != nil {
			t.Errorf("%d events told, want %d; %v", told, events, c.Err())
		}
	})
}

// The server's silence while the reader is stopped is this end's doing, and so
// is a frame of which only half has been read.
func TestSlowCallbackIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		c, f := openWith(t, Config{OnEvent: func(wire.Event) {
			if told++; told == 1 {
				time.Sleep(4 * time.Second)
			}
		}, Limits: Limits{IdleTimeout: 3 * time.Second, PingInterval: time.Second, FrameTimeout: time.Second}}, session.Limits{}, plain)
		for range 200 {
			if err := f.s.PutFrame(event(1, strings.Repeat("x", 4000)), wire.Reliable); err != nil {
				t.Fatal(err)
			}
		}
		f.s.Flush()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if c.Err() != nil || told != 200 {
			t.Errorf("%d events told, want 200; %v", told, c.Err())
		}
	})
}

// A callback gets the answer to its call however much comes before it.
func TestCallInCallbackPassesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		cfg := r.config()
		var c *Client
		first := true
		told := 0
		cfg.OnOpen = func(opened *Client) { c = opened }
		cfg.OnEvent = func(wire.Event) {
			if told++; first {
				first = false
				_, err := c.Call(t.Context(), 1, wire.Body{})
				r.add("answered %v", err)
			}
		}
		_, f := openWith(t, cfg, session.Limits{QueueHard: 8 << 20}, plain)
		f.send(event(1, "x"))
		op := f.lastOp(1)
		for range 500 {
			f.s.PutFrame(event(1, strings.Repeat("x", 4000)), wire.Reliable)
		}
		f.answer(op, 0, "")
		r.expect(t, "answered <nil>")
		if told != 501 {
			t.Errorf("%d events told, want 501", told)
		}
	})
}

// But not for ever: the session ends as overloaded.
func TestCallInCallbackIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		cfg := r.config()
		var c *Client
		cfg.OnOpen = func(opened *Client) { c = opened }
		cfg.OnEvent = func(wire.Event) {
			_, err := c.Call(t.Context(), 1, wire.Body{})
			var closed *CloseError
			r.add("answered %v", errors.As(err, &closed) && closed.Code == wire.CodeOverloaded)
		}
		_, f := openWith(t, cfg, session.Limits{QueueHard: 16 << 20}, plain)
		for range 2000 {
			f.s.PutFrame(event(1, strings.Repeat("x", 4000)), wire.Reliable)
		}
		f.s.Flush()
		<-c.Done()
		if n := c.Stats().QueuedIn; n != 0 {
			t.Errorf("%d bytes are still counted", n)
		}
		told := r.take()
		if !strings.HasPrefix(told, "answered true") || !strings.HasSuffix(told, "closed 9") {
			t.Errorf("told %s", told)
		}
		synctest.Wait()
		if why := f.closed(); why == nil || why.Code != wire.CodeOverloaded {
			t.Errorf("the server heard %v", why)
		}
	})
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := openWith(t, Config{}, session.Limits{}, delay(20*time.Millisecond))
		if c.RTT() != 0 {
			t.Error("an RTT before the first ping")
		}
		near := func() time.Duration { return time.Until(c.ServerTime()).Abs() }
		if near() > 20*time.Millisecond {
			t.Errorf("the server's clock is %v off by the handshake", near())
		}
		time.Sleep(50 * time.Millisecond)
		if c.RTT() != 40*time.Millisecond || near() > time.Millisecond {
			t.Errorf("RTT %v, clock %v off", c.RTT(), near())
		}
		in := f.s.Counts().FramesIn.Load()
		time.Sleep(time.Minute)
		if n := f.s.Counts().FramesIn.Load() - in; n < 4 {
			t.Errorf("%d pings in a minute, want 4", n)
		}
		time.Sleep(time.Hour) // both ends are alive
		if c.Err() != nil || c.Stats().RTT != c.RTT() {
			t.Errorf("after an hour %v", c.Err())
		}
	})
}

func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := openWith(t, Config{}, session.Limits{PingInterval: -1, IdleTimeout: -1}, delay(time.Millisecond))
		f.s.Charge(1 << 20) // the server reads no more, and answers no ping
		<-c.Done()
		var closed *CloseError
		if !errors.As(c.Err(), &closed) || closed.Code != wire.CodeTimeout || closed.Remote {
			t.Errorf("closed with %v, want a timeout", c.Err())
		}
	})
}
