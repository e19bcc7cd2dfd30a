package main

import (
	"context"
	"io"
	"net"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// talker is a client that says things without waiting for their answers. It
// hands each answer to the func that it was dialled with, on a goroutine of its
// own.
type talker interface {
	say(payload []byte) error
	close() error
}

// meeting dials a talker with a server's.
type meeting func(ctx context.Context, addr string, heard func(payload []byte)) (talker, error)

// troupeTalker is a client of troupeUDP's.
type troupeTalker struct {
	c   *client.Client
	how wire.Delivery
}

// meetTroupe has messages and their answers go by that delivery.
func meetTroupe(how wire.Delivery) meeting {
	return func(ctx context.Context, addr string, heard func([]byte)) (talker, error) {
		c, err := dialTroupe(ctx, addr, client.Config{OnEvent: func(e wire.Event) { heard(e.Payload) }})
		if err != nil {
			return nil, err
		}
		return troupeTalker{c, how}, nil
	}
}

func (t troupeTalker) say(payload []byte) error {
	return t.c.Notify(1, wire.Payload(payload), t.how)
}

func (t troupeTalker) close() error { return t.c.Close() }

// streamTalker is a client that frames by itself: one of kcpEcho's, or of
// plainEcho's.
type streamTalker struct {
	net.Conn
	header []byte // of every message
	done   chan struct{}
}

func newStreamTalker(c net.Conn, header []byte, heard func([]byte)) *streamTalker {
	t := &streamTalker{Conn: c, header: header, done: make(chan struct{})}
	go func() { // ended by close
		defer close(t.done)
		b := make([]byte, len(header)+payloadSize)
		for {
			if _, err := io.ReadFull(c, b); err != nil {
				return // what is missing then is noticed
			}
			heard(b[len(header):])
		}
	}()
	return t
}

func (t *streamTalker) say(payload []byte) error {
	_, err := t.Write(append(t.header[:len(t.header):len(t.header)], payload...))
	return err
}

func (t *streamTalker) close() error {
	err := t.Close()
	<-t.done
	return err
}

func meetKCP(_ context.Context, addr string, heard func([]byte)) (talker, error) {
	s, err := openKCP(addr)
	if err != nil {
		return nil, err
	}
	return newStreamTalker(s, nil, heard), nil
}

func meetTCP(ctx context.Context, addr string, heard func([]byte)) (talker, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	header := appendPlain(nil, kindMessage, make([]byte, payloadSize))[:plainHeader]
	return newStreamTalker(c, header, heard), nil
}
