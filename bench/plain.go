package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// plainEcho is the reference of echo and idle: an echo server as a careful
// programmer writes it with package net alone.
const plainEcho = "plain-echo"

// A plain frame.
//
//	length uint32   of kind and payload
//	kind   uint8    kindMessage, kindJoined
//	payload
const (
	plainLength = 4
	plainHeader = plainLength + 1
	plainBuffer = 4 << 10 // each connection's reader, writer and frame have as much
	kindMessage = 1       // what it answers is of the same kind
	kindJoined  = 2       // from the server of plainFanout: the connection gets shouts from now on
)

// appendPlain appends a frame.
func appendPlain(b []byte, kind byte, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(payload)))
	return append(append(b, kind), payload...)
}

// plainTUN is plainEcho where a bad link leads to it.
const plainTUN = "plain-tcp"

func servePlain() (addr string, err error) { return listenPlain(servePlainConn) }

func servePlainConn(c net.Conn) {
	defer c.Close()
	plainConn(c, c, plainBuffer)
}

// listenPlain serves each connection on a goroutine of its own.
func listenPlain(serve func(net.Conn)) (addr string, err error) {
	return listenPlainAt("127.0.0.1:0", serve)
}

func listenPlainAt(at string, serve func(net.Conn)) (addr string, err error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return "", err
	}
	go func() { // ends with the process
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c) // ends with the connection
		}
	}()
	return l.Addr().String(), nil
}

// plainConn writes each frame that c sends to the one or the many that it is
// for. What one read brought is one write, which ends with a whole frame. Its
// buffers have so many bytes.
func plainConn(c net.Conn, to io.Writer, size int) {
	r, w := bufio.NewReaderSize(c, size), bufio.NewWriterSize(to, size)
	frame := make([]byte, size)
	for {
		if _, err := io.ReadFull(r, frame[:plainHeader]); err != nil {
			return
		}
		end := plainLength + int(binary.BigEndian.Uint32(frame))
		if end < plainHeader || end > len(frame) || frame[plainLength] != kindMessage {
			return
		}
		if _, err := io.ReadFull(r, frame[plainHeader:end]); err != nil {
			return
		}
		if end > w.Available() {
			if err := w.Flush(); err != nil {
				return
			}
		}
		if _, err := w.Write(frame[:end]); err != nil {
			return
		}
		if r.Buffered() > 0 {
			continue
		}
		if err := w.Flush(); err != nil {
			return
		}
	}
}
