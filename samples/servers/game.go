package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

const loadEvery = time.Second

// gameServer has a room in which those play who come with a ticket.
type gameServer struct {
	*troupe.Server
	offer
	tickets tickets
	room    *groups.Group
	listed  chan struct{} // holds a token when the master has it on its list
}

// newGame makes a game server. Its place on the master's list is taken by enlist.
func newGame(dir, name string, log *slog.Logger) (*gameServer, error) {
	links, err := s2s.DevelopmentTLS(dir, name)
	if err != nil {
		return nil, err
	}
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		return nil, err
	}
	g := &gameServer{offer: offer{Pin: pin}, listed: make(chan struct{}, 1)}
	g.Server = &troupe.Server{
		Auth: g.admit,
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(g.arrive), nil },
	}
	g.Logger = log
	g.Config.Transport.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	g.Config.Links.Name, g.Config.Links.TLS = name, links
	g.room, err = groups.Create(g.System(), groups.Options{KeepEmpty: true, MaxMembers: 256})
	return g, err
}

// enlist dials the master, now and whenever the link is down. Players find this
// server at addr.
func (g *gameServer) enlist(addr, master string) error {
	g.Addr = addr
	_, err := s2s.Dial(g.System(), s2s.Target{Name: masterName, URL: "s2s+tls://" + master}, func() s2s.Behavior { return s2s.Func(g.master) })
	return err
}

// admit lets in who has a ticket, once.
func (g *gameServer) admit(_ context.Context, in *troupe.Init) error {
	player, ok := g.tickets.use(in.Auth, time.Now())
	if !ok {
		return peers.Refuse(wire.CodeAuth, "ask the master for a ticket")
	}
	in.User = player
	return nil
}

// master is the behaviour of the link with the master: what it asks is done by
// the means that any part of this server has.
func (g *gameServer) master(c *s2s.Context) {
	switch m := c.Message().(type) {
	case s2s.Started:
		c.Every(loadEvery, nil)
	case s2s.Established:
		if _, err := s2s.Call[struct{}](c.Ctx(), c.Link, opRegister, g.offer); err != nil {
			g.Logger.Error("register", slog.Any("err", err))
			return
		}
		g.report(c)
		select {
		case g.listed <- struct{}{}:
		default: // it has been before
		}
	case actor.Tick:
		if c.Up() {
			g.report(c)
		}
	case *s2s.Operation:
		switch m.Code {
		case opReserve:
			g.reserve(m)
		case opAnnounce:
			g.room.Send(evAnnounce, wire.Payload(m.Payload), wire.Reliable) // an error says that the server stops
		default:
			m.Fail(wire.ResultUnknown, "a game server has no such operation")
		}
	}
}

func (g *gameServer) report(c *s2s.Context) {
	if body, err := wire.Encode(peers.Count(c.System())); err == nil {
		c.Event(evLoad, body, wire.Reliable) // an error says that the link is down again
	}
}

func (g *gameServer) reserve(m *s2s.Operation) {
	r, err := wire.Decode[reservation](m.Body)
	if err != nil {
		m.Fail(wire.ResultBadRequest, "want a reservation")
		return
	}
	ticket := g.tickets.issue(r.Player, time.Now())
	if ticket == nil {
		m.Fail(failFull, "no place is left")
		return
	}
	m.Respond(wire.Payload(ticket))
}

// arrive takes a player into the room, who plays from then on.
func (g *gameServer) arrive(c *troupe.Context) {
	if err := g.room.Join(c.Peer, []byte(c.User())); err != nil {
		c.Close(wire.CodeOverloaded, "the room has too much to do")
		return
	}
	steps := 0
	c.Become(troupe.Func(func(c *troupe.Context) {
		if op, ok := c.Message().(*troupe.Operation); ok {
			steps++
			op.Respond(wire.Text(fmt.Sprint(steps)))
		}
	}))
}
