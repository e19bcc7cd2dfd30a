package groups_test

import (
	"context"
	"fmt"
	"log"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// match is a room whose players talk past the server. One of them is the host.
type match struct {
	group *groups.Group
	names map[*peers.Peer]string
	found chan string
}

type start struct{ players []*peers.Peer }

func (m *match) Receive(c *actor.Context) {
	switch e := c.Message().(type) {
	case start:
		var err error
		m.group, err = groups.Create(c.System(), groups.Options{Owner: c.Self(), PunchAtJoin: true}, e.players...)
		if err != nil {
			log.Fatal(err)
		}
	case groups.PathChanged:
		if e.Direct {
			m.found <- fmt.Sprintf("%s and %s reach each other directly (%v)", m.names[e.A], m.names[e.B], e.Reason)
			best := m.group.Hosts()[0] // with two players this is the last path: larger groups ask some seconds later
			m.found <- fmt.Sprintf("%s is the host: direct to %d of %d", m.names[best.Peer], best.Direct, best.Others)
		}
	}
}

// Players find direct paths to each other; the server knows of them, and which
// player would be the best host.
func ExampleGroup_Hosts() {
	sys := actor.NewSystem(actor.Config{})
	room := &match{names: make(map[*peers.Peer]string), found: make(chan string, 8)}
	ref := sys.Spawn(actor.Props{}, func() actor.Behavior { return room })
	came := make(chan *peers.Peer, 2)
	url, stop := serve(sys, peers.Func(func(c *peers.Context) {
		if _, ok := c.Message().(peers.Started); ok {
			came <- c.Peer
		}
	}), "udp://127.0.0.1:0")

	said := make(chan string)
	join := func(name string, frames int) *client.Client {
		c, err := client.Dial(context.Background(), client.Config{
			OnOpen: func(c *client.Client) { c.Hint(client.Hint{FrameRate: frames}) },
			OnGroup: func(g *client.Group) {
				g.OnPath = func(m client.Member, p client.Path) {
					if p.Direct && name == "ann" {
						g.Via(client.Direct).SendTo(m.ID, 1, wire.Text("hello from "+name), wire.Unreliable)
					}
				}
				g.OnMessage = func(_ client.Member, e wire.Event) { said <- string(e.Payload) }
			},
		}, url)
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	ann := join("ann", 30)
	first := <-came
	bob := join("bob", 144)
	second := <-came
	room.names[first], room.names[second] = "ann", "bob"
	ref.Send(start{[]*peers.Peer{first, second}})

	fmt.Println(<-said)
	fmt.Println(<-room.found)
	fmt.Println(<-room.found)
	ann.Close()
	bob.Close()
	stop()
	// Output:
	// hello from ann
	// ann and bob reach each other directly (echoed)
	// bob is the host: direct to 1 of 1
}
