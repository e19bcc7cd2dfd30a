package main

import (
	"sync"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// troupeTens is a server that puts its clients into groups of ten as they come.
// They talk by it alone.
const troupeTens = "troupe-tens"

func serveTroupeTens() (addr string, err error) {
	srv := new(troupe.Server)
	var mu sync.Mutex
	var last *groups.Group
	members := 0
	seat := func(p *peers.Peer) (err error) {
		mu.Lock()
		defer mu.Unlock()
		if members%relayGroup == 0 {
			last, err = groups.Create(srv.System(), groups.Options{RelayOnly: true}, p)
		} else {
			err = last.Join(p, nil)
		}
		members++
		return err
	}
	srv.Peer = func(*troupe.Init) (troupe.Behavior, error) {
		return troupe.Func(func(c *troupe.Context) {
			if _, ok := c.Message().(peers.Started); !ok {
				return
			}
			if err := seat(c.Peer); err != nil {
				c.Close(wire.CodeInternal, err.Error())
			}
		}), nil
	}
	return listenTroupeUDP(srv)
}
