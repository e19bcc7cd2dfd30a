//go:build natlab && linux

package natlab

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
)

// opReady is a client's word that it has all it will have before the group.
const opReady = 1

// lobby puts the two clients that name the same pair into a group, as soon as
// both are ready.
type lobby struct {
	say *sayer

	mu      sync.Mutex
	waiting map[string]*peers.Peer
}

// guest is a client's behaviour, and the second's owns the group.
type guest struct {
	lobby *lobby
	pair  string
}

func (g *guest) Receive(c *troupe.Context) {
	switch m := c.Message().(type) {
	case *troupe.Operation:
		if m.Code == opReady {
			g.lobby.ready(c, g.pair)
		}
	case groups.PathChanged:
		g.lobby.say.word(word{What: "owner", Pair: g.pair, Direct: m.Direct})
	}
}

func (l *lobby) ready(c *troupe.Context, pair string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.waiting[pair]
	if first == nil {
		l.waiting[pair] = c.Peer
		return
	}
	delete(l.waiting, pair)
	l.say.word(word{What: "group", Pair: pair})
	if _, err := groups.Create(c.System(), groups.Options{Owner: c.Self(), PunchAtJoin: true}, first, c.Peer); err != nil {
		l.say.word(word{What: "fault", Pair: pair, Text: err.Error()})
	}
}

// beServer serves until its input ends.
func beServer(say *sayer) error {
	l := &lobby{say: say, waiting: make(map[string]*peers.Peer)}
	srv := &troupe.Server{Peer: func(i *troupe.Init) (troupe.Behavior, error) {
		return &guest{lobby: l, pair: string(i.Payload)}, nil
	}}
	srv.Transport.SecondHost = secondIP.String()
	var logged strings.Builder
	srv.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(&logged, os.Stderr), &slog.HandlerOptions{Level: slog.LevelInfo}))
	if _, err := srv.Listen(fmt.Sprint("tls://:", serverPort), fmt.Sprint("udp://:", serverPort)); err != nil {
		return err
	}
	_, rest, _ := strings.Cut(logged.String(), "pin=")
	pin, _, _ := strings.Cut(rest, "\n")
	say.word(word{What: "pin", Text: strings.Trim(pin, `"`)})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	srv.Serve(ctx)
	return nil
}
