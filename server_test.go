package troupe_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

func echo(c *troupe.Context) {
	if op, ok := c.Message().(*troupe.Operation); ok {
		op.Respond(op.Body)
	}
}

// newServer has every peer behave as f, and shuts down when t ends.
func newServer(t *testing.T, f troupe.Func) *troupe.Server {
	srv := &troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return f, nil }}
	srv.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	t.Cleanup(func() { shutDown(t, srv) })
	return srv
}

func shutDown(t *testing.T, srv *troupe.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func listen(t *testing.T, srv *troupe.Server, urls ...string) []netip.AddrPort {
	t.Helper()
	addrs, err := srv.Listen(urls...)
	if err != nil {
		t.Fatal(err)
	}
	return addrs
}

func dial(t *testing.T, cfg client.Config, url string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), cfg, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(t *testing.T, c *client.Client, text string) {
	t.Helper()
	r, err := c.Call(t.Context(), 1, wire.Text(text))
	if err != nil || string(r.Payload) != text {
		t.Errorf("answer %+v, %v", r, err)
	}
}

func wantCode(t *testing.T, c *client.Client, want wire.Code) {
	t.Helper()
	<-c.Done()
	if why, _ := errors.AsType[*client.CloseError](c.Err()); why == nil || why.Code != want {
		t.Errorf("closed with %v, want %v", c.Err(), want)
	}
}

func TestListenThatFailsLeavesNothingOpen(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	srv := newServer(t, echo)
	free := listen(t, srv, "tcp://127.0.0.1:0")[0]
	probe := newServer(t, echo)
	first := listen(t, probe, "tcp://127.0.0.1:0")[0].String()
	shutDown(t, probe) // its port is free again
	if _, err := srv.Listen("tcp://"+first, "tcp://"+other.Addr().String()); err == nil {
		t.Fatal("a port was opened twice")
	}
	if nc, err := net.Dial("tcp", first); err == nil {
		nc.Close()
		t.Error("the first URL of a failed Listen is still open")
	}
	if got := srv.Addrs(); len(got) != 1 || got[0] != free {
		t.Errorf("addresses %v", got)
	}
	if _, err := srv.Listen("tcp://" + first); err != nil {
		t.Error(err)
	}
	ask(t, dial(t, client.Config{}, "tcp://"+free.String()), "hello")
}

func TestServeEndsWithItsContext(t *testing.T) {
	srv := newServer(t, echo)
	c := dial(t, client.Config{}, "tcp://"+listen(t, srv, "tcp://127.0.0.1:0")[0].String())
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx) }()
	ask(t, c, "hello")
	cancel()
	if err := <-served; err != troupe.ErrServerClosed {
		t.Errorf("Serve returned %v", err)
	}
	wantCode(t, c, wire.CodeShutdown)
}

func TestListenAndServeEndsWithShutdown(t *testing.T) {
	srv := newServer(t, echo)
	served := make(chan error)
	go func() { served <- srv.ListenAndServe("tcp://127.0.0.1:0", "ws://127.0.0.1:0") }()
	for len(srv.Addrs()) == 0 {
		time.Sleep(time.Millisecond)
	}
	c := dial(t, client.Config{}, "ws://"+srv.Addrs()[1].String())
	ask(t, c, "hello")
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { shutDown(t, srv) })
	}
	wg.Wait()
	if err := <-served; err != troupe.ErrServerClosed || !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("ListenAndServe returned %v", err)
	}
	wantCode(t, c, wire.CodeShutdown)
	shutDown(t, srv)
}

func TestServerThatCannotStart(t *testing.T) {
	for _, tt := range []struct {
		name string
		srv  *troupe.Server
		want string
	}{
		{"zero", &troupe.Server{}, "Server.Peer is nil"},
		{"bad transport", func() *troupe.Server {
			srv := &troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(echo), nil }}
			srv.Transport.Limits.FrameLimit = 1
			return srv
		}(), "FrameLimit"},
		{"bad peers", func() *troupe.Server {
			srv := &troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(echo), nil }}
			srv.Config.Peers.AuthTimeout = -1
			return srv
		}(), "AuthTimeout"},
	} {
		t.Run(tt.name, func(t *testing.T) { // goleak sees what would be left: nobody shuts it down
			if _, err := tt.srv.Listen("tcp://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Listen returned %v", err)
			}
			if err := tt.srv.ListenAndServe("tcp://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ListenAndServe returned %v", err)
			}
			if err := tt.srv.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Serve returned %v", err)
			}
			w := httptest.NewRecorder()
			tt.srv.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != http.StatusInternalServerError {
				t.Errorf("ServeHTTP answered %d", w.Code)
			}
			ref := tt.srv.System().Spawn(actor.Props{}, func() actor.Behavior { return actor.Func(func(*actor.Context) {}) })
			<-ref.Done()
			if err := tt.srv.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			_ = tt.srv.Stats()
		})
	}
}

func TestListenAndServeNeedsAURL(t *testing.T) {
	srv := newServer(t, echo)
	if err := srv.ListenAndServe(); err == nil || !strings.Contains(err.Error(), "tls://:4530") {
		t.Errorf("got %v", err)
	}
}

func TestAuthAndPeerOfTheConfig(t *testing.T) {
	var srv troupe.Server
	srv.Logger = slog.New(slog.DiscardHandler)
	srv.Config.Peers.Auth = func(_ context.Context, in *troupe.Init) error { in.User = "ada"; return nil }
	srv.Config.Peers.Peer = func(in *troupe.Init) (troupe.Behavior, error) {
		in.Reply = []byte(in.User)
		return troupe.Func(echo), nil
	}
	defer shutDown(t, &srv)
	c := dial(t, client.Config{}, "tcp://"+listen(t, &srv, "tcp://127.0.0.1:0")[0].String())
	if string(c.Reply()) != "ada" {
		t.Errorf("reply %q", c.Reply())
	}
}
