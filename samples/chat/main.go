// Command chat is a chat server with its web page and, with -connect, a client
// in a terminal.
//
//	go run ./samples/chat
//	go run ./samples/chat -connect ws://localhost:8080/troupe -nick ann
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/samples/chat/page"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to serve on")
	url := flag.String("connect", "", "be a client of the chat at this `url`, such as ws://localhost:8080/troupe")
	nick := flag.String("nick", "terminal", "the client's `name`")
	room := flag.String("room", "lobby", "the `room` it enters")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *url != "" {
		err = connect(ctx, *url, *room, *nick, os.Stdin, os.Stdout)
	} else {
		err = listen(ctx, *addr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

func listen(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(addr) // Listen has judged it
	_, port, _ := net.SplitHostPort(l.Addr().String())
	addr = net.JoinHostPort(cmp.Or(host, "localhost"), port)
	fmt.Printf("Open http://%s in two tabs, and in another terminal run\n", addr)
	fmt.Printf("\n\tgo run ./samples/chat -connect ws://%s/troupe -nick ann\n\n", addr)
	return serve(ctx, l, slog.Default())
}

// rates bound what one client may say. The page shows the refusal.
var rates = map[uint16]peers.Rate{
	opSay:     {PerSecond: 5, Burst: 10},
	opWhisper: {PerSecond: 5, Burst: 10},
}

// serve runs the chat on l, until ctx ends.
func serve(ctx context.Context, l net.Listener, log *slog.Logger) error {
	var hall actor.Ref
	srv := &troupe.Server{
		Peer:   func(*troupe.Init) (troupe.Behavior, error) { return newGuest(hall), nil },
		Config: troupe.Config{Peers: peers.Config{Rates: rates}, Logger: log},
	}
	hall = srv.System().Spawn(actor.Props{Name: "lobby", NeverBlocks: true}, func() actor.Behavior { return &lobby{} })

	mux := http.NewServeMux()
	mux.Handle("/", page.Handler(page.Files))
	mux.Handle("/troupe", srv)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { stop(web.Serve(l)) }) // ended by Close
	err := srv.Serve(ctx)
	web.Close()
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) { // not the caller's wish
		return cause
	}
	if errors.Is(err, troupe.ErrServerClosed) {
		return nil
	}
	return err
}
