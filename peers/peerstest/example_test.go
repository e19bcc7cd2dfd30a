package peerstest_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

// exampleT stands for the *testing.T that a test has and an example has not.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                   {}
func (t *exampleT) Output() io.Writer         { return io.Discard }
func (t *exampleT) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func (t *exampleT) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

func Example() {
	t := new(exampleT) // in a test, its own t
	defer t.end()

	greeter := peers.Func(func(c *peers.Context) {
		switch m := c.Message().(type) {
		case *peers.Operation:
			m.Respond(wire.Text("hello, " + string(m.Payload)))
		case string: // from another actor
			c.Event(1, wire.Text(m), wire.Reliable)
		}
	})

	p := peerstest.New(t, greeter)
	fmt.Printf("%s\n", p.Ask(1, wire.Text("ada")).Payload)
	p.Send("the show begins")
	fmt.Printf("%s\n", p.Event().Payload)
	p.Peer.Close(wire.CodeKicked, "the show is over")
	fmt.Println(p.Closed())
	// Output:
	// hello, ada
	// the show begins
	// kicked
}
