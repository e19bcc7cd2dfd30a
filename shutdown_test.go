package troupe_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/journal"
	"github.com/troupe-go/troupe/wire"
)

func TestAfterShutdown(t *testing.T) {
	srv := newServer(t, echo)
	shutDown(t, srv) // before anything has listened
	if _, err := srv.Listen("tcp://127.0.0.1:0"); err != troupe.ErrServerClosed {
		t.Errorf("Listen returned %v", err)
	}
	if err := srv.ListenAndServe("tls://127.0.0.1:0"); err != troupe.ErrServerClosed {
		t.Errorf("ListenAndServe returned %v", err)
	}
	if err := srv.Serve(t.Context()); err != troupe.ErrServerClosed {
		t.Errorf("Serve returned %v", err)
	}
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("ServeHTTP answered %d", w.Code)
	}
	if st := srv.Stats(); st.Peers.Opened != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestListenWhileShuttingDown(t *testing.T) {
	for range 20 {
		srv := newServer(t, echo)
		srv.System()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := srv.Listen("tcp://127.0.0.1:0", "tcp://127.0.0.1:0"); err != nil && err != troupe.ErrServerClosed {
				t.Error(err)
			}
		})
		wg.Go(func() { shutDown(t, srv) })
		wg.Wait()
		for _, a := range srv.Addrs() {
			if nc, err := net.Dial("tcp", a.String()); err == nil {
				nc.Close()
				t.Error("a socket outlives Shutdown")
			}
		}
	}
}

// A behaviour that blocks holds Shutdown up until its context ends, and nobody's
// connection.
func TestShutdownWithABehaviorThatBlocks(t *testing.T) {
	for _, scheme := range []string{"tcp", "udp"} {
		t.Run(scheme, func(t *testing.T) { shutdownBlocked(t, scheme) })
	}
}

func shutdownBlocked(t *testing.T, scheme string) {
	release, blocked := make(chan struct{}), make(chan struct{})
	var logged journal.Journal
	srv := newServer(t, func(c *troupe.Context) {
		if op, ok := c.Message().(*troupe.Operation); ok && op.Code == 2 {
			close(blocked)
			<-release
		}
	})
	srv.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	url := scheme + "://" + listen(t, srv, scheme+"://127.0.0.1:0")[0].String()
	cfg := client.Config{Pin: loggedPin(&logged)}
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background()) }()
	a, b := dial(t, cfg, url), dial(t, cfg, url)
	if err := a.Notify(2, wire.Body{}, wire.Reliable); err != nil {
		t.Fatal(err)
	}
	<-blocked
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Shutdown took %v", took)
	}
	wantCode(t, a, wire.CodeShutdown)
	wantCode(t, b, wire.CodeShutdown)
	if err := <-served; err != troupe.ErrServerClosed {
		t.Errorf("Serve returned %v", err)
	}
	close(release)
	shutDown(t, srv) // waits again
}

// A client that is being authenticated is refused.
func TestShutdownDuringAuth(t *testing.T) {
	authenticating := make(chan struct{})
	srv := newServer(t, echo)
	srv.Auth = func(ctx context.Context, in *troupe.Init) error {
		close(authenticating)
		<-ctx.Done()
		return ctx.Err()
	}
	url := "tcp://" + listen(t, srv, "tcp://127.0.0.1:0")[0].String()
	refused := make(chan error)
	go func() {
		_, err := client.Dial(context.Background(), client.Config{}, url)
		refused <- err
	}()
	<-authenticating
	begin := time.Now()
	shutDown(t, srv)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if why, ok := errors.AsType[*client.RefusedError](<-refused); !ok || why.Code != wire.CodeShutdown {
		t.Errorf("refused with %v", why)
	}
}

func TestServeHTTPSessionsEndWithShutdown(t *testing.T) {
	srv := newServer(t, echo)
	web := httptest.NewServer(srv)
	defer web.Close()
	c := dial(t, client.Config{}, strings.Replace(web.URL, "http", "ws", 1))
	ask(t, c, "hello")
	shutDown(t, srv)
	wantCode(t, c, wire.CodeShutdown)
	if _, err := client.Dial(t.Context(), client.Config{}, strings.Replace(web.URL, "http", "ws", 1)); err == nil {
		t.Error("a client came in after Shutdown")
	}
}
