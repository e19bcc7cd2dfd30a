package main

import (
	"log/slog"
	"os"

	"github.com/troupe-go/troupe"
)

// troupeEcho is an echo server as a user of Troupe would write it.
const troupeEcho = "troupe-echo"

// tcpURL is where servers listen for streams.
const tcpURL = "tcp://127.0.0.1:0"

func serveTroupe() (addr string, err error) {
	return listenTroupe(&troupe.Server{
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(answer), nil },
	}, tcpURL)
}

func answer(c *troupe.Context) {
	if op, ok := c.Message().(*troupe.Operation); ok {
		op.Respond(op.Body) // an error says that the client has gone
	}
}

// listenTroupe keeps all of Troupe's defaults but the rates, which a load test
// is there to exceed.
func listenTroupe(srv *troupe.Server, url string) (addr string, err error) {
	srv.Transport.Limits.Rate.PerSecond = -1
	srv.Transport.AcceptRate.PerSecond = -1
	srv.Transport.AcceptRatePerAddress.PerSecond = -1
	srv.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	addrs, err := srv.Listen(url)
	if err != nil {
		return "", err
	}
	return addrs[0].String(), nil
}
