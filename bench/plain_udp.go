package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// plainUDP is what a datagram costs without anything: one goroutine that reads
// and writes them one by one. It repairs, orders and seals nothing.
const plainUDP = "plain-udp"

func servePlainUDP() (addr string, err error) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	pc.SetReadBuffer(4 << 20) // the system's limit where that is lower
	go func() {               // ends with the process
		b := make([]byte, plainBuffer)
		for {
			n, from, err := pc.ReadFromUDPAddrPort(b)
			if err != nil {
				continue
			}
			pc.WriteToUDPAddrPort(b[:n], from) // what is refused is asked for again
		}
	}()
	return pc.LocalAddr().String(), nil
}

// lostAfter is when a datagram without an answer is sent again. On loopback none
// gets lost but those that a full buffer does not take.
const lostAfter = 200 * time.Millisecond

// plainVoice is a client of plainUDP's.
type plainVoice struct {
	nc  net.Conn
	buf [payloadSize]byte
}

func dialPlainUDP(ctx context.Context, addr string, _ int) (voice, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	return &plainVoice{nc: nc}, nil
}

func (v *plainVoice) ask(ctx context.Context, payload []byte) error {
	n, err := insist(ctx, v.nc, payload, v.buf[:])
	if err == nil && !bytes.Equal(v.buf[:n], payload) {
		err = wrongAnswer(v.buf[:n], payload)
	}
	return err
}

// insist sends b until something comes back, and reads that.
func insist(ctx context.Context, nc net.Conn, b, answer []byte) (n int, err error) {
	for ctx.Err() == nil {
		if _, err := nc.Write(b); err != nil {
			return 0, err
		}
		nc.SetReadDeadline(time.Now().Add(lostAfter)) // an error says that it is closed
		n, err := nc.Read(answer)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	return 0, context.Cause(ctx)
}

func (v *plainVoice) close() error { return v.nc.Close() }
