package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync/atomic"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

const help = "/who   /msg nick text   /kick nick   /quit"

// terminal is a client for people without a browser.
type terminal struct {
	screen *log.Logger // one goroutine calls back, another reads what is typed
	room   atomic.Pointer[client.Group]
	out    chan struct{} // closed when the room has put the client out
}

// connect enters a room of the chat at url. What is typed at in is said there,
// what is said is shown on out. It returns when in ends or says /quit, when the
// client is out of the room, or when ctx ends. It leaves a goroutine behind that
// waits for in.
func connect(ctx context.Context, url, room, nick string, in io.Reader, out io.Writer) error {
	t := &terminal{screen: log.New(out, "", 0), out: make(chan struct{})}
	c, err := client.Dial(ctx, client.Config{App: "chat", OnGroup: t.entered}, url)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := client.Call[struct{}](ctx, c, opEnter, enterRequest{Room: room, Nick: nick}); err != nil {
		return errors.New(plain(err))
	}
	typed := make(chan string)
	go read(in, typed, c.Done()) // ended by the end of in, or its next line after c's end
	for {
		select {
		case s, more := <-typed:
			if s = strings.TrimSpace(s); !more || s == "/quit" {
				return nil
			}
			if err := t.do(ctx, c, s); err != nil {
				t.screen.Print("! ", plain(err))
			}
		case <-t.out:
			return nil
		case <-c.Done():
			return c.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

// read sends on what is typed until there is no more or nobody wants it.
func read(in io.Reader, typed chan<- string, unwanted <-chan struct{}) {
	defer close(typed)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		select {
		case typed <- lines.Text():
		case <-unwanted:
			return
		}
	}
}

// do is what a typed line asks for.
func (t *terminal) do(ctx context.Context, c *client.Client, s string) error {
	command, rest, _ := strings.Cut(s, " ")
	var err error
	switch {
	case s == "":
	case command == "/who":
		t.who()
	case command == "/msg":
		to, text, _ := strings.Cut(strings.TrimSpace(rest), " ")
		_, err = client.Call[struct{}](ctx, c, opWhisper, whisperRequest{To: to, Text: text})
	case command == "/kick":
		_, err = client.Call[struct{}](ctx, c, opKick, kickRequest{Nick: strings.TrimSpace(rest)})
	case strings.HasPrefix(s, "/"):
		t.screen.Print(help)
	default:
		_, err = client.Call[struct{}](ctx, c, opSay, sayRequest{Text: s})
	}
	return err
}

// plain is an error as people like to read it.
func plain(err error) string {
	e, ok := errors.AsType[*client.Error](err)
	switch {
	case ok && e.Code == wire.ResultRate:
		return "Not so fast."
	case ok:
		return e.Text
	}
	return err.Error()
}

// entered is the client's OnGroup: it is in a room.
func (t *terminal) entered(g *client.Group) {
	t.room.Store(g)
	here := false // who was here before is not news
	g.OnJoin = func(m client.Member) {
		switch {
		case here:
			t.screen.Printf("* %s is here", m.Payload)
		case m.ID == g.Self().ID:
			here = true
			t.screen.Printf("* You are %s in %s. %s", m.Payload, g.Payload(), help)
			t.who()
		}
	}
	g.OnLeave = func(m client.Member, why wire.Code) {
		switch {
		case g.Over(): // all at once: this client has
		case why == wire.CodeKicked:
			t.screen.Printf("* %s was kicked", m.Payload)
		default:
			t.screen.Printf("* %s has gone", m.Payload)
		}
	}
	g.OnMessage = t.message
	g.OnEnd = func(why wire.Code) {
		if why != wire.CodeDisconnected { // then Client.Err says more
			t.screen.Printf("* You are out of the room: %v.", why)
			close(t.out)
		}
	}
}

// message shows what the room tells.
func (t *terminal) message(_ client.Member, m wire.Event) {
	var lines []line
	var err error
	switch m.Code {
	case msgLine, msgWhisper:
		lines = make([]line, 1)
		lines[0], err = wire.Decode[line](m.Body)
	case msgHistory:
		lines, err = wire.Decode[[]line](m.Body)
	}
	if err != nil {
		t.screen.Print("! ", err)
		return
	}
	for _, l := range lines {
		t.show(l)
	}
}

func (t *terminal) show(l line) {
	from := l.Nick
	if l.To != "" {
		from = fmt.Sprintf("%s -> %s", l.Nick, l.To)
	}
	t.screen.Printf("%s %s: %s", l.At.Local().Format("15:04"), from, l.Text)
}

// who shows who is in the room, the first one first.
func (t *terminal) who() {
	var nicks []string
	if g := t.room.Load(); g != nil { // nil until the server has put this client in
		for m := range g.Members() {
			nicks = append(nicks, string(m.Payload))
		}
	}
	t.screen.Print("* Here: ", strings.Join(nicks, ", "))
}
