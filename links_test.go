package troupe_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// member is a server among servers, which dir makes trust each other.
func member(t *testing.T, dir, name string) *troupe.Server {
	t.Helper()
	srv := &troupe.Server{}
	srv.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)).With("at", name)
	srv.Links.Name = name
	var err error
	if srv.Links.TLS, err = s2s.DevelopmentTLS(dir, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutDown(t, srv) })
	return srv
}

// A server asks another one to do something with that one's peers, which does so
// by its own public means: there is no back door.
func TestLinkActsOnPeers(t *testing.T) {
	dir := t.TempDir()
	const opTell, opKick = 1, 2
	game := member(t, dir, "game")
	game.Peer = func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(echo), nil }
	game.Link = func(in *s2s.Init) (s2s.Behavior, error) {
		return s2s.Func(func(c *s2s.Context) {
			op, ok := c.Message().(*s2s.Operation)
			if !ok {
				return
			}
			p := peers.Find(c.System(), op.Params.Get(1).ID())
			switch {
			case p == nil:
				op.Fail(1, "no such player")
			case op.Code == opTell:
				p.Event(7, wire.Payload(op.Payload), wire.Reliable)
				op.Respond(wire.Body{})
			case op.Code == opKick:
				p.Close(wire.CodeKicked, "by "+c.Name())
				op.Respond(wire.Body{})
			}
		}), nil
	}
	addrs := listen(t, game, "tcp://127.0.0.1:0", "s2s+tls://127.0.0.1:0")
	told := make(chan string, 1)
	c := dial(t, client.Config{OnEvent: func(e wire.Event) { told <- string(e.Payload) }}, "tcp://"+addrs[0].String())

	master := member(t, dir, "master")
	up := make(chan struct{})
	l, err := s2s.Dial(master.System(), s2s.Target{Name: "game", URL: "s2s+tls://" + addrs[1].String()}, func() s2s.Behavior {
		return s2s.Func(func(c *s2s.Context) {
			if _, ok := c.Message().(s2s.Established); ok {
				close(up)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	<-up
	who := wire.Body{Params: wire.P(1, c.ID()), Payload: []byte("hello from the master")}
	if _, err := l.Call(t.Context(), opTell, who); err != nil {
		t.Error(err)
	}
	if got := <-told; got != "hello from the master" {
		t.Errorf("the player was told %q", got)
	}
	if _, err := l.Call(t.Context(), opKick, who); err != nil {
		t.Error(err)
	}
	wantCode(t, c, wire.CodeKicked)
	if st := game.Stats().Links; st.Up != 1 || st.Established != 1 {
		t.Errorf("%+v", st)
	}
	shutDown(t, game)
	if st := master.Stats().Links; st.Up != 0 || st.Down != 1 {
		t.Errorf("%+v", st)
	}
}

// Clients are refused at a server's port, and servers at a client's.
func TestWrongPort(t *testing.T) {
	dir := t.TempDir()
	game := member(t, dir, "game")
	game.Peer = func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(echo), nil }
	game.Link = func(*s2s.Init) (s2s.Behavior, error) { return s2s.Func(func(*s2s.Context) {}), nil }
	addrs := listen(t, game, "tcp://127.0.0.1:0", "tls://127.0.0.1:0", "s2s+tcp://127.0.0.1:0", "s2s+tls://127.0.0.1:0")
	for i, want := range map[int]string{2: "this port is for servers", 3: "remote error: tls: "} {
		scheme := []string{"tcp", "tls", "tcp", "tls"}[i]
		_, err := client.Dial(t.Context(), client.Config{CA: game.Links.TLS.RootCAs, ServerName: "game"}, scheme+"://"+addrs[i].String())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a client at %s: %v, want %q", scheme, err, want)
		}
	}
	master := member(t, dir, "master")
	for i, want := range []string{"link hello comes before hello", "no application protocol"} {
		failed := make(chan string, 1)
		l, err := s2s.Dial(master.System(), s2s.Target{Name: "game", URL: "s2s+" + []string{"tcp", "tls"}[i] + "://" + addrs[i].String()}, func() s2s.Behavior {
			return s2s.Func(func(c *s2s.Context) {
				if m, ok := c.Message().(s2s.Failed); ok {
					select {
					case failed <- m.Text:
					default:
					}
				}
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-failed; !strings.Contains(got, want) {
			t.Errorf("a server at a client's port was told %q, want %q", got, want)
		}
		l.Close(wire.CodeNormal, "")
		<-l.Done()
	}
	ask(t, dial(t, client.Config{}, "tcp://"+addrs[0].String()), "still there")
}

// A server that has but links needs no Peer, and takes no clients.
func TestServerWithoutClients(t *testing.T) {
	srv := member(t, t.TempDir(), "game")
	if _, err := srv.Listen("tcp://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "Server.Peer is nil") {
		t.Errorf("Listen returned %v", err)
	}
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("ServeHTTP answered %d", w.Code)
	}
	listen(t, srv, "s2s+tls://127.0.0.1:0")
	if st := srv.Stats(); st.Peers != (peers.Stats{}) || st.Links.Links != 0 {
		t.Errorf("%+v", st)
	}
	shutDown(t, srv)
	if _, err := srv.Listen("s2s+tls://127.0.0.1:0"); err != troupe.ErrServerClosed {
		t.Errorf("Listen returned %v", err)
	}
}

// Without a name there are no links.
func TestServerWithoutName(t *testing.T) {
	srv := newServer(t, echo)
	if _, err := srv.Listen("s2s+tls://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "Config.Links.Name") {
		t.Errorf("Listen returned %v", err)
	}
	if _, err := s2s.Dial(srv.System(), s2s.Target{Name: "x", URL: "s2s+tls://x:1"}, nil); err == nil || !strings.Contains(err.Error(), "Config.Links.Name") {
		t.Errorf("Dial returned %v", err)
	}
	nameless := &troupe.Server{Link: func(*s2s.Init) (s2s.Behavior, error) { return nil, nil }}
	if _, err := nameless.Listen("s2s+tls://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "Config.Links.Name") {
		t.Errorf("Listen returned %v", err)
	}
	<-nameless.System().Spawn(actor.Props{}, func() actor.Behavior { return actor.Func(func(*actor.Context) {}) }).Done()
	plain := member(t, t.TempDir(), "plain")
	plain.Links.TLS = nil
	if _, err := plain.Listen("s2s+tls://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "Config.TLS") {
		t.Errorf("Listen returned %v", err)
	}
	if _, err := plain.Listen("s2s+tcp://0.0.0.0:0"); err == nil || !strings.Contains(err.Error(), "s2s+tcp://0.0.0.0:0 is plaintext") {
		t.Errorf("Listen returned %v", err)
	}
}
