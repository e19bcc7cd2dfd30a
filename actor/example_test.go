package actor_test

import (
	"context"
	"fmt"
	"time"

	"github.com/troupe-go/troupe/actor"
)

func ExampleSystem() {
	sys := actor.NewSystem(actor.Config{})
	greeter := sys.Spawn(actor.Props{Name: "greeter"}, func() actor.Behavior {
		return actor.Func(func(c *actor.Context) {
			switch m := c.Message().(type) {
			case actor.Started:
				fmt.Println("started")
			case string:
				fmt.Println("hello", m)
			case actor.Stopping:
				fmt.Println("stopping")
			}
		})
	})
	_ = greeter.Send("world")
	greeter.Stop() // behind what is queued
	<-greeter.Done()
	fmt.Println(greeter.Send("anybody?"))
	_ = sys.Shutdown(context.Background())
	// Output:
	// started
	// hello world
	// stopping
	// actor: stopped
}

func ExampleAsk() {
	sys := actor.NewSystem(actor.Config{})
	defer func() { _ = sys.Shutdown(context.Background()) }()
	sum := 0 // the actor's: no lock
	counter := sys.Spawn(actor.Props{NeverBlocks: true}, func() actor.Behavior {
		return actor.Func(func(c *actor.Context) {
			if n, ok := c.Message().(int); ok {
				sum += n
				c.Respond(sum)
			}
		})
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, n := range []int{1, 2, 39} {
		fmt.Println(actor.Ask[int](ctx, counter, n))
	}
	// Output:
	// 1 <nil>
	// 3 <nil>
	// 42 <nil>
}

func ExampleContext_Every() {
	sys := actor.NewSystem(actor.Config{})
	room := sys.Spawn(actor.Props{}, func() actor.Behavior {
		ticks := 0
		return actor.Func(func(c *actor.Context) {
			switch m := c.Message().(type) {
			case actor.Started:
				c.Every(time.Millisecond, "frame")
			case actor.Tick: // m.Missed tells of a machine that is late
				fmt.Println(m.Key)
				if ticks++; ticks == 3 {
					c.Stop()
				}
			}
		})
	})
	<-room.Done()
	_ = sys.Shutdown(context.Background())
	// Output:
	// frame
	// frame
	// frame
}

// door has a method for each of its states.
type door struct{}

func (d door) Receive(c *actor.Context) { d.closed(c) }

func (d door) closed(c *actor.Context) {
	if c.Message() == "push" {
		fmt.Println("opens")
		c.Become(actor.Func(d.open))
	}
}

func (d door) open(c *actor.Context) {
	if c.Message() == "push" {
		fmt.Println("is open already")
	}
}

func ExampleContext_Become() {
	sys := actor.NewSystem(actor.Config{})
	r := sys.Spawn(actor.Props{}, func() actor.Behavior { return door{} })
	_ = r.Send("push")
	_ = r.Send("push")
	r.Stop()
	<-r.Done()
	_ = sys.Shutdown(context.Background())
	// Output:
	// opens
	// is open already
}
