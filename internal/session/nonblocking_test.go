package session

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// fill writes to a Nonblocking until something is kept, and returns what.
func fill(t *testing.T, nb *Nonblocking) (sent []byte) {
	t.Helper()
	nb.Start()
	for i := 0; !nb.pending(); i++ {
		piece := bytes.Repeat([]byte{byte(i)}, 32<<10)
		if _, err := nb.Write(piece); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, piece...)
	}
	return sent
}

// What the kernel does not take is kept and drained in order.
func TestNonblocking(t *testing.T) {
	client, server := overTCP(t)
	nb := NewNonblocking(server)
	sent := fill(t, nb)
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(client) // what there is
		got <- b
	}()
	if err := nb.drain(time.Now().Add(10 * time.Second)); err != nil || nb.pending() {
		t.Fatalf("drained: %v, pending %v", err, nb.pending())
	}
	server.Close()
	if b := <-got; !bytes.Equal(b, sent) {
		t.Errorf("%d bytes arrived of %d, or in another order", len(b), len(sent))
	}
}

func TestNonblockingDrainsToNobody(t *testing.T) {
	_, server := overTCP(t)
	nb := NewNonblocking(server)
	fill(t, nb)
	if err := nb.drain(time.Now().Add(20 * time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("drained to nobody: %v", err)
	}
}

func TestNonblockingIsBounded(t *testing.T) {
	a, b := net.Pipe() // takes nothing by itself
	defer a.Close()
	defer b.Close()
	nb := NewNonblocking(a)
	nb.Start()
	n := 0
	for err := error(nil); ; {
		if _, err = nb.Write(make([]byte, 1000)); err != nil {
			break
		}
		if n += 1000; n > 2*maxKept {
			t.Fatal("it keeps everything")
		}
	}
	if n < chunkSize {
		t.Errorf("it keeps %d bytes, which is less than a chunk", n)
	}
}

// A TLS connection made for a session writes without waiting.
func TestTLSDoesNotWait(t *testing.T) {
	client, server := overTCP(t)
	serverSide := make(chan *tls.Conn, 1)
	cert := testCertificate(t)
	go func() {
		tc, err := ServerTLS(t.Context(), server, &tls.Config{Certificates: []tls.Certificate{cert}})
		if err != nil {
			t.Error(err)
		}
		serverSide <- tc
	}()
	tc, err := ClientTLS(t.Context(), client, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	out := NewConn(<-serverSide).out
	for i := 0; ; i++ { // nobody reads
		done, err := out.tryWrite(make([]byte, 64<<10))
		if err != nil {
			t.Fatal(err)
		}
		if !done {
			break
		}
		if i > 1000 {
			t.Fatal("the kernel takes everything")
		}
	}
	go io.Copy(io.Discard, tc)
	if err := out.drain(time.Now().Add(10 * time.Second)); err != nil {
		t.Errorf("drain: %v", err)
	}
}
