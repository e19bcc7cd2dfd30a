// Package link decides which way the packets of two clients go: by the server's
// relay, directly, or both while the direct path is in doubt. A [Link] is one
// end of one pair, a pure state machine: inputs and a time in, probes and events
// out. It has no sockets, goroutines, timers or clock.
//
//	Relayed -- Start, back-off over, network changed --> Punching
//	Punching -- own nonce came back --> Direct; after 5 s without --> Relayed
//	Direct -- two echoes overdue --> Both -- echo --> Direct
//	Both -- still silent --> Relayed, and Punching again
//	Direct -- relay faster by the ratio --> Relayed; and back
//
// A probe is a Challenge with a nonce, in a sealed packet of the pair; whoever
// gets one answers with a Response to where it came from, whatever the state.
// Answering is the caller's. What comes in is authentic: the caller has opened
// it. It is no proof of a path for all that: only a nonce of our own that comes
// back is, and it proves the address it was sent to, whatever address the answer
// came from. Each end uses its own best path; nobody nominates, and one end may
// send directly while the other relays.
//
// The caller's loop, after each input and whenever [Link.Due] has come:
//
//	out := l.Step(now, send)
//	// act on out; set the timer to l.Due()
//
// A Link is owned by one goroutine or one mutex.
package link
