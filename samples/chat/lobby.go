package main

import (
	"maps"
	"strings"

	"github.com/troupe-go/troupe/actor"
)

// lobby is the actor that finds rooms, and opens those that are not there.
type lobby struct {
	rooms map[string]actor.Ref // by name in lower case
}

// find asks the lobby for the room of a name; the answer is its actor.Ref.
type find struct{ room string }

// Receive implements actor.Behavior.
func (l *lobby) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		l.rooms = make(map[string]actor.Ref)
	case find:
		c.Respond(l.find(c, m.room))
	case actor.Terminated: // a room that everybody has left
		maps.DeleteFunc(l.rooms, func(_ string, room actor.Ref) bool { return room == m.Ref })
	}
}

func (l *lobby) find(c *actor.Context, name string) actor.Ref {
	key := strings.ToLower(name)
	if _, open := l.rooms[key]; !open {
		props := actor.Props{Name: "room", NeverBlocks: true}
		l.rooms[key] = c.Spawn(props, func() actor.Behavior { return &room{name: name} })
		c.Watch(l.rooms[key])
	}
	return l.rooms[key]
}
