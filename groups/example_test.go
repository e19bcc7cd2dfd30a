package groups_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// enter asks a room to take a player in.
type enter struct{ player *peers.Peer }

// room is an actor that owns a group.
type room struct {
	group *groups.Group
	in    int
}

func (r *room) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		g, err := groups.Create(c.System(), groups.Options{Owner: c.Self(), KeepEmpty: true})
		if err != nil {
			log.Fatal(err)
		}
		r.group = g
	case enter:
		r.group.Join(m.player, []byte("a name"))
	case groups.JoinComplete: // everybody in the room knows of everybody
		if m.Result == groups.OK {
			r.in++
			r.group.Send(1, wire.Text(fmt.Sprint("players: ", r.in)), wire.Reliable)
		}
	case groups.MemberLeft:
		r.in--
	}
}

// A room is an actor that owns a group: joins, leaves and messages reach it as
// messages, and when it stops the group ends.
func ExampleCreate() {
	sys := actor.NewSystem(actor.Config{})
	lobby := sys.Spawn(actor.Props{}, func() actor.Behavior { return new(room) })
	player := peers.Func(func(c *peers.Context) {
		if _, ok := c.Message().(peers.Started); ok {
			lobby.Send(enter{c.Peer})
		}
	})
	addr, stop := serve(sys, player)

	said := make(chan string)
	c, err := client.Dial(context.Background(), client.Config{OnGroup: func(g *client.Group) {
		g.OnJoin = func(m client.Member) { fmt.Printf("joined: %s\n", m.Payload) }
		g.OnMessage = func(_ client.Member, e wire.Event) { said <- string(e.Payload) }
		g.OnEnd = func(why wire.Code) { said <- fmt.Sprint("end: ", why) }
	}}, addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-said)
	lobby.Stop()
	fmt.Println(<-said)
	stop()
	<-c.Done()
	// Output:
	// joined: a name
	// players: 1
	// end: group owner gone
}

// serve listens for players that behave as b, beside a stream at the URLs too.
func serve(sys *actor.System, b peers.Behavior, beside ...string) (url string, stop func()) {
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
	for _, u := range beside {
		if _, _, err := tr.Listen(u); err != nil {
			log.Fatal(err)
		}
	}
	return "tcp://" + addr.String(), func() {
		ctx := context.Background()
		if err := errors.Join(ps.Shutdown(ctx), sys.Shutdown(ctx), tr.Wait(ctx)); err != nil {
			log.Fatal(err)
		}
	}
}
