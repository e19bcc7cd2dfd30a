package troupe_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/journal"
	"github.com/troupe-go/troupe/wire"
)

// mirror answers operations and sends notices back as events, by the way they
// came.
type mirror struct{}

func (mirror) Receive(c *troupe.Context) {
	op, ok := c.Message().(*troupe.Operation)
	switch {
	case !ok:
	case op.Asks():
		op.Respond(op.Body)
	default:
		c.Event(op.Code, op.Body, op.Delivery())
	}
}

// loggedPin is that of the certificate which a server has made for itself, as it
// logs it.
func loggedPin(logged *journal.Journal) string {
	_, rest, _ := strings.Cut(logged.String(), "pin=")
	pin, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(pin, `"`)
}

// serveMirrors serves mirrors at the URLs until the test ends.
func serveMirrors(t *testing.T, urls ...string) (pin string, at []string) {
	t.Helper()
	var logged journal.Journal
	srv := &troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return mirror{}, nil }}
	srv.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	addrs, err := srv.Listen(urls...)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
	})
	for i, a := range addrs {
		scheme, _, _ := strings.Cut(urls[i], "://")
		at = append(at, scheme+"://"+a.String())
	}
	return loggedPin(&logged), at
}

func TestEchoOverUDP(t *testing.T) {
	pin, at := serveMirrors(t, "udp://127.0.0.1:0")
	events := make(chan wire.Event, 100)
	c, err := client.Dial(t.Context(), client.Config{Pin: pin, OnEvent: func(e wire.Event) { e.Body = e.Body.Clone(); events <- e }}, at[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, n := range []int{0, 5, 1000, 2000, 60000} {
		text := strings.Repeat("x", n)
		r, err := c.Call(t.Context(), 7, wire.Text(text))
		if err != nil || string(r.Payload) != text {
			t.Fatalf("%d bytes came back as %d, %v", n, len(r.Payload), err)
		}
	}
	for _, d := range []wire.Delivery{wire.Reliable, wire.Reliable.On(3), wire.Unreliable, wire.Sequenced(7), wire.Unreliable.Twice()} {
		if err := c.Notify(9, wire.Text(fmt.Sprint(d)), d); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-events:
			if string(e.Payload) != fmt.Sprint(d) {
				t.Errorf("%v came back as %q", d, e.Payload)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no answer to %v", d)
		}
	}
}

func TestUDPBesideTLS(t *testing.T) {
	pin, at := serveMirrors(t, "tls://127.0.0.1:0", "udp://127.0.0.1:0")
	up := make(chan bool, 10)
	events := make(chan wire.Event, 100)
	c, err := client.Dial(t.Context(), client.Config{
		Pin: pin, OnEvent: func(e wire.Event) { e.Body = e.Body.Clone(); events <- e }, OnDatagrams: func(b bool) { up <- b },
	}, at[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case b := <-up:
		if !b {
			t.Fatal("down before it was up")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no UDP")
	}
	for _, d := range []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(7), wire.Unreliable.Twice()} {
		if err := c.Notify(9, wire.Text(fmt.Sprint(d)), d); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-events:
			if string(e.Payload) != fmt.Sprint(d) {
				t.Errorf("%v came back as %q", d, e.Payload)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no answer to %v", d)
		}
	}
}

// What a game listens on: clients of either URL are told that the server stops,
// and that does not take long.
func TestShutdownTellsClientsOfBoth(t *testing.T) {
	srv := newServer(t, mirror{}.Receive)
	var logged journal.Journal
	srv.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	addrs := listen(t, srv, "tls://127.0.0.1:0", "udp://127.0.0.1:0")
	_, rest, _ := strings.Cut(logged.String(), "pin=")
	pin, _, _ := strings.Cut(rest, "\n")
	up := make(chan bool, 1)
	cfg := client.Config{Pin: strings.Trim(pin, `"`), OnDatagrams: func(b bool) { up <- b }}
	clients := []*client.Client{dial(t, cfg, "tls://"+addrs[0].String()), dial(t, cfg, "udp://"+addrs[1].String())}
	select {
	case <-up:
	case <-time.After(5 * time.Second):
		t.Fatal("no UDP beside TLS")
	}
	begun := time.Now()
	shutDown(t, srv)
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	for i, c := range clients {
		select {
		case <-c.Done():
		case <-time.After(5 * time.Second):
			t.Fatalf("client %d was not told", i)
		}
		if why, ok := errors.AsType[*client.CloseError](c.Err()); !ok || why.Code != wire.CodeShutdown || !why.Remote {
			t.Errorf("client %d ended with %v", i, c.Err())
		}
	}
}
