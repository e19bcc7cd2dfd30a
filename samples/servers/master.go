package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// masterName is the master's among servers.
const masterName = "master"

// master sends players to game servers. Players come to one of its ports, game
// servers to another.
type master struct{ hall actor.Ref }

// newMaster makes the master's server.
func newMaster(dir string, log *slog.Logger) (*troupe.Server, error) {
	tls, err := s2s.DevelopmentTLS(dir, masterName)
	if err != nil {
		return nil, err
	}
	m := new(master)
	srv := &troupe.Server{
		Auth: func(_ context.Context, in *troupe.Init) error {
			in.User = string(in.Auth) // a real one checks a password or a token
			return nil
		},
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(m.player), nil },
		Link: func(*s2s.Init) (s2s.Behavior, error) { return s2s.Func(m.game), nil },
	}
	srv.Logger = log
	srv.Transport.KeyFile = keyFile(dir)
	srv.Links.Name, srv.Links.TLS = masterName, tls
	m.hall = srv.System().Spawn(actor.Props{Name: "hall", NeverBlocks: true}, func() actor.Behavior { return newHall(log) })
	return srv, nil
}

// keyFile keeps the key by which players know the master, over its restarts.
func keyFile(dir string) string { return filepath.Join(dir, "master.key") }

// masterPin is what players know it by.
func masterPin(dir string) (string, error) {
	_, pin, err := transport.DevelopmentCertificate(keyFile(dir))
	return pin, err
}

// player is the behaviour of players.
func (m *master) player(c *troupe.Context) {
	switch msg := c.Message().(type) {
	case *troupe.Operation:
		if msg.Code != opJoin {
			msg.Fail(wire.ResultUnknown, "the master only knows where to play")
			return
		}
		if err := m.hall.Send(join{player: c.Peer, reply: msg.Later()}); err != nil {
			msg.Fail(wire.ResultOverloaded, "too many want to play")
		}
	case peers.Closed:
		m.hall.Force(left{c.Peer}) // once in a life
	}
}

// game is the behaviour of the links with game servers.
func (m *master) game(c *s2s.Context) {
	switch msg := c.Message().(type) {
	case *s2s.Operation:
		o, err := wire.Decode[offer](msg.Body)
		if msg.Code != opRegister || err != nil {
			msg.Fail(wire.ResultBadRequest, "want an offer")
			return
		}
		if err := m.hall.Send(registered{c.Link, o}); err != nil {
			msg.Fail(wire.ResultOverloaded, "the master has too much to do")
			return
		}
		msg.Respond(wire.Body{})
	case *s2s.Event:
		if n, err := wire.Decode[int](msg.Body); err == nil && msg.Code == evLoad {
			m.hall.Send(loaded{c.Link, n}) // an error says that the next one counts
		}
	case s2s.Down: // whatever has become of it
		m.hall.Force(gone{c.Link}) // once for each time that it was up
	}
}
