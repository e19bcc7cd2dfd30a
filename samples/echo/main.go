package main

import (
	"log"

	"github.com/troupe-go/troupe"
)

func main() {
	srv := troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return echo{}, nil }}
	log.Fatal(srv.ListenAndServe("tls://:4530")) // no certificate: makes one, prints its pin
}

type echo struct{}

func (echo) Receive(c *troupe.Context) {
	if op, ok := c.Message().(*troupe.Operation); ok {
		op.Respond(op.Body)
	}
}
