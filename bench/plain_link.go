package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// The references of links: what a careful programmer writes with package net alone
// for two servers that know each other.
const (
	plainCalls  = "plain-calls"  // answers calls
	plainEvents = "plain-events" // tells when it has had a portion of events

	plainLinkBuffer = 64 << 10 // each end's reader, writer and frame have as much
)

func servePlainCalls() (addr string, err error) {
	return listenPlain(func(c net.Conn) {
		defer c.Close()
		plainConn(c, c, plainLinkBuffer)
	})
}

func servePlainEvents() (addr string, err error) {
	return listenPlain(func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReaderSize(c, plainLinkBuffer)
		frame := make([]byte, plainLinkBuffer)
		for n := 1; ; n++ {
			if _, err := readPlain(r, frame); err != nil {
				return
			}
			if n%bulkPortion > 0 {
				continue
			}
			if _, err := c.Write([]byte{1}); err != nil {
				return
			}
		}
	})
}

// readPlain reads a frame into b and returns its payload.
func readPlain(r *bufio.Reader, b []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, b[:plainHeader]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(b)) - 1
	if n < 0 || n > len(b) || b[plainLength] != kindMessage {
		return nil, errors.New("not a frame")
	}
	_, err := io.ReadFull(r, b[:n])
	return b[:n], err
}

// plainLink is one connection that many goroutines ask by. A question has its
// number in front, as its answer does.
type plainLink struct {
	net.Conn
	writers atomic.Int32 // who write or wait to: the last one flushes

	mu    sync.Mutex
	w     *bufio.Writer
	frame []byte
	last  uint32
	asked map[uint32]chan []byte
	fault error // of the reader, once it has ended

	done chan struct{} // closed when the reader has
}

func linkPlain(ctx context.Context, addr string, _ int) (voice, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &plainLink{Conn: c, w: bufio.NewWriterSize(c, plainLinkBuffer), asked: make(map[uint32]chan []byte), done: make(chan struct{})}
	go l.read() // ended by close
	return l, nil
}

func (l *plainLink) read() {
	defer close(l.done)
	r := bufio.NewReaderSize(l.Conn, plainLinkBuffer)
	frame := make([]byte, plainLinkBuffer)
	for {
		b, err := readPlain(r, frame)
		if err == nil && len(b) < 4 {
			err = errors.New("an answer without its number")
		}
		l.mu.Lock()
		if err != nil {
			l.fault = err
			l.mu.Unlock()
			return
		}
		n := binary.BigEndian.Uint32(b)
		answer := l.asked[n]
		delete(l.asked, n)
		l.mu.Unlock()
		if answer != nil {
			answer <- bytes.Clone(b[4:]) // has room
		}
	}
}

// ask implements voice; any goroutine may.
func (l *plainLink) ask(ctx context.Context, payload []byte) error {
	answer := make(chan []byte, 1)
	if err := l.put(payload, answer); err != nil {
		return err
	}
	select {
	case b := <-answer:
		if !bytes.Equal(b, payload) {
			return wrongAnswer(b, payload)
		}
		return nil
	case <-l.done:
		return l.fault
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *plainLink) put(payload []byte, answer chan []byte) error {
	l.writers.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.asked[l.last] = answer
	l.frame = binary.BigEndian.AppendUint32(l.frame[:0], uint32(1+4+len(payload)))
	l.frame = append(l.frame, kindMessage)
	l.frame = binary.BigEndian.AppendUint32(l.frame, l.last)
	l.frame = append(l.frame, payload...)
	_, err := l.w.Write(l.frame)
	if l.writers.Add(-1) == 0 && err == nil {
		err = l.w.Flush()
	}
	return err
}

func (l *plainLink) close() error {
	err := l.Close()
	<-l.done
	return err
}

// plainHauler tells events.
type plainHauler struct {
	streamHauler
	w     *bufio.Writer
	event []byte
}

func haulPlain(size int) haulage {
	return func(ctx context.Context, addr string) (hauler, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return &plainHauler{
			streamHauler{c}, bufio.NewWriterSize(c, plainLinkBuffer),
			appendPlain(nil, kindMessage, bytes.Repeat([]byte{'b'}, size)),
		}, nil
	}
}

// send implements hauler: a portion leaves together, as far as there is room.
func (h *plainHauler) send() error {
	for range bulkPortion {
		if _, err := h.w.Write(h.event); err != nil {
			return err
		}
	}
	return h.w.Flush()
}
