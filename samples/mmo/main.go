// Command mmo is a world in which hundreds of players walk, fight and talk, each
// seeing what is near: a server, a page to play on, and bots that check what they
// are told.
//
//	go run ./samples/mmo                         # a world with 300 bots; open the page
//	go run ./samples/mmo -bots 1000 -for 60s     # load it
//	go run ./samples/mmo -bots 40 -for 30s -p2p  # positions go from player to player
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
)

// options are the command line's.
type options struct {
	web, addr    string // to serve on; nothing is served where connect is set
	connect, pin string
	bots         int
	over         string // what the bots come over: udp, tcp or ws
	length       time.Duration
	size         float64 // of the world; 0: as large as the bots need it
	budget       int     // bytes for each player and tick; 0: the protocol's own
	p2p, relay   bool
	crowd        bool
	settle       time.Duration // until the checks begin, after the last bot has come
	json         bool

	// for tests
	rules map[world.Kind]world.Rules // nil: the standard ones
	spawn func() interest.Point      // where characters appear; nil: anywhere
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

func main() {
	var o options
	flag.StringVar(&o.web, "web", "localhost:8080", "`address` to serve the page on")
	flag.StringVar(&o.addr, "addr", "localhost:4530", "`address` to serve on, TLS and UDP")
	flag.StringVar(&o.connect, "connect", "", "bring the bots to the server at this `url` rather than be one")
	flag.StringVar(&o.pin, "pin", "", "that server's `key`, as it prints it")
	flag.IntVar(&o.bots, "bots", 300, "`number` of bots in this process")
	flag.StringVar(&o.over, "over", "udp", "what the bots come over: `udp, tcp or ws`")
	flag.DurationVar(&o.length, "for", 0, "end after this `time`, with an error if a check has failed")
	flag.Float64Var(&o.size, "size", 0, "`metres` of the world's sides; 0: so many that each bot sees 30")
	flag.IntVar(&o.budget, "budget", 0, "`bytes` for each player and tick, at most; 0: 800")
	flag.BoolVar(&o.p2p, "p2p", false, "players tell each other where they are, directly where they can")
	flag.BoolVar(&o.relay, "relay", false, "with -p2p, as if none could: the bots look for no direct path")
	flag.BoolVar(&o.crowd, "crowd", false, "all bots walk to one place")
	flag.DurationVar(&o.settle, "settle", 3*time.Second, "`time` from the last bot's coming until the checks begin")
	flag.BoolVar(&o.json, "json", false, "tell in lines of JSON: where the server is, figures as the checks begin and as they end")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mmo:", err)
		os.Exit(1)
	}
}

func slogTo(out io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(out, nil)) }

// sizeFor is a world in which each of n players has 30 items in view, most of them
// players.
func sizeFor(n int) float64 {
	const r = (enterView + exitView) / 2 // who has come in may be farther away than who has not
	const each = math.Pi * r * r / 24    // square metres
	return min(max(math.Ceil(math.Sqrt(float64(n)*each)), 128), 2000)
}

// run serves, lets bots loose, or does both, until ctx or the options' time ends.
// The error says what failed.
func run(ctx context.Context, o options, out io.Writer) (sum summary, fault error) {
	if o.bots < 0 {
		return sum, fmt.Errorf("there can't be %d bots", o.bots)
	}
	tell := teller{out, o.json}
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	if o.size == 0 {
		o.size = sizeFor(o.bots)
	}
	if o.connect == "" {
		if !slices.Contains([]string{"udp", "tcp", "ws"}, o.over) {
			return sum, fmt.Errorf("bots come over udp, tcp or ws, not %q", o.over)
		}
		log := slogTo(out)
		if o.json {
			log = slog.New(slog.DiscardHandler)
		}
		srv, err := listen(o, log)
		if err != nil {
			return sum, err
		}
		stop := srv.start()
		defer func() { fault = errors.Join(fault, stop()) }()
		tell.says("Open %s\n\nMore bots, in another terminal:\n\n\tgo run ./samples/mmo -bots 100 -connect %s -pin %s\n\n", srv.page, srv.urls[o.over], srv.pin)
		tell.gives(door{srv.urls[o.over], srv.pin})
		o.connect, o.pin = srv.urls[o.over], srv.pin
	}
	if o.bots == 0 {
		<-ctx.Done()
		return sum, nil
	}
	return loose(ctx, o, tell)
}
