package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// pipe returns a connection of the load and the server's end of it.
func pipe(t *testing.T, d dialect) (*conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d.greet = nil
	conns, err := dial(t.Context(), l.Addr().String(), d, 1, time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(conns) })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return conns[0], server
}

// What comes in one write may be read in one piece: pings are found before, in
// and behind an answer, also where one is cut by what the load asks to read.
func TestExchangeSkipsPings(t *testing.T) {
	ping := (&wire.Ping{Time: 1 << 60}).AppendFrame(nil)
	x := echoTroupe(2)
	half := len(x.answer) / 2
	for _, tt := range []struct {
		name  string
		reply []byte
	}{
		{"none", x.answer},
		{"before", append(bytes.Clone(ping), x.answer...)},
		{"two between", bytes.Join([][]byte{x.answer[:half], ping, ping, x.answer[half:]}, nil)},
		{"behind", append(bytes.Clone(x.answer), ping...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, server := pipe(t, troupeDialect())
			for range 3 {
				if _, err := server.Write(tt.reply); err != nil {
					t.Fatal(err)
				}
				if err := c.exchange(&x); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestExchangeSkipsPingsByteByByte(t *testing.T) {
	ping := (&wire.Ping{Time: 1 << 60}).AppendFrame(nil)
	x := echoTroupe(2)
	reply := append(bytes.Clone(ping), x.answer...)
	for cut := range reply {
		b, whole, err := siftTroupe(bytes.Clone(reply[:cut]))
		if err != nil || whole && !bytes.HasPrefix(x.answer, b) {
			t.Errorf("the first %d bytes: %q, %v, %v", cut, b, whole, err)
		}
	}
}

func TestWrongAnswerIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    dialect
	}{{"plain", plainDialect()}, {"troupe", troupeDialect()}} {
		t.Run(tt.name, func(t *testing.T) {
			x := tt.d.echo(2)
			for i := range x.answer {
				c, server := pipe(t, tt.d)
				wrong := bytes.Clone(x.answer)
				wrong[i] ^= 0x40
				if _, err := server.Write(wrong); err != nil {
					t.Fatal(err)
				}
				server.Close() // what looks cut off is not waited for
				if err := c.exchange(&x); err == nil {
					t.Fatalf("byte %d changed, and nothing noticed", i)
				}
			}
		})
	}
}

func TestGreetRefused(t *testing.T) {
	c, server := pipe(t, troupeDialect())
	if _, err := server.Write(wire.AppendFrame(nil, wire.KindRefuse, nil)); err != nil {
		t.Fatal(err)
	}
	if err := greetTroupe(c); err == nil || !strings.Contains(err.Error(), "refuse") {
		t.Errorf("a refusal gave %v", err)
	}
}
