package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

const (
	floodTalkers = 50
	floodTime    = 2 // either half takes so many times the measured time
	floodRate    = 50_000
	floodTick    = time.Millisecond
)

// flood is the work of serving those who are in while somebody knocks 50,000
// times a second and never says who he is. 50 sessions say 20 times a second
// something that the server answers, first without that and then with it. It
// costs how many times as long the slowest hundredth takes with it.
func flood() work {
	return work{
		name:    "flood",
		subject: subject{name: troupeUDP, meet: meetTroupe(wire.Reliable)},
		target:  target{value: 1.5, of: "ratio"},
		cost:    func(f figures) float64 { return f.slowdown },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, "flood", s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			ctx, cancel := context.WithTimeout(ctx, 2*floodTime*o.measured+2*slack)
			defer cancel()
			c := chat{meet: s.meet}
			for range floodTalkers {
				c.addrs = append(c.addrs, srv.addr)
			}
			lines, err := c.dial(ctx)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, part(lines)) }()
			return withstand(ctx, lines, srv.addr, o)
		},
	}
}

// withstand measures without the flood and with it.
func withstand(ctx context.Context, lines []*chatLine, addr string, o *options) (figures, error) {
	if _, err := converseAll(ctx, lines, o.warmUp()); err != nil {
		return figures{}, err
	}
	calm, err := converseAll(ctx, lines, floodTime*o.measured)
	if err != nil {
		return figures{}, err
	}
	hello, err := overhearHello(ctx)
	if err != nil {
		return figures{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type end struct {
		sent int
		err  error
	}
	over := make(chan end, 1)
	go func() { // ended by cancel
		n, err := knock(ctx, addr, hello)
		over <- end{n, err}
	}()
	began := time.Now()
	rough, err := converseAll(ctx, lines, floodTime*o.measured)
	passed := time.Since(began)
	cancel()
	e := <-over
	if err := errors.Join(err, e.err); err != nil {
		return figures{}, err
	}
	fmt.Fprintf(o.stderr, "flood: %.0f HELLOs a second\n", float64(e.sent)/passed.Seconds())
	f := figures{p50: quantile(rough, 0.5), p99: quantile(rough, 0.99), p999: quantile(rough, 0.999)}
	f.slowdown = float64(f.p99) / float64(quantile(calm, 0.99))
	return f, nil
}

// overhearHello returns what a client begins with.
func overhearHello(ctx context.Context) ([]byte, error) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer pc.Close()
	if err := pc.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	dialled := make(chan struct{})
	go func() { // ended by cancel
		defer close(dialled)
		c, err := client.Dial(ctx, client.Config{}, "udp://"+pc.LocalAddr().String())
		if err == nil {
			c.Close()
		}
	}()
	b := make([]byte, 1500)
	n, err := pc.Read(b)
	cancel()
	<-dialled
	return b[:n], err
}

// knock sends HELLOs until ctx ends, and returns how many. The answers stay
// where they are.
func knock(ctx context.Context, addr string, hello []byte) (sent int, err error) {
	addr, _, _ = strings.Cut(addr, " ")
	nc, err := net.Dial("udp", addr)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent, nil
		}
		for due := int(time.Since(began).Seconds() * floodRate); sent < due; sent++ {
			if _, err := nc.Write(hello); err != nil {
				return sent, err
			}
		}
	}
}
