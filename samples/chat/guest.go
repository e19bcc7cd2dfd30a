package main

import (
	"cmp"
	"errors"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
)

// guest is the server's end of one client: first outside, then inside a room.
// It judges what its client sends, and leaves the rest to the room.
type guest struct {
	lobby actor.Ref
	room  actor.Ref

	door, talk peers.Router // what may be asked outside, and inside
}

func newGuest(lobby actor.Ref) troupe.Behavior {
	g := &guest{lobby: lobby}
	peers.Handle(&g.door, opEnter, g.enter)
	peers.Handle(&g.talk, opSay, g.say)
	peers.Handle(&g.talk, opWhisper, g.whisper)
	peers.Handle(&g.talk, opKick, g.kick)
	return troupe.Func(g.outside)
}

// outside lets a guest into a room and refuses everything else.
func (g *guest) outside(c *troupe.Context) {
	op, ok := c.Message().(*troupe.Operation)
	switch {
	case ok && op.Code == opEnter:
		g.door.Receive(c)
	case ok:
		op.Fail(codeOutside, "Enter a room first.")
	}
}

// inside lets a guest talk.
func (g *guest) inside(c *troupe.Context) {
	switch m := c.Message().(type) {
	case *troupe.Operation:
		if m.Code == opEnter {
			m.Fail(codeInside, "You are in a room already.")
			return
		}
		g.talk.Receive(c)
	case kicked:
		g.leave(c)
	case actor.Terminated: // the room has failed
		if m.Ref == g.room {
			g.leave(c)
		}
	}
}

func (g *guest) enter(c *troupe.Context, req enterRequest) (struct{}, error) {
	if err := cmp.Or(checkName("nick", req.Nick), checkName("room", req.Room)); err != nil {
		return struct{}{}, err
	}
	for {
		room, err := actor.Ask[actor.Ref](c.Ctx(), g.lobby, find{req.Room})
		if err != nil {
			return struct{}{}, err
		}
		err = actor.Do(c.Ctx(), room, enter{c.Peer, req.Nick})
		switch {
		case errors.Is(err, actor.ErrStopped): // its last guest has just gone: the lobby opens another
			continue
		case err == nil:
			g.room = room
			c.Watch(room)
			c.Become(troupe.Func(g.inside))
		}
		return struct{}{}, err
	}
}

func (g *guest) leave(c *troupe.Context) {
	c.Unwatch(g.room)
	g.room = actor.Ref{}
	c.Become(troupe.Func(g.outside))
}

func (g *guest) say(c *troupe.Context, req sayRequest) (struct{}, error) {
	text, err := checkText(req.Text)
	if err != nil {
		return struct{}{}, err
	}
	return g.ask(c, say{c.Peer, text})
}

func (g *guest) whisper(c *troupe.Context, req whisperRequest) (struct{}, error) {
	text, err := checkText(req.Text)
	if err != nil {
		return struct{}{}, err
	}
	return g.ask(c, whisper{c.Peer, req.To, text})
}

func (g *guest) kick(c *troupe.Context, req kickRequest) (struct{}, error) {
	return g.ask(c, kick{c.Peer, req.Nick})
}

// ask has the room do something. A behaviour may wait: it holds up its own
// client only. The room never does.
func (g *guest) ask(c *troupe.Context, m any) (struct{}, error) {
	return struct{}{}, actor.Do(c.Ctx(), g.room, m)
}
