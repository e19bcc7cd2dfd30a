// Package client is the Go client: for bots, tools, load tests and games in Go.
//
//	Dial -> session reader --answers--> waiting Calls
//	                       --the rest--> queue -> one callback goroutine -> OnEvent, Group.OnMessage, …
//
// A [Client] owns its connection and every goroutine it starts. All callbacks
// run on one goroutine, one at a time, in the order in which the server sent
// what they tell; so a callback may wait for a [Client.Call]. A callback that
// takes long stops the reading behind it, and the server in the end closes a
// client that does not keep up. A panic in a callback is the program's: nothing
// recovers it.
//
// What a callback is given as [wire.Body] is lent: a view of the buffer it was
// read into, which is used again once the callback has returned. Clone what is
// kept.
package client
