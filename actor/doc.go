// Package actor is the actor runtime: the only door to protoactor-go.
//
// An actor is a [Behavior] that handles one message at a time, so its state
// needs no lock. It is reached by a [Ref]; it is made by [System.Spawn] or, as
// a child, by [Context.Spawn], and stops with its parent.
//
//	Ref.Send -> bounded mailbox -> dispatcher -> Behavior.Receive
//
// Three things differ from protoactor-go as it comes. Mailboxes are bounded and
// never block or spin: a sender is told Full. Actors run on re-used goroutines:
// framework actors, which never block, on a fixed run queue; all others on a
// pool where a blocked one holds up nobody else. And a panic is caught around
// one message: it is logged with its stack and counted, then the actor stops or
// goes on with a fresh behaviour, as [Props] say.
//
// [Context.Proto] leads to protoactor-go's own context for those who want it.
package actor
