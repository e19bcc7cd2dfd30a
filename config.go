package troupe

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/transport"
)

// Config tunes a Server. The zero value is ready to use.
type Config struct {
	Transport transport.Config
	Peers     peers.Config // Server's Auth and Peer take the place of its own
	Links     s2s.Config   // Server's Link takes the place of its own; without a Name there are no links
	Actors    actor.Config
	Logger    *slog.Logger // for all parts that have none; nil means slog.Default
}

// shutdownTimeout is how long Serve gives Shutdown when its context has ended.
const shutdownTimeout = 10 * time.Second

// parts are the configurations of a server's parts.
type parts struct {
	actors    actor.Config
	peers     peers.Config
	transport transport.Config
	links     s2s.Config
}

// parts completes the configurations of the parts by the server's.
func (s *Server) parts() parts {
	p := parts{s.Config.Actors, s.Config.Peers, s.Config.Transport, s.Config.Links}
	log := s.Logger
	if log == nil {
		log = slog.Default()
	}
	for _, l := range []**slog.Logger{&p.actors.Logger, &p.peers.Logger, &p.transport.Logger, &p.links.Logger} {
		if *l == nil {
			*l = log
		}
	}
	if s.Auth != nil {
		p.peers.Auth = s.Auth
	}
	if s.Peer != nil {
		p.peers.Peer = s.Peer
	}
	if s.Link != nil {
		p.links.Link = s.Link
	}
	p.peers.AuthTimeout = cmp.Or(p.peers.AuthTimeout, p.transport.Limits.AuthTimeout)
	return p
}

// check says what is missing.
func (p *parts) check() error {
	switch {
	case p.links.Name == "" && p.links.Link != nil:
		return errors.New("troupe: Server.Link needs Config.Links.Name, which this server has among servers")
	case p.links.Name == "" && p.peers.Peer == nil:
		return errNoPeer
	}
	return nil
}

var errNoPeer = errors.New("troupe: Server.Peer is nil: nobody says how a client becomes a peer")
