package main

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// wayRoom is how many datagrams may be under way.
const wayRoom = 4096

// oneWay is one direction of a link: it takes every datagram the same time, and
// loses some, each by its own chance.
type oneWay struct {
	delay  time.Duration
	loss   float64
	chance *rand.Rand // of whoever enters: one goroutine at a time
	under  chan inFlight
}

// inFlight is a datagram under way.
type inFlight struct {
	at   time.Time // of its arrival
	addr netip.AddrPort
	b    []byte
}

func newOneWay(delay time.Duration, loss float64, chance *rand.Rand) *oneWay {
	return &oneWay{delay: delay, loss: loss, chance: chance, under: make(chan inFlight, wayRoom)}
}

// enter sends a copy of b on its way. addr goes with it.
func (w *oneWay) enter(b []byte, addr netip.AddrPort) {
	if w.chance.Float64() < w.loss {
		return
	}
	select {
	case w.under <- inFlight{time.Now().Add(w.delay), addr, append([]byte(nil), b...)}:
	default: // no room
	}
}

// close has deliver return when the last one has arrived. Nothing enters any more.
func (w *oneWay) close() { close(w.under) }

// deliver calls arrive with each datagram as its time comes.
func (w *oneWay) deliver(arrive func(*inFlight)) {
	for d := range w.under {
		time.Sleep(time.Until(d.at))
		arrive(&d)
	}
}
