package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/udp"
)

// plainForward sends datagrams on as they are, with as few system calls as there
// can be, and seals nothing. Clients are in groups of ten as they come.
//
//	to      uint8   who is to have it: a member's place in the group, or one of the two below
//	update …
const plainForward = "plain-forward"

// What to may be besides a place.
const (
	toAll  = 0xff // but the sender
	toJoin = 0xfe // the server: answered by the own place
)

const plainTo = 1

func servePlainForward() (addr string, err error) {
	s, err := udp.Listen("127.0.0.1:0")
	if err != nil {
		return "", err
	}
	f := &forwarder{s: s, seats: make(map[netip.AddrPort]seat)}
	go f.run() // ends with the process
	return s.LocalAddr().String(), nil
}

// forwarder is all groups of ten.
type forwarder struct {
	s     *udp.Socket
	seats map[netip.AddrPort]seat
	last  *table
	out   []udp.Message
}

// table is a group of ten, and seat one's place there.
type table struct {
	members []netip.AddrPort
}

type seat struct {
	t     *table
	place byte
}

// forwardBatch is how many datagrams are read at once.
const forwardBatch = 64

func (f *forwarder) run() {
	in := make([]udp.Message, forwardBatch)
	for i := range in {
		in[i].Buf = make([]byte, plainBuffer)
	}
	for {
		n, err := f.s.Read(in)
		if err != nil {
			return
		}
		for _, m := range in[:n] {
			f.take(m.Buf[:m.N], m.Addr)
		}
		f.s.Write(f.out) // what the system does not take is lost
		f.out = f.out[:0]
	}
}

// take has a datagram sent to whom it is for.
func (f *forwarder) take(b []byte, from netip.AddrPort) {
	if len(b) < plainTo {
		return
	}
	s, ok := f.seats[from]
	switch to := b[0]; {
	case to == toJoin:
		if !ok {
			s = f.join(from)
		}
		f.out = append(f.out, udp.Message{Buf: []byte{s.place}, Addr: from})
	case !ok:
	case to == toAll:
		for i, a := range s.t.members {
			if i != int(s.place) {
				f.out = append(f.out, udp.Message{Buf: b, Addr: a})
			}
		}
	case int(to) < len(s.t.members):
		f.out = append(f.out, udp.Message{Buf: b, Addr: s.t.members[to]})
	}
}

func (f *forwarder) join(from netip.AddrPort) seat {
	if f.last == nil || len(f.last.members) == relayGroup {
		f.last = new(table)
	}
	s := seat{f.last, byte(len(f.last.members))}
	f.last.members = append(f.last.members, from)
	f.seats[from] = s
	return s
}

// plainPlayer is a client of plainForward's. Its datagrams are as long as those
// of Troupe's that carry the same.
type plainPlayer struct {
	nc    net.Conn
	place byte
	pairs bool
	size  int
	buf   []byte
	done  chan struct{}
}

// joinPlain has players tell all others at once, or each by itself.
func joinPlain(pairs bool, size int) joining {
	return func(ctx context.Context, addr string, heard func([]byte)) (player, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "udp", addr)
		if err != nil {
			return nil, err
		}
		p := &plainPlayer{nc: nc, pairs: pairs, size: size, buf: make([]byte, size), done: make(chan struct{})}
		if err := p.sit(ctx); err != nil {
			return nil, errors.Join(err, nc.Close())
		}
		go p.listen(heard) // ended by close
		return p, nil
	}
}

// sit asks for a place.
func (p *plainPlayer) sit(ctx context.Context) error {
	n, err := insist(ctx, p.nc, []byte{toJoin}, p.buf)
	switch {
	case err != nil:
		return err
	case n != plainTo || p.buf[0] >= relayGroup:
		return fmt.Errorf("%x is no place", p.buf[:n])
	}
	p.place = p.buf[0]
	return p.nc.SetReadDeadline(time.Time{})
}

func (p *plainPlayer) listen(heard func([]byte)) {
	defer close(p.done)
	b := make([]byte, plainBuffer)
	for {
		n, err := p.nc.Read(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil && n == p.size:
			heard(b[plainTo : plainTo+payloadSize])
		}
	}
}

func (*plainPlayer) ready(context.Context) error { return nil }

func (p *plainPlayer) tell(update []byte) error {
	copy(p.buf[plainTo:], update)
	if !p.pairs {
		p.buf[0] = toAll
		_, err := p.nc.Write(p.buf)
		return err
	}
	for to := range byte(relayGroup) {
		if to == p.place {
			continue
		}
		p.buf[0] = to
		if _, err := p.nc.Write(p.buf); err != nil {
			return err
		}
	}
	return nil
}

func (p *plainPlayer) close() error {
	err := p.nc.Close()
	<-p.done
	return err
}
