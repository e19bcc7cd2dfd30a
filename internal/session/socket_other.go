//go:build !unix

package session

import "net"

// Where there is no plain non-blocking write, connections are read plainly and
// written by the session's writer goroutine.
func rawTCP(*net.TCPConn) (source, sink, bool) { return nil, nil, false }

type rawSink struct{}

func rawWriter(*net.TCPConn) (*rawSink, bool) { return nil, false }

func (*rawSink) writeSome([]byte) (int, error) { panic("session: no raw writes on this platform") }
