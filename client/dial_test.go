package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// listen serves every connection to a port of the loopback, and ends with the
// test.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(nc) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// echo serves a session that answers every operation with its own body.
func echo(t *testing.T, conn *session.Conn) {
	f, err := accept(t, conn, session.NewEnv(session.Limits{Linger: 100 * time.Millisecond}))
	if err != nil {
		return // the client has thought better of it
	}
	for {
		f.mu.Lock()
		ops := f.ops
		f.ops = nil
		f.mu.Unlock()
		for _, op := range ops {
			m := wire.Response{Code: op.Code, Request: op.Request, Body: op.Body}
			f.s.PutResponse(&m) // an error says that the client has gone
		}
		f.s.Flush()
		select {
		case <-f.s.Done():
			f.env.Wait(context.Background())
			return
		case <-f.came:
		}
	}
}

// tryOut calls through a client and closes it.
func tryOut(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, size := range []int{1, 1000, 60000} {
		want := strings.Repeat("x", size)
		got, err := Call[string](ctx, c, 1, want)
		if err != nil || got != want {
			t.Errorf("an echo of %d bytes came back with %d, %v", size, len(got), err)
		}
	}
	c.Close()
	<-c.Done()
}

func TestDialTCP(t *testing.T) {
	addr := listen(t, func(nc net.Conn) { echo(t, session.NewConn(nc)) })
	c, err := Dial(t.Context(), Config{}, "tcp://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	tryOut(t, c)
}

// nobody is an address where nobody listens, for dialOrFail.
const nobody = "nobody.example:1"

func dialOrFail(ctx context.Context, network, address string) (net.Conn, error) {
	if address == nobody {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("nobody is there")}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// refuse answers a Hello by a refusal.
func refuse(code wire.Code) func(net.Conn) {
	return func(nc net.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn := session.NewConn(nc)
		if _, err := session.ReadHello(ctx, conn); err != nil {
			conn.Close()
			return
		}
		conn.Refuse(ctx, &session.RefusedError{Code: code, Text: "because"}, time.Second)
	}
}

func TestDialOrder(t *testing.T) {
	good := func(nc net.Conn) { echo(t, session.NewConn(nc)) }
	garbage := func(nc net.Conn) { nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); nc.Close() }
	silent := func(nc net.Conn) { nc.Close() }
	tests := []struct {
		name    string
		servers []func(net.Conn) // nil does not listen
		asked   string           // which were asked, in order
		refused wire.Code        // the error is this refusal; CodeNone: let in
	}{
		{"the first", []func(net.Conn){good, good}, "0", 0},
		{"past where nobody is", []func(net.Conn){nil, good}, "1", 0},
		{"past a server of something else", []func(net.Conn){garbage, good}, "0 1", 0},
		{"past one that hangs up", []func(net.Conn){silent, good}, "0 1", 0},
		{"past a full one", []func(net.Conn){refuse(wire.CodeBusy), refuse(wire.CodeShutdown), refuse(wire.CodeMoved), refuse(wire.CodeOverloaded), good}, "0 1 2 3 4", 0},
		{"not past a refusal", []func(net.Conn){nil, refuse(wire.CodeAuth), good}, "1", wire.CodeAuth},
		{"not past the application's refusal", []func(net.Conn){refuse(100), good}, "0", 100},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			var urls []string
			for i, serve := range test.servers {
				if serve == nil {
					urls = append(urls, "tcp://"+nobody)
					continue
				}
				urls = append(urls, "tcp://"+listen(t, func(nc net.Conn) {
					mu.Lock()
					asked = append(asked, fmt.Sprint(i))
					mu.Unlock()
					serve(nc)
				}))
			}
			c, err := Dial(t.Context(), Config{DialContext: dialOrFail}, urls...)
			if err == nil {
				tryOut(t, c)
			}
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(asked, " "); got != test.asked {
				t.Errorf("asked %s, want %s", got, test.asked)
			}
			var refused *RefusedError
			switch {
			case test.refused == 0 && err != nil:
				t.Errorf("Dial: %v", err)
			case test.refused != 0 && (!errors.As(err, &refused) || refused.Code != test.refused || refused.Text != "because"):
				t.Errorf("Dial: %v, want the refusal %v", err, test.refused)
			}
		})
	}
}

func TestDialJoinsErrors(t *testing.T) {
	busy := listen(t, refuse(wire.CodeBusy))
	_, err := Dial(t.Context(), Config{DialContext: dialOrFail}, "tcp://"+nobody, "tcp://"+busy)
	var refused *RefusedError
	var dial *net.OpError
	if !errors.As(err, &refused) || !errors.As(err, &dial) {
		t.Errorf("Dial: %v, want the errors of both", err)
	}
	for _, part := range []string{nobody, busy, "because"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Dial: %v, want it to name %s", err, part)
		}
	}
}

func TestDialArguments(t *testing.T) {
	tests := []struct {
		cfg  Config
		urls []string
	}{
		{Config{}, nil},
		{Config{}, []string{"tcp://localhost"}},
		{Config{}, []string{"tcp://:4530"}},
		{Config{}, []string{"tls://localhost:4530/path"}},
		{Config{}, []string{"tls://user:password@localhost:4530"}},
		{Config{}, []string{"https://localhost:4530"}},
		{Config{}, []string{"localhost:4530"}},
		{Config{}, []string{"ws://"}},
		{Config{}, []string{"tcp://localhost:1", "tcp://%"}},
		{Config{Pin: "sha256/short"}, []string{"tls://localhost:1"}},
		{Config{Pin: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}, []string{"tls://localhost:1"}},
		{Config{Limits: Limits{FrameLimit: 10}}, []string{"tcp://localhost:1"}},
		{Config{Limits: Limits{HandshakeTimeout: -1}}, []string{"tcp://localhost:1"}},
		{Config{Limits: Limits{QueueSoft: 2, QueueHard: 1}}, []string{"tcp://localhost:1"}},
	}
	for _, test := range tests {
		test.cfg.DialContext = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("Dial(%v) dials", test.urls)
			return nil, os.ErrInvalid
		}
		_, err := Dial(t.Context(), test.cfg, test.urls...)
		if err == nil {
			t.Errorf("Dial(%v, %+v) is happy", test.urls, test.cfg)
		} else if strings.Contains(err.Error(), "password") {
			t.Errorf("Dial tells the password: %v", err)
		}
	}
}

func TestDialTimeouts(t *testing.T) {
	stages := map[string]func(net.Conn){
		"Hello is not read":     func(net.Conn) {},
		"Hello is not answered": func(nc net.Conn) { nc.Read(make([]byte, 4096)) },
		"half an answer": func(nc net.Conn) {
			nc.Read(make([]byte, 4096))
			nc.Write([]byte{'H', byte(wire.KindWelcome)}) // no line of HTTP either, and no TLS record
		},
	}
	for name, stage := range stages {
		for _, scheme := range []string{"tcp", "tls", "ws", "wss"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // each URL has its time
					conns := make(chan net.Conn, 2)
					go func() {
						for nc := range conns {
							stage(nc)
						}
					}()
					start := time.Now()
					url := scheme + "://fake:1"
					_, err := Dial(t.Context(), Config{DialContext: pipe(conns), Limits: Limits{HandshakeTimeout: 3 * time.Second}}, url, url)
					if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 6*time.Second {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
					close(conns)
				})
				synctest.Test(t, func(t *testing.T) { // ctx ends it all
					conns := make(chan net.Conn, 1)
					go func() { stage(<-conns) }()
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					start := time.Now()
					url := scheme + "://fake:1"
					_, err := Dial(ctx, Config{DialContext: pipe(conns)}, url, url)
					if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
				})
			})
		}
	}
}

// What a server answers that is no Welcome is not taken for its refusal.
func TestDialBreaches(t *testing.T) {
	welcome, err := wire.MarshalFrame(nil, wire.KindWelcome, welcomeOf(wire.Server))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"an id that nobody has": welcome,
		"another frame":         event(1, "x"),
		"no frame":              {0},
		"too large a frame":     {0xff, 0xff, 0xff, 0x7f},
		"not a Welcome":         wire.AppendFrame(nil, wire.KindWelcome, []byte{0xff}),
		"not a Refuse":          wire.AppendFrame(nil, wire.KindRefuse, []byte{0xff}),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conns := make(chan net.Conn, 1)
				go func() {
					nc := <-conns
					nc.Read(make([]byte, 4096))
					nc.Write(answer)
				}()
				_, err := Dial(t.Context(), Config{DialContext: pipe(conns)}, "tcp://fake:1")
				var refused *RefusedError
				var closed *CloseError
				if errors.As(err, &refused) || !errors.As(err, &closed) {
					t.Errorf("Dial: %v, want a CloseError and no RefusedError", err)
				}
			})
		})
	}
}

// Frames may follow Welcome in the same packet.
func TestDialReadsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan net.Conn, 1)
		r := &transcript{}
		cfg := r.config()
		cfg.DialContext = pipe(conns)
		go func() {
			nc := <-conns
			nc.Read(make([]byte, 4096))
			b, _ := wire.MarshalFrame(nil, wire.KindWelcome, welcomeOf(fakeID))
			b = append(b, event(1, "whole")...)
			half := event(2, "in two parts")
			nc.Write(append(b, half[:5]...))
			nc.Write(half[5:])
			nc.Close()
		}()
		c, err := Dial(t.Context(), cfg, "tcp://fake:1")
		if err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		c.Close()
		r.expect(t, "event 1 whole; event 2 in two parts; closed 15")
	})
}
