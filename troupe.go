// Package troupe is an actor-model game server framework: every client and
// every group of clients is an actor.
//
// A [Server] is listeners, peers and groups. Its shape is net/http's: the zero
// value with a Peer function works, ListenAndServe runs it, Shutdown ends it.
// Where http has a handler, Troupe has an actor: a [Behavior] that receives one
// client's operations, one at a time.
//
// The packages below are the parts: peers for what a behaviour can do, groups
// for peers that share events, actor for actors of one's own, client for bots
// and tools, wire for values and delivery classes.
package troupe

import (
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// The names that most behaviours need, so that they need one import.
type (
	// Init is a client that asks to come in.
	Init = peers.Init
	// Behavior handles a peer's messages, one at a time.
	Behavior = peers.Behavior
	// Func is a Behavior made of a function.
	Func = peers.Func
	// Context is a behaviour's view of its peer and of the actor runtime.
	Context = peers.Context
	// Operation is a client's request or notice.
	Operation = peers.Operation
	// PathChanged tells a behaviour what carries its client's messages.
	PathChanged = peers.PathChanged
	// Peer is the server's end of one client.
	Peer = peers.Peer
	// Body is what operations, responses and events carry.
	Body = wire.Body
)
