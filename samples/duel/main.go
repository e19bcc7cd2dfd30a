// Command duel shows players who reach each other past the server: directly
// where their networks let them, by the server's relay else.
//
//	go run ./samples/duel -bots 4 -for 20s
//	go run ./samples/duel                    # prints what others run to join
//	go run ./samples/duel -connect 192.168.1.5:4530 -pin sha256/… -name ann
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-go/troupe/client"
)

// options are the command line's.
type options struct {
	addr               string // to serve on; nothing is served where connect is set
	connect, pin, name string
	bots               int
	length             time.Duration // 0: until ctx ends

	relayOnly, blockUDP bool
	simulate            client.Simulate
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", ":4530", "`address` to serve on, TLS and UDP")
	flag.StringVar(&o.connect, "connect", "", "join the server at this `address` rather than be one")
	flag.StringVar(&o.pin, "pin", "", "the server's `key`, as it prints it")
	flag.StringVar(&o.name, "name", "guest", "the player's `name`")
	flag.IntVar(&o.bots, "bots", 0, "`number` of players in this process")
	flag.DurationVar(&o.length, "for", 0, "end after this `time`")
	flag.BoolVar(&o.relayOnly, "relay-only", false, "seek no direct paths, and tell nobody of addresses")
	flag.BoolVar(&o.blockUDP, "block-udp", false, "play as if the network let no UDP through")
	flag.Func("simulate", "a worse network for UDP: `delay,loss` such as 40ms,5%, each way of each player here", func(s string) (err error) {
		o.simulate, err = parseSimulate(s)
		return err
	})
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "duel:", err)
		os.Exit(1)
	}
}

// parseSimulate reads a delay, or a delay and a loss.
func parseSimulate(s string) (sim client.Simulate, err error) {
	delay, loss, both := strings.Cut(s, ",")
	if sim.Delay, err = time.ParseDuration(delay); err != nil || !both {
		return sim, err
	}
	percent, ok := strings.CutSuffix(loss, "%")
	if !ok {
		return sim, errors.New("the loss is a percentage, such as 5%")
	}
	sim.Loss, err = strconv.ParseFloat(percent, 64)
	sim.Loss /= 100
	return sim, err
}

// run serves, plays, or does both, until ctx or the options' time ends. The
// error says what failed: a player could not join, a shot was lost or came
// twice, somebody was not heard.
func run(ctx context.Context, o options, out io.Writer) (sum summary, err error) {
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	s := newScreen(out)
	if o.connect != "" {
		return play(ctx, o, s)
	}
	srv, err := listen(o.addr, o.relayOnly, slog.New(slog.NewTextHandler(s, nil)))
	if err != nil {
		return sum, err
	}
	stop := srv.start()
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Fprintf(s, "To join, run in other terminals, here or on other machines:\n\n")
	fmt.Fprintf(s, "\tgo run ./samples/duel -connect %s -pin %s\n\n", srv.addr, srv.pin)
	if o.bots == 0 {
		<-ctx.Done()
		return sum, nil
	}
	o.connect, o.pin = srv.addr, srv.pin
	return play(ctx, o, s)
}
