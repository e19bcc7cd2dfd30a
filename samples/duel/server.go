package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// roomSize is how many players meet each other.
const roomSize = 8

// server is a troupe.Server with what a player needs to join it.
type server struct {
	*troupe.Server
	addr, pin string
}

var playerName = regexp.MustCompile(`^[\p{L}\p{Nd}_-]{1,12}$`)

// listen makes a server of duels on addr, by TLS and by UDP on the same port.
func listen(addr string, relayOnly bool, log *slog.Logger) (*server, error) {
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		return nil, err
	}
	var hall actor.Ref
	srv := &troupe.Server{
		Peer: func(in *troupe.Init) (troupe.Behavior, error) {
			if !playerName.Match(in.Payload) {
				return nil, peers.Refuse(wire.CodeRefused, "a name has 1 to 12 letters, digits, - or _")
			}
			return &seat{lobby: hall, name: string(in.Payload)}, nil
		},
		Config: troupe.Config{
			Transport: transport.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
			Logger:    log,
		},
	}
	hall = srv.System().Spawn(actor.Props{Name: "lobby", NeverBlocks: true}, func() actor.Behavior {
		return &lobby{seats: make(map[wire.ID]actor.Ref), relayOnly: relayOnly, log: log}
	})
	s := &server{Server: srv, pin: pin}
	if s.addr, err = listenBoth(srv, addr); err != nil {
		srv.Shutdown(context.Background()) // nothing in it blocks: no error
		return nil, err
	}
	return s, nil
}

// listenBoth listens for streams and datagrams on one port, and returns where
// players find it.
func listenBoth(srv *troupe.Server, addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	at, err := srv.Listen("tls://" + addr)
	if err != nil {
		return "", err
	}
	port := strconv.Itoa(int(at[0].Port()))
	if _, err = srv.Listen("udp://" + net.JoinHostPort(host, port)); err != nil {
		return "", err
	}
	if host == "" {
		host = ownAddress()
	}
	return net.JoinHostPort(host, port), nil
}

// ownAddress is where other machines may find this one. The players in this
// process go there too: whom the server sees at 127.0.0.1 nobody elsewhere can
// reach directly.
func ownAddress() string {
	all, _ := net.InterfaceAddrs() // without them there is still localhost
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr().String()
		}
	}
	return "localhost"
}

// start serves until stop is called, which waits until all has ended.
func (s *server) start() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }() // ended by stop
	return func() error {
		cancel()
		if err := <-served; !errors.Is(err, troupe.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// seat is the server's end of a player. All that it does is to take a place in
// a room and to give it back: the players talk to each other.
type seat struct {
	lobby actor.Ref
	name  string
}

type (
	enter struct {
		who  *troupe.Peer
		name string
	}
	left struct{ who wire.ID }
)

// Receive implements troupe.Behavior.
func (s *seat) Receive(c *troupe.Context) {
	switch m := c.Message().(type) {
	case peers.Started:
		if err := s.lobby.Send(enter{c.Peer, s.name}); err != nil {
			c.Close(wire.CodeOverloaded, "too many come at once")
		}
	case *troupe.Operation:
		m.Fail(wire.ResultUnknown, "a duel has no operations")
	case peers.Closed:
		s.lobby.Force(left{c.Peer.ID()}) // once in a life
	}
}

// lobby is the actor that finds each player a room.
type lobby struct {
	rooms     []actor.Ref
	seats     map[wire.ID]actor.Ref // taken
	relayOnly bool
	log       *slog.Logger
}

// Receive implements actor.Behavior.
func (l *lobby) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case enter:
		room := l.withSpace(c)
		l.seats[m.who.ID()] = room
		room.Force(m)
	case left:
		delete(l.seats, m.who)
	case actor.Terminated: // a room that has failed
		l.rooms = slices.DeleteFunc(l.rooms, func(r actor.Ref) bool { return r == m.Ref })
	}
}

// withSpace is the first room that is not full. Rooms stay for those to come.
func (l *lobby) withSpace(c *actor.Context) actor.Ref {
	taken := make(map[actor.Ref]int)
	for _, r := range l.seats {
		taken[r]++
	}
	for _, r := range l.rooms {
		if taken[r] < roomSize {
			return r
		}
	}
	made := &room{names: make(map[wire.ID]string), relayOnly: l.relayOnly, log: l.log}
	ref := c.Spawn(actor.Props{Name: "room", NeverBlocks: true}, func() actor.Behavior { return made })
	c.Watch(ref)
	l.rooms = append(l.rooms, ref)
	return ref
}

// room is an actor that owns a group: the group's members are its players.
type room struct {
	group     *groups.Group
	names     map[wire.ID]string
	relayOnly bool
	log       *slog.Logger
}

// Receive implements actor.Behavior.
func (r *room) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		g, err := groups.Create(c.System(), groups.Options{Owner: c.Self(), KeepEmpty: true, RelayOnly: r.relayOnly})
		if err != nil {
			panic(err) // only wrong options can do it
		}
		r.group = g
	case enter:
		r.names[m.who.ID()] = m.name
		if err := r.group.Join(m.who, []byte(m.name)); err != nil {
			m.who.Close(wire.CodeOverloaded, "the room has too much to do")
		}
	case groups.JoinComplete:
		if m.Result == groups.Disconnected { // gone before it was in
			delete(r.names, m.Peer.ID())
		}
	case groups.MemberLeft:
		delete(r.names, m.Peer.ID())
	case groups.PathChanged:
		r.log.Info("path changed", slog.String("group", m.Group.String()), slog.String("a", r.names[m.A.ID()]),
			slog.String("b", r.names[m.B.ID()]), slog.Bool("direct", m.Direct), slog.String("reason", m.Reason.String()), slog.Duration("rtt", m.RTT))
	}
}
