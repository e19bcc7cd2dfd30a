// Package peers turns sessions into actors.
//
// A [Peer] is the server's end of one client. It owns its session: nothing else
// closes it. Its [Behavior], the application's, handles one message at a time,
// so it needs no locks, and may block: it holds up nobody but its own client.
//
//	session -> Peer -> your Behavior -> groups, s2s
//
// What a Behavior receives, besides what other actors send it:
//
//	Started     once, first
//	*Operation  from the client, in the order of their sending
//	Closed      once, last, whatever the reason
package peers
