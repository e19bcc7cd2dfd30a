package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// connBuffer holds the largest answer with room for frames in between.
const connBuffer = 4 << 10

// conn is one connection of the load. It belongs to one goroutine at a time.
type conn struct {
	nc     *net.TCPConn
	sift   func([]byte) ([]byte, bool, error)
	buf    []byte
	member membership // of a fan-out's; its greeting has told
}

// dial opens n connections, one after the other. What is not over at the
// deadline fails.
func dial(ctx context.Context, addr string, d dialect, n int, deadline time.Time) ([]*conn, error) {
	conns := make([]*conn, 0, n)
	for i := range n {
		c, err := dialOne(ctx, addr, d, deadline)
		if err != nil {
			closeAll(conns)
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func dialOne(ctx context.Context, addr string, d dialect, deadline time.Time) (*conn, error) {
	dialer := net.Dialer{Deadline: deadline}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc.(*net.TCPConn), sift: d.sift, buf: make([]byte, connBuffer)}
	err = c.nc.SetDeadline(deadline)
	if err == nil && d.greet != nil {
		err = d.greet(c)
	}
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return c, nil
}

// closeAll leaves no socket behind in TIME_WAIT, of which thousands would slow
// the next run down.
func closeAll(conns []*conn) {
	for _, c := range conns {
		c.nc.SetLinger(0) // an error of either says that it is closed
		c.nc.Close()
	}
}

// exchange sends a block and waits for all of its answer.
func (c *conn) exchange(x *exchange) error {
	if _, err := c.nc.Write(x.ask); err != nil {
		return err
	}
	return c.await(x.answer)
}

// await waits for all of an answer, of which every byte is compared.
func (c *conn) await(answer []byte) error {
	b := c.buf[:len(answer)]
	if _, err := io.ReadFull(c.nc, b); err != nil {
		return err
	}
	if bytes.Equal(b, answer) {
		return nil
	}
	return c.search(b, answer)
}

// search compares with the answer what is not the answer as it stands.
func (c *conn) search(b, answer []byte) error {
	if c.sift == nil {
		return wrongAnswer(b, answer)
	}
	for {
		var whole bool
		var err error
		b, whole, err = c.sift(b)
		switch {
		case err != nil:
			return err
		case whole && bytes.Equal(b, answer):
			return nil
		case whole && len(b) >= len(answer):
			return wrongAnswer(b, answer)
		}
		if b, err = c.more(b); err != nil {
			return err
		}
	}
}

func wrongAnswer(got, want []byte) error {
	return fmt.Errorf("wrong answer:\n got %q\nwant %q", got, want)
}

// more reads on behind b, the beginning of c.buf.
func (c *conn) more(b []byte) ([]byte, error) {
	if len(b) == len(c.buf) {
		return nil, fmt.Errorf("more than %d bytes are no answer", len(b))
	}
	n, err := c.nc.Read(c.buf[len(b):])
	return c.buf[:len(b)+n], err
}
