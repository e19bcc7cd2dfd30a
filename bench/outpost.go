package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// farDelay is how long a datagram takes from an outpost to another, and between
// an outpost and the server.
const farDelay = 20 * time.Millisecond

// outpost is the socket of a client that is far from everybody. What it sends
// takes its time here, and so does what the server sends it, since the server
// knows of no distance; what other outposts send has been under way long enough.
//
//	client ─▶ out ─▶ socket        to the server and to other outposts
//	socket ─▶ in ─▶ inbox ─▶ client    from the server
//	socket ──────▶ inbox ─▶ client     from other outposts
type outpost struct {
	*net.UDPConn
	server  netip.AddrPort
	in, out *oneWay
	inbox   chan inFlight
	closed  chan struct{}
	cut     atomic.Bool // what it sends to other outposts gets lost
	wg      sync.WaitGroup

	mu   sync.Mutex // of who enters out
	over bool
}

// newOutpost opens one; seed decides what gets lost.
func newOutpost(server netip.AddrPort, loss float64, seed uint64) (*outpost, error) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	o := &outpost{
		UDPConn: pc, server: server,
		in:    newOneWay(farDelay, loss, rand.New(rand.NewPCG(seed, 1))),
		out:   newOneWay(farDelay, loss, rand.New(rand.NewPCG(seed, 2))),
		inbox: make(chan inFlight, wayRoom), closed: make(chan struct{}),
	}
	o.wg.Go(o.receive)                       // ended by Close
	o.wg.Go(func() { o.in.deliver(o.take) }) // ended by receive
	o.wg.Go(func() {                         // ended by Close
		o.out.deliver(func(d *inFlight) { o.UDPConn.WriteToUDPAddrPort(d.b, d.addr) }) // what fails is lost
	})
	return o, nil
}

func (o *outpost) receive() {
	defer o.in.close()
	b := make([]byte, 1<<16)
	for {
		n, from, err := o.UDPConn.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // somebody is not there
		case from == o.server:
			o.in.enter(b[:n], from)
		default:
			o.take(&inFlight{addr: from, b: append([]byte(nil), b[:n]...)})
		}
	}
}

func (o *outpost) take(d *inFlight) {
	select {
	case o.inbox <- *d:
	default: // no room
	}
}

// ReadFromUDPAddrPort reads as a *net.UDPConn does.
func (o *outpost) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-o.inbox:
		return copy(b, d.b), d.addr, nil
	case <-o.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// WriteToUDPAddrPort writes as a *net.UDPConn does.
func (o *outpost) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.over:
		return 0, net.ErrClosed
	case to != o.server && o.cut.Load(): // nobody tells
	default:
		o.out.enter(b, to)
	}
	return len(b), nil
}

// Close implements net.PacketConn. What is under way is lost.
func (o *outpost) Close() error {
	o.mu.Lock()
	over := o.over
	o.over = true
	o.mu.Unlock()
	if over {
		return net.ErrClosed
	}
	close(o.closed)
	o.out.close()
	err := o.UDPConn.Close()
	o.wg.Wait()
	return err
}
