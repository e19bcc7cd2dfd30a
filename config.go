package troupe

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
)

// Config tunes a Server. The zero value is ready to use.
type Config struct {
	Transport transport.Config
	Peers     peers.Config // Server's Auth and Peer take the place of its own
	Actors    actor.Config
	Logger    *slog.Logger // for all parts that have none; nil means slog.Default
}

// shutdownTimeout is how long Serve gives Shutdown when its context has ended.
const shutdownTimeout = 10 * time.Second

// parts are the configurations of a server's parts, completed by the server's.
func (s *Server) parts() (actor.Config, peers.Config, transport.Config) {
	a, p, t := s.Config.Actors, s.Config.Peers, s.Config.Transport
	log := s.Logger
	if log == nil {
		log = slog.Default()
	}
	for _, l := range []**slog.Logger{&a.Logger, &p.Logger, &t.Logger} {
		if *l == nil {
			*l = log
		}
	}
	if s.Auth != nil {
		p.Auth = s.Auth
	}
	if s.Peer != nil {
		p.Peer = s.Peer
	}
	p.AuthTimeout = cmp.Or(p.AuthTimeout, t.Limits.AuthTimeout)
	return a, p, t
}
