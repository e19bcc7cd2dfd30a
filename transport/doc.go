// Package transport listens: its actors own sockets and turn connections into
// sessions.
//
//	tcp:// tls:// ws:// wss:// -> listener actor -> handshake -> Admit -> session
//
// A [Transport] is one actor with a child for each listener. A listener owns
// its socket and every connection until the handshake is over: refused, timed
// out, or handed over to whoever [Admit] named. When it stops it waits for its
// goroutines.
package transport
