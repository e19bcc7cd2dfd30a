// Package session carries frames over a connection: buffers, queues, delivery
// classes, handshake, limits and the route table of groups. It knows no actors,
// so that game clients link none.
//
//	Conn.Read -> Buffer -> decode in place -> Receiver        one goroutine each session
//	Send… -> outbox -> one non-blocking write at each Flush   on the sender's goroutine
//
// A [Session] is owned by whoever made it: a peer's actor on the server, a
// Client on the other end. Nothing else closes it.
package session
