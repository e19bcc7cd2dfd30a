package s2s

import (
	"crypto/tls"
	"net/netip"

	"github.com/troupe-go/troupe/wire"
)

// Init is another server that has dialled.
type Init struct {
	Listener      string // the URL it came to
	Name          string // its own, as its certificate has it
	App           string // the application of the link
	SDK           string // its library, as it says
	Local, Remote netip.AddrPort
	TLS           *tls.ConnectionState // nil in plaintext: then Name is what anybody may say
	Payload       []byte               // from Target.Payload there
	Reply         []byte               // set by Config.Link: comes to the other's Established
}

// Refuse is the error by which Config.Link declines a server.
func Refuse(code wire.Code, text string) error {
	return &wire.RefusedError{Code: code, Text: text}
}

// RefusedError is what Refuse returns, and what a Failed has from a server that
// refused.
type RefusedError = wire.RefusedError

// CloseError says who ended a connection and why.
type CloseError = wire.CloseError
