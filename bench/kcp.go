package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// kcpEcho is the reference of works by UDP: an echo server as a user of kcp-go
// writes it, with the library's own sessions and its AES-GCM.
const kcpEcho = "kcp-go"

// kcpBlock seals packets by a key that both ends know beforehand: the library
// has one for all sessions.
func kcpBlock() (kcp.BlockCrypt, error) {
	return kcp.NewAESGCMCrypt(bytes.Repeat([]byte{7}, 32))
}

// tuneKCP has a session answer as fast as it can, as Troupe's do.
func tuneKCP(s *kcp.UDPSession) {
	s.SetNoDelay(1, 10, 2, 1)
	s.SetWindowSize(256, 256)
}

// kcpSocket is how much the kernel is asked to hold, as for Troupe's sockets.
const kcpSocket = 4 << 20

func serveKCP() (addr string, err error) {
	return listenKCP(func(s *kcp.UDPSession) {
		b := make([]byte, plainBuffer)
		for {
			n, err := s.Read(b)
			if err != nil {
				return
			}
			if _, err := s.Write(b[:n]); err != nil {
				return
			}
		}
	})
}

// listenKCP serves each session on a goroutine of its own.
func listenKCP(serve func(*kcp.UDPSession)) (addr string, err error) {
	block, err := kcpBlock()
	if err != nil {
		return "", err
	}
	l, err := kcp.ListenWithOptions("127.0.0.1:0", block, 0, 0)
	if err != nil {
		return "", err
	}
	if err := errors.Join(l.SetReadBuffer(kcpSocket), l.SetWriteBuffer(kcpSocket)); err != nil {
		return "", err
	}
	go func() { // ends with the process
		for {
			s, err := l.AcceptKCP()
			if err != nil {
				return
			}
			tuneKCP(s)
			go func() { // ends with the process: sessions do not end by themselves
				defer s.Close()
				serve(s)
			}()
		}
	}()
	return l.Addr().String(), nil
}

// kcpVoice is a client of kcpEcho's.
type kcpVoice struct {
	s   *kcp.UDPSession
	buf [payloadSize]byte
}

// openKCP makes a session. It says nothing to the server yet.
func openKCP(addr string) (*kcp.UDPSession, error) {
	block, err := kcpBlock()
	if err != nil {
		return nil, err
	}
	s, err := kcp.DialWithOptions(addr, block, 0, 0)
	if err != nil {
		return nil, err
	}
	tuneKCP(s)
	if err := errors.Join(s.SetReadBuffer(kcpSocket), s.SetWriteBuffer(kcpSocket)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func dialKCP(ctx context.Context, addr string, _ int) (voice, error) {
	s, err := openKCP(addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) }) // an error says that it is closed
	return &kcpVoice{s: s}, nil
}

func (v *kcpVoice) ask(_ context.Context, payload []byte) error {
	if _, err := v.s.Write(payload); err != nil {
		return err
	}
	got := v.buf[:len(payload)]
	if _, err := io.ReadFull(v.s, got); err != nil {
		return err
	}
	if !bytes.Equal(got, payload) {
		return wrongAnswer(got, payload)
	}
	return nil
}

func (v *kcpVoice) close() error {
	if err := v.s.Close(); err != nil {
		return fmt.Errorf("kcp-go: %w", err)
	}
	return nil
}
