package main

import (
	"bufio"
	"io"
	"regexp"
	"testing"
	"time"
)

// console is the terminal client with a test at the keyboard.
type console struct {
	t      *testing.T
	typing *io.PipeWriter
	shown  chan string // lines
	ended  chan error
}

func startConsole(t *testing.T, addr, room, nick string) *console {
	t.Helper()
	in, typing := io.Pipe()
	screen, out := io.Pipe()
	c := &console{t: t, typing: typing, shown: make(chan string, 1000), ended: make(chan error, 1)}
	go func() { // ended by the end of its input
		err := connect(t.Context(), "ws://"+addr+"/troupe", room, nick, in, out)
		out.Close()
		c.ended <- err
	}()
	read := make(chan struct{})
	go func() { // ended by the terminal's end
		defer close(read)
		for s := bufio.NewScanner(screen); s.Scan(); {
			c.shown <- s.Text()
		}
	}()
	t.Cleanup(func() {
		typing.Close()
		<-read
	})
	return c
}

func (c *console) types(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.typing, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

var anyTime = regexp.MustCompile(`^\d\d:\d\d `)

// shows takes the next lines, which must be these; the time of day is left out.
func (c *console) shows(want ...string) {
	c.t.Helper()
	for _, w := range want {
		select {
		case got := <-c.shown:
			if got = anyTime.ReplaceAllString(got, ""); got != w {
				c.t.Fatalf("the terminal shows %q, want %q", got, w)
			}
		case <-time.After(patience):
			c.t.Fatalf("the terminal shows nothing, want %q", w)
		}
	}
}

func (c *console) ends() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(patience):
		c.t.Fatal("the terminal does not end")
		return nil
	}
}

func TestTerminal(t *testing.T) {
	addr, _ := start(t)
	ann := startConsole(t, addr, "lobby", "ann")
	ann.shows("* You are ann in lobby. "+help, "* Here: ann")
	ann.types("hello?")
	ann.shows("ann: hello?")

	bob := startConsole(t, addr, "lobby", "bob")
	bob.shows("* You are bob in lobby. "+help, "* Here: ann, bob", "ann: hello?")
	ann.shows("* bob is here")
	bob.types("/msg ann  hi there ")
	for _, c := range []*console{ann, bob} {
		c.shows("bob -> ann: hi there")
	}
	bob.types("/kick ann")
	bob.shows("! Only ann may kick, who came first.")
	bob.types("/dance")
	bob.shows(help)
	bob.types("/who")
	bob.shows("* Here: ann, bob")

	startConsole(t, addr, "lobby", "cat").shows("* You are cat in lobby. "+help, "* Here: ann, bob, cat", "ann: hello?")
	ann.shows("* cat is here")
	ann.types("/kick cat")
	ann.shows("* cat was kicked")
	bob.shows("* cat is here", "* cat was kicked")

	ann.types("/quit")
	if err := ann.ends(); err != nil {
		t.Error(err)
	}
	bob.shows("* ann has gone")
	bob.typing.Close() // the end of the input is a way out too
	if err := bob.ends(); err != nil {
		t.Error(err)
	}
}

func TestTerminalIsKicked(t *testing.T) {
	addr, _ := start(t)
	ann := guests(t, addr, "lobby", "ann")[0]
	bob := startConsole(t, addr, "lobby", "bob")
	bob.shows("* You are bob in lobby. "+help, "* Here: ann, bob")
	ann.must(ann.kick("bob"))
	bob.shows("* You are out of the room: kicked.")
	if err := bob.ends(); err != nil {
		t.Error(err)
	}
}

func TestTerminalSaysWhyItEnds(t *testing.T) {
	addr, stop := start(t)
	guests(t, addr, "lobby", "ann")
	if err := startConsole(t, addr, "lobby", "Ann").ends(); err == nil || err.Error() != "Ann is taken in this room." {
		t.Errorf("got %v", err)
	}
	bob := startConsole(t, addr, "lobby", "bob")
	bob.shows("* You are bob in lobby. "+help, "* Here: ann, bob")
	stop()
	if err := bob.ends(); err == nil {
		t.Error("no error from a server that stops")
	}
	if err := startConsole(t, addr, "lobby", "cat").ends(); err == nil {
		t.Error("no error without a server")
	}
}
