package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// What a bad link does to datagrams, each way.
const (
	linkDelay = 30 * time.Millisecond
	linkLoss  = 0.05
)

// badLink is a way to a server for one client: a socket that the client takes
// for the server, and one that the server takes for the client. It delays every
// datagram alike, and loses some, each by its own chance.
type badLink struct {
	near, far *net.UDPConn // far is connected to the server
	wg        sync.WaitGroup

	mu     sync.Mutex
	client *net.UDPAddr
}

// openBadLink opens the way to a server; seed decides what gets lost.
func openBadLink(server string, seed uint64) (*badLink, error) {
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		return nil, err
	}
	near, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	far, err := net.DialUDP("udp4", nil, to)
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	l := &badLink{near: near, far: far}
	l.carry(near, rand.New(rand.NewPCG(seed, 1)), func(b []byte) { far.Write(b) }) // what fails is lost
	l.carry(far, rand.New(rand.NewPCG(seed, 2)), func(b []byte) {
		l.mu.Lock()
		to := l.client
		l.mu.Unlock()
		near.WriteToUDP(b, to) // as above
	})
	return l, nil
}

// addr is where the client finds the server.
func (l *badLink) addr() string { return l.near.LocalAddr().String() }

// carry takes what comes from a socket to the other side.
func (l *badLink) carry(from *net.UDPConn, chance *rand.Rand, send func([]byte)) {
	w := newOneWay(linkDelay, linkLoss, chance)
	l.wg.Go(func() { // ended by close
		defer w.close()
		b := make([]byte, 1<<16)
		for {
			n, addr, err := from.ReadFromUDP(b)
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil: // the server is not there
				continue
			}
			if from == l.near {
				l.mu.Lock()
				l.client = addr
				l.mu.Unlock()
			}
			w.enter(b[:n], netip.AddrPort{})
		}
	})
	l.wg.Go(func() { w.deliver(func(d *inFlight) { send(d.b) }) }) // ended by the reader
}

func (l *badLink) close() error {
	err := errors.Join(l.near.Close(), l.far.Close())
	l.wg.Wait()
	return err
}

// openBadLinks opens the ways of n clients to a server. Behind a space addr may
// have what else clients need to know of it.
func openBadLinks(server, rest string, n int) (addrs []string, shut func() error, err error) {
	var links []*badLink
	shut = func() error {
		var errs []error
		for _, l := range links {
			errs = append(errs, l.close())
		}
		return errors.Join(errs...)
	}
	for i := range n {
		l, err := openBadLink(server, uint64(i))
		if err != nil {
			return nil, nil, errors.Join(err, shut())
		}
		links = append(links, l)
		addrs = append(addrs, l.addr()+rest)
	}
	return addrs, shut, nil
}

// tunDevice is what TUN devices are made of.
const tunDevice = "/dev/net/tun"

// canTUN says whether there may be a TUN device.
func canTUN() error {
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}
