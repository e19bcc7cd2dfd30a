package main

import (
	"crypto/tls"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/transport"
)

// troupeUDP is an echo server by UDP as a user of Troupe would write it.
const troupeUDP = "troupe-udp"

func serveTroupeUDP() (addr string, err error) {
	return listenTroupeUDP(&troupe.Server{
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return troupe.Func(mirror), nil },
	})
}

// mirror answers operations, and sends notices back as events by the way they
// came.
func mirror(c *troupe.Context) {
	op, ok := c.Message().(*troupe.Operation)
	switch {
	case !ok:
	case op.Asks():
		op.Respond(op.Body) // an error says that the client has gone
	default:
		c.Event(op.Code, op.Body, op.Delivery()) // as above
	}
}

// listenTroupeUDP listens by UDP alone. The address that it returns is followed
// by the pin of the server's key.
func listenTroupeUDP(srv *troupe.Server) (addr string, err error) {
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		return "", err
	}
	srv.Transport.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	addr, err = listenTroupe(srv, "udp://127.0.0.1:0")
	return addr + " " + pin, err
}
