// Package arbiter decides which connection is the link of two servers, of which
// either may dial the other, and both at once. An [Arbiter] is one end, a pure
// state machine: inputs and a time in, outputs out. It has no sockets,
// goroutines, timers or clock.
//
// The end whose name is the lower one decides. It numbers its decisions: a
// link's generation.
//
//	higher dials   Hello{last generation seen} -->  lower admits: the link is up
//	               link is up  <-- Welcome{generation}
//
//	lower dials    Hello -->  higher holds the connection tentatively
//	               lower decides: the link is up  <-- Welcome
//	               Confirm{generation} -->  link is up
//
// The lower end admits whichever comes first and drops its own dial. A Hello that
// comes while it holds a link says in what it has seen whether the other end has
// lost that link, or has sent the Hello before it knew of it: a duplicate. So a
// link is never replaced while both ends hold it.
//
// The caller's loop, after each input and whenever [Arbiter.Due] has come:
//
//	for _, o := range a.Step(now) {
//		// act on o
//	}
//	// set the timer to a.Due()
package arbiter
