// Package peers turns sessions into actors.
//
// A [Peer] is the server's end of one client. It owns its session: nothing else
// closes it. Its [Behavior], the application's, handles one message at a time,
// so it needs no locks, and may block: it holds up nobody but its own client.
//
//	session -> Peer -> your Behavior -> groups
//
// What a Behavior receives, besides what other actors send it:
//
//	Started     once, first
//	*Operation  from the client, in the order of their sending
//	Closed      once, last, whatever the reason
//
// A [Router] hands operations to typed handlers, see [Handle]. What a behaviour
// sends in its turn leaves when the turn ends or has taken a millisecond, in one
// write for each client. A panic costs the peer it happened in, or with
// RestartOnPanic the one operation; nobody else notices.
package peers
