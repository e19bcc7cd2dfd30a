package main

import (
	"context"
	"flag"
	"log"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// go run ./samples/link master
// go run ./samples/link game-1
func main() {
	at := flag.String("at", "localhost:4520", "`address` of the master")
	flag.Parse()
	name := flag.Arg(0)
	certificate, err := s2s.DevelopmentTLS(".", name) // by an authority in this folder, which both know
	if err != nil {
		log.Fatal(err)
	}
	srv := troupe.Server{Link: func(*s2s.Init) (s2s.Behavior, error) { return s2s.Func(greet), nil }}
	srv.Links.Name, srv.Links.TLS = name, certificate
	if name == "master" {
		log.Fatal(srv.ListenAndServe("s2s+tls://" + *at))
	}
	master := s2s.Target{Name: "master", URL: "s2s+tls://" + *at}
	if _, err := s2s.Dial(srv.System(), master, func() s2s.Behavior { return s2s.Func(ask) }); err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.Serve(context.Background()))
}

// greet is the master's end of a link.
func greet(c *s2s.Context) {
	if op, ok := c.Message().(*s2s.Operation); ok {
		op.Respond(wire.Text("hello, " + c.Name()))
	}
}

// ask is the other's. The link is dialled again whenever it is down.
func ask(c *s2s.Context) {
	if _, up := c.Message().(s2s.Established); up {
		answer, err := c.Call(c.Ctx(), 1, wire.Text("hello"))
		log.Printf("%s %v", answer.Payload, err)
	}
}
