package main

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// What is lost is what the seed says, each way by itself; the rest takes its
// time.
func TestBadLink(t *testing.T) {
	const n, seed = 200, 7
	l, err := openBadLink(serving(t, plainUDP).addr, seed)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	nc, err := net.Dial("udp", l.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	there, back := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	var want []uint32
	for i := range uint32(n) {
		if there.Float64() >= linkLoss && back.Float64() >= linkLoss {
			want = append(want, i)
		}
	}
	began := time.Now()
	for i := range uint32(n) {
		if _, err := nc.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 16)
	for _, w := range want {
		nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		k, err := nc.Read(b)
		if err != nil {
			t.Fatalf("waiting for %d: %v", w, err)
		}
		if took := time.Since(began); took < 2*linkDelay {
			t.Fatalf("there and back in %v", took)
		}
		if got := binary.BigEndian.Uint32(b[:k]); got != w {
			t.Fatalf("%d came, want %d: lost is what the seed says", got, w)
		}
	}
	nc.SetReadDeadline(time.Now().Add(4 * linkDelay))
	if _, err := nc.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more came, %v", err)
	}
	if lost := n - len(want); lost < 5 || lost > 40 {
		t.Errorf("%d of %d lost: about a tenth should be", lost, n)
	}
}

func TestTUN(t *testing.T) {
	d, err := openTUN()
	if err != nil {
		t.Skip(err)
	}
	defer d.close()
	addr := serving(t, plainTUN).addr
	began := time.Now()
	heard := make(chan []byte, 1)
	c, err := meetTCP(t.Context(), beyondTUN(addr), func(b []byte) { heard <- b })
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.say(payload(1)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
	if took := time.Since(began); took < 4*linkDelay {
		t.Errorf("a connection and an answer in %v: two round trips are %v", took, 4*linkDelay)
	}
}
