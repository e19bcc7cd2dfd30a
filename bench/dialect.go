package main

import (
	"bytes"
	"fmt"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// dialect is how the load speaks to a server. It makes bytes beforehand, so
// that the load costs the same whatever it speaks.
type dialect struct {
	// greet is what a connection does first; nil does nothing.
	greet func(*conn) error
	// echo makes the exchange of n operations at once, each of payloadSize bytes.
	echo func(n int) exchange
	// shouts makes the exchange of a block of shouts of member's, the first one
	// at position in the group's log; its answer is what every member gets.
	shouts func(member membership, position uint64) exchange
	// sift removes frames from b that answer nothing. It returns what is left
	// and whether that ends with a whole frame; nil where the server sends none.
	sift func(b []byte) (rest []byte, whole bool, err error)
}

// exchange is a block of operations, and the server's answer to it.
type exchange struct {
	operations  int
	ask, answer []byte
}

const payloadSize = 64

// payload is that of the i-th operation of a block: all differ.
func payload(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, payloadSize) }

// plainDialect is the reference's.
func plainDialect() dialect {
	return dialect{echo: func(n int) exchange {
		x := exchange{operations: n}
		for i := range n {
			x.ask = appendPlain(x.ask, kindMessage, payload(i))
		}
		x.answer = x.ask
		return x
	}}
}

// troupeDialect is Troupe's protocol.
func troupeDialect() dialect {
	return dialect{greet: greetTroupe, echo: echoTroupe, sift: siftTroupe}
}

func greetTroupe(c *conn) error {
	if err := helloTroupe(c); err != nil {
		return err
	}
	_, err := framesTroupe(c, wire.KindWelcome)
	return err
}

func helloTroupe(c *conn) error {
	hello, err := wire.MarshalFrame(nil, wire.KindHello, &wirepb.Hello{Version: wire.Version, Sdk: "bench"})
	if err != nil {
		return err
	}
	_, err = c.nc.Write(hello)
	return err
}

// framesTroupe waits for frames of these kinds, in this order, and returns the
// body of the last one.
func framesTroupe(c *conn, kinds ...wire.Kind) ([]byte, error) {
	for b := c.buf[:0]; ; {
		var whole bool
		var err error
		if b, err = c.more(b); err != nil {
			return nil, err
		}
		if b, whole, err = siftTroupe(b); err != nil {
			return nil, err
		}
		body, all, err := inOrder(b, kinds)
		if err != nil || all && whole {
			return body, err
		}
	}
}

// inOrder reports whether b has whole frames of these kinds, and returns the
// body of the last one.
func inOrder(b []byte, kinds []wire.Kind) (body []byte, all bool, err error) {
	for {
		k, last, n, err := wire.ParseFrame(b, wire.MaxFrame)
		switch {
		case err != nil || n == 0:
			return body, len(kinds) == 0, err
		case len(kinds) == 0:
			return nil, false, fmt.Errorf("%v of %d bytes is one frame too many", k, n)
		case k != kinds[0]:
			return nil, false, fmt.Errorf("%v of %d bytes instead of %v", k, n, kinds[0])
		}
		body, b, kinds = last, b[n:], kinds[1:]
	}
}

func echoTroupe(n int) exchange {
	const code = 1
	x := exchange{operations: n}
	for i := range n {
		body, request := wire.Payload(payload(i)), uint32(i+1)
		ask := wire.Operation{Code: code, Request: request, Body: body}
		answer := wire.Response{Code: code, Request: request, Body: body}
		x.ask, x.answer = ask.AppendFrame(x.ask), answer.AppendFrame(x.answer)
	}
	return x
}

// siftTroupe removes pings. They are not answered: no run lasts so long that
// the server minds.
func siftTroupe(b []byte) (rest []byte, whole bool, err error) {
	rest = b[:0]
	for len(b) > 0 {
		k, _, n, err := wire.ParseFrame(b, wire.MaxFrame)
		if err != nil {
			return nil, false, err
		}
		if n == 0 {
			return append(rest, b...), false, nil
		}
		if k != wire.KindPing {
			rest = append(rest, b[:n]...)
		}
		b = b[n:]
	}
	return rest, true, nil
}
