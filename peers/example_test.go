package peers_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// connect runs a server whose peers behave as b, and a client of it.
func connect(b peers.Behavior) (c *client.Client, stop func()) {
	sys := actor.NewSystem(actor.Config{})
	ps, err := peers.New(sys, peers.Config{Peer: func(*peers.Init) (peers.Behavior, error) { return b, nil }})
	if err != nil {
		log.Fatal(err)
	}
	tr, err := transport.New(sys, transport.Config{}, ps.Admit)
	if err != nil {
		log.Fatal(err)
	}
	addr, _, err := tr.Listen("tcp://127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	c, err = client.Dial(context.Background(), client.Config{}, "tcp://"+addr.String())
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		ctx := context.Background()
		if err := errors.Join(c.Close(), ps.Shutdown(ctx), sys.Shutdown(ctx), tr.Wait(ctx)); err != nil {
			log.Fatal(err)
		}
	}
}

const (
	opMove = 1
	opBuy  = 2
)

// Handlers take and return what their bodies hold: JSON here; protobuf messages
// work alike.
func ExampleHandle() {
	type Move struct{ X, Y int }
	type Position struct{ X, Y int }

	var pos Position
	var r peers.Router
	peers.Handle(&r, opMove, func(_ *peers.Context, m Move) (Position, error) {
		if m.X > 1 || m.Y > 1 {
			return pos, &peers.Error{Code: 7, Text: "one step at a time"}
		}
		pos.X += m.X
		pos.Y += m.Y
		return pos, nil
	})

	c, stop := connect(&r)
	defer stop()
	fmt.Println(client.Call[Position](context.Background(), c, opMove, Move{X: 1}))
	fmt.Println(client.Call[Position](context.Background(), c, opMove, Move{X: 5}))
	// Output:
	// {1 0} <nil>
	// {0 0} troupe: result 7: one step at a time
}

// Later answers when the behaviour has long returned: the operation itself is
// lent and must not be kept.
func ExampleOperation_Later() {
	type ready struct{ to peers.Reply }
	kitchen := peers.Func(func(c *peers.Context) {
		switch m := c.Message().(type) {
		case *peers.Operation:
			c.After(time.Millisecond, ready{m.Later()})
		case ready:
			m.to.Respond(wire.Text("dinner"))
		}
	})

	c, stop := connect(kitchen)
	defer stop()
	r, err := c.Call(context.Background(), opBuy, wire.Body{})
	fmt.Println(string(r.Payload), err)
	// Output: dinner <nil>
}

// Go asks a database without blocking the peer: the answer comes back as a
// message.
func ExampleContext_Go() {
	lookup := func(_ context.Context, name string) (level int, err error) { return len(name), nil }

	type loaded struct {
		to    peers.Reply
		level int
		err   error
	}
	player := peers.Func(func(c *peers.Context) {
		switch m := c.Message().(type) {
		case *peers.Operation:
			reply, name := m.Later(), string(m.Payload) // a copy: the payload is lent
			c.Go(func(ctx context.Context) any {
				level, err := lookup(ctx, name)
				return loaded{reply, level, err}
			})
		case loaded:
			if m.err != nil {
				m.to.Fail(1, "try again")
				return
			}
			m.to.Respond(wire.Text(fmt.Sprint("level ", m.level)))
		}
	})

	c, stop := connect(player)
	defer stop()
	r, err := c.Call(context.Background(), opBuy, wire.Text("ada"))
	fmt.Println(string(r.Payload), err)
	// Output: level 3 <nil>
}
