package main

import (
	"io"
	"net"

	"github.com/xtaci/kcp-go/v5"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/wire"
)

// Servers that take what one client sends. Each answers once for a portion of
// messages: so the client knows how many have come, and that it may send more.
const (
	troupeSink = "troupe-sink"
	kcpSink    = "kcp-sink"
	plainSink  = "plain-sink"

	bulkSize    = 1000 // bytes of a message
	bulkPortion = 64   // messages
)

func serveTroupeSink() (addr string, err error) {
	return listenTroupeUDP(&troupe.Server{
		Peer: func(*troupe.Init) (troupe.Behavior, error) {
			n := 0
			return troupe.Func(func(c *troupe.Context) {
				op, ok := c.Message().(*troupe.Operation)
				if !ok || len(op.Payload) != bulkSize {
					return
				}
				if n++; n%bulkPortion == 0 {
					c.Event(1, wire.Body{}, wire.Reliable) // an error says that the client has gone
				}
			}), nil
		},
	})
}

func serveKCPSink() (addr string, err error) {
	return listenKCP(func(s *kcp.UDPSession) { swallow(s) })
}

func servePlainSink() (addr string, err error) {
	return listenPlain(func(c net.Conn) {
		defer c.Close()
		swallow(c)
	})
}

// swallow answers each portion's worth of bytes by one, until c ends.
func swallow(c io.ReadWriter) {
	b := make([]byte, 64<<10)
	for n := 0; ; {
		got, err := c.Read(b)
		if err != nil {
			return
		}
		for n += got; n >= bulkPortion*bulkSize; n -= bulkPortion * bulkSize {
			if _, err := c.Write([]byte{1}); err != nil {
				return
			}
		}
	}
}
