package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// server is the world with its doors: TLS, UDP, and a web server with the page and
// a WebSocket.
type server struct {
	*troupe.Server
	world *world.World
	web   net.Listener
	pin   string
	urls  map[string]string // by what a client may come over
	page  string            // its URL
}

// listen makes a server of o.addr and o.web.
func listen(o options, log *slog.Logger) (_ *server, err error) {
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		return nil, err
	}
	s := &server{pin: pin}
	s.Server = &troupe.Server{
		Peer: func(in *troupe.Init) (troupe.Behavior, error) { return s.admit(in, o, log) },
		Config: troupe.Config{
			Transport: transport.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
			Peers:     peers.Config{Rates: rates},
			Logger:    log,
		},
	}
	defer func() {
		if err != nil {
			s.Shutdown(context.Background()) // nothing in it blocks: no error
		}
	}()
	if s.world, err = world.New(s.System(), world.Config{Size: o.size, Rules: o.rules}); err != nil {
		return nil, err
	}
	at, err := s.Listen("tls://"+o.addr, "udp://"+o.addr)
	if err != nil {
		return nil, err
	}
	if s.web, err = net.Listen("tcp", o.web); err != nil {
		return nil, err
	}
	web := reach(o.web, netip.MustParseAddrPort(s.web.Addr().String()).Port())
	s.page = "http://" + web
	s.urls = map[string]string{
		"tcp": "tls://" + reach(o.addr, at[0].Port()),
		"udp": "udp://" + reach(o.addr, at[1].Port()),
		"ws":  "ws://" + web + "/troupe",
	}
	return s, nil
}

// reach is where clients on this machine find what listens on an address.
func reach(addr string, port uint16) string {
	host, _, _ := net.SplitHostPort(addr) // Listen has judged it
	return net.JoinHostPort(cmp.Or(host, "localhost"), strconv.Itoa(int(port)))
}

// admit lets a client in.
func (s *server) admit(in *troupe.Init, o options, log *slog.Logger) (troupe.Behavior, error) {
	var h hello
	if err := json.Unmarshal(in.Payload, &h); err != nil || !playerName.MatchString(h.Name) {
		return nil, peers.Refuse(wire.CodeRefused, "A name has 1 to 16 letters, digits, - or _.")
	}
	var err error
	in.Reply, err = json.Marshal(welcome{
		Size: s.world.Size(), Enter: enterView, Exit: exitView, Begin: s.world.Begin().UnixMilli(), P2P: o.p2p,
		Kinds: kindsFor(s.world.Rules()),
	})
	return newPlayer(s.world, o, log, h.Name), err
}

// start serves until stop is called, which waits until all has ended.
func (s *server) start() (stop func() error) {
	mux := http.NewServeMux()
	mux.Handle("/", site())
	mux.Handle("/troupe", s.Server)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(s.web) }() // ended by Close
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		web.Close()
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) { // it has served nobody since
			err = errors.Join(err, e)
		}
		return err
	}
}
