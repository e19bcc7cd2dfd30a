package transport_test

import (
	"errors"
	"net"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// grab is a connection that keeps what is written first, and then ends.
type grab struct {
	net.Conn
	b *[]byte
}

// Write implements net.Conn.
func (g grab) Write(p []byte) (int, error) {
	*g.b = append(*g.b, p...)
	return len(p), nil
}

// Read implements net.Conn.
func (grab) Read([]byte) (int, error)         { return 0, errors.New("nobody is there") }
func (grab) Close() error                     { return nil }
func (grab) SetDeadline(time.Time) error      { return nil }
func (grab) SetWriteDeadline(time.Time) error { return nil }
func (grab) SetReadDeadline(time.Time) error  { return nil }

func packetText(n int) wire.Body { return wire.Payload(make([]byte, n)) }

func helloBy(suite uint32) *wirepb.Hello { return &wirepb.Hello{Version: wire.Version, Suite: suite} }
