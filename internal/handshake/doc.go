// Package handshake is the byte stream in which a udp:// session does its TLS
// 1.3 handshake and its Hello and Welcome, before it has keys of its own.
//
// A [Flow] is one end of it: a pure state machine, to which packets and the
// time come in and which says what to send and when. A [Conn] is a Flow with a
// clock, for crypto/tls.
//
//	tls.Conn -> Conn.Write -> Flow -> Conn's send -> STREAM packets
//	STREAM packets -> Conn.Input -> Flow -> Conn.Read -> tls.Conn
//
// The packets are those of others: here they are an offset, an acknowledgement
// and data. Nothing in them is authentic; whoever sees one packet can forge the
// next. TLS notices that, so here it must do no more harm than to end the
// handshake: memory, bytes sent and time are bounded.
//
// The owner of a Conn keeps it until the session's first authentic packet, so
// that a lost Welcome is sent again, and closes it then.
package handshake
