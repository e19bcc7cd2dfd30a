package main

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// troupeBroadcast is a server that tells all players where all of them are, in
// every tick: a world as one writes it first. It encodes that once for all, in
// datagrams as long as the sample's.
//
//	at      int64  when it was so, in nanoseconds since 1970
//	players, each:
//	  id    uint64
//	  state [standingState]byte, as the player has said it last
const troupeBroadcast = "troupe-broadcast"

const (
	standingState = 7 // position, heading, speed, health
	standingSize  = 8 + standingState
	broadcastSize = 8 + 71*standingSize // of the most that one message tells
)

// square is where all players stand.
type square struct {
	mu  sync.Mutex
	all map[wire.ID][standingState]byte
}

func serveTroupeBroadcast() (addr string, err error) {
	s := &square{all: make(map[wire.ID][standingState]byte)}
	srv := &troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(s.receive), nil }}
	addr, err = listenTroupeUDP(srv)
	go s.run(srv.System()) // ends with the process
	return addr, err
}

func (s *square) receive(c *troupe.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := c.Message().(type) {
	case *troupe.Operation:
		if len(m.Payload) == standingState {
			s.all[c.ID()] = [standingState]byte(m.Payload)
		}
	case peers.Closed:
		delete(s.all, c.ID())
	}
}

func (s *square) run(sys *actor.System) {
	for range time.Tick(chatPause) {
		for key, b := range s.encode(time.Now()) {
			peers.Broadcast(peers.All(sys), 1, wire.Payload(b), wire.Sequenced(uint16(key))) // an error says that it is too long
		}
	}
}

func (s *square) encode(now time.Time) (messages [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []byte
	for id, state := range s.all {
		if len(b) == 0 {
			b = binary.BigEndian.AppendUint64(b, uint64(now.UnixNano()))
		}
		b = append(binary.BigEndian.AppendUint64(b, uint64(id)), state[:]...)
		if len(b) == broadcastSize {
			messages, b = append(messages, b), nil
		}
	}
	if len(b) > 0 {
		messages = append(messages, b)
	}
	return messages
}

// gallery is all players of troupeBroadcast's.
type gallery struct{ load load }

// onlooker is one of them.
type onlooker struct {
	talker
	g    *gallery
	lane lane // its blocks are ticks told of

	mu     sync.Mutex
	newest int64 // tick
	bytes  int   // while it is measured
	ages   []time.Duration
}

// broadcast has players say where they are 20 times a second.
func broadcast(ctx context.Context, w string, s subject, o *options, players int) (f figures, err error) {
	srv, err := start(ctx, w, s, o)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, o.measured+3*slack)
	defer cancel()
	g := &gallery{load: load{operations: 1}}
	all, err := sing(ctx, srv.addr, g.enter, players)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, silence(all)) }()
	var tasks []func()
	for i, p := range all {
		g.load.lanes = append(g.load.lanes, &p.lane)
		tasks = append(tasks, func() { g.load.talk(ctx, beat(i), p.walk) })
	}
	if f, err = g.load.drive(ctx, srv, o, tasks); err != nil {
		return figures{}, err
	}
	var ages []time.Duration
	for _, p := range all {
		p.mu.Lock()
		ages = append(ages, p.ages...)
		f.bytesPerPeer += float64(p.bytes) / o.measured.Seconds() / float64(players)
		p.mu.Unlock()
	}
	f.p50, f.p99 = quantile(ages, 0.5), quantile(ages, 0.99)
	return f, nil
}

func (g *gallery) enter(ctx context.Context, addr string, _ int) (p *onlooker, err error) {
	p = &onlooker{g: g}
	p.talker, err = meetTroupe(wire.Sequenced(0))(ctx, addr, p.hear)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// walk says where the player is.
func (p *onlooker) walk(bool) error {
	var state [standingState]byte
	binary.BigEndian.PutUint32(state[:], uint32(time.Now().UnixMilli()))
	return p.say(state[:])
}

func (p *onlooker) hear(b []byte) {
	if len(b) < 8 {
		return
	}
	at := int64(binary.BigEndian.Uint64(b))
	p.mu.Lock()
	defer p.mu.Unlock()
	if at > p.newest {
		p.newest = at
		p.lane.done.Add(1)
	}
	if p.g.load.phase.Load() == measuring {
		p.bytes += len(b)
		p.ages = append(p.ages, time.Duration(time.Now().UnixNano()-at))
	}
}
