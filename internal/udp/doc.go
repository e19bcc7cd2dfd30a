// Package udp is one UDP socket that reads and writes many datagrams at a time.
//
// A [Socket] owns the net.PacketConn it was made of: nobody else reads, writes
// or closes it. One goroutine reads, another writes, and neither allocates on
// the way of a datagram. The network can't end a Socket: what it refuses or
// garbles is counted in [Stats], and only Close has Read return an error.
//
//	kernel -> Read(ms)    recvmmsg on Linux, one datagram at a time elsewhere
//	Write(ms) -> kernel   sendmmsg on Linux, one datagram at a time elsewhere
//
// On Linux a Socket bound to no particular address tells to which one a
// datagram was sent (Message.Local), so that the answer can leave from there.
// Elsewhere Local is not filled in and not heeded.
//
// Whether routers may fragment is left as the system has it: nobody here sends
// datagrams that are too long for a path.
//
// [Simulate] makes the network worse, for tests and for trying a game out.
package udp
