package troupe_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// A server whose clients are greeted by name, and a client of it.
func ExampleServer() {
	srv := troupe.Server{
		Auth: func(_ context.Context, in *troupe.Init) error {
			in.User = string(in.Auth) // a real one checks a token
			return nil
		},
		Peer: func(in *troupe.Init) (troupe.Behavior, error) {
			return troupe.Func(func(c *troupe.Context) {
				if op, ok := c.Message().(*troupe.Operation); ok {
					op.Respond(wire.Text("hello, " + c.User()))
				}
			}), nil
		},
	}
	srv.Logger = slog.New(slog.DiscardHandler)
	addrs, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{Auth: []byte("ada")}, "tcp://"+addrs[0].String())
	if err != nil {
		log.Fatal(err)
	}
	r, err := c.Call(ctx, 1, wire.Body{})
	fmt.Println(string(r.Payload), err)
	c.Close()
	fmt.Println(srv.Shutdown(ctx))
	// Output:
	// hello, ada <nil>
	// <nil>
}
