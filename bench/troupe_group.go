package main

import (
	"sync"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// troupeGroup is a server that takes everybody into one group.
const troupeGroup = "troupe-group"

func serveTroupeGroup() (addr string, err error) {
	srv := new(troupe.Server)
	group := sync.OnceValues(func() (*groups.Group, error) {
		return groups.Create(srv.System(), groups.Options{KeepEmpty: true, Quiet: true, Relay: transport.Rate{PerSecond: -1}})
	})
	srv.Peer = func(*troupe.Init) (troupe.Behavior, error) {
		g, err := group()
		if err != nil {
			return nil, err
		}
		return troupe.Func(func(c *troupe.Context) {
			if _, ok := c.Message().(peers.Started); !ok {
				return
			}
			if err := g.Join(c.Peer, nil); err != nil {
				c.Close(wire.CodeInternal, err.Error())
			}
		}), nil
	}
	return listenTroupe(srv, tcpURL)
}
