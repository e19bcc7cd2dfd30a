package main

// What players ask the master, and are told by it.
const (
	opJoin uint16 = 1 // wants a place to play: a place is the answer

	evElsewhere uint16 = 1 // the game server that the player was sent to is gone: join again
)

// What the master and its game servers ask and tell each other by their links.
const (
	opRegister uint16 = 1 // game to master: an offer
	evLoad     uint16 = 1 // game to master: how many players it has, every second

	opReserve  uint16 = 2 // master to game: a player is about to come: a ticket is the answer
	opAnnounce uint16 = 3 // master to game: tell the room
)

// What players ask a game server, and are told by it.
const (
	opStep uint16 = 1 // a step of the game: the player's steps so far are the answer

	evAnnounce uint16 = 1 // a text
)

// failFull is the answer to a player for whom there is no game server.
const failFull int32 = 1

// offer is where players find a game server.
type offer struct{ Addr, Pin string }

// reservation is who is about to come.
type reservation struct{ Player string }

// place is where to play. The ticket is good for one player, once, for a while.
type place struct {
	offer
	Server string
	Ticket []byte
}
