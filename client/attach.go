package client

import (
	"context"
	"crypto/rand"
	"math/big"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Pauses before UDP is tried again beside the stream.
const (
	minRetry    = time.Second
	maxRetry    = time.Minute
	offerTime   = 10 * time.Second // for the server's answer to Attach
	attachPause = 20 * time.Second // UDP that has lasted so long was not a failure
)

// beside has the session speak UDP beside its stream, for as long as it lasts:
// it tries, and tries again. It runs on a goroutine of its own.
func (c *Client) beside(ctx context.Context, dg *wirepb.Datagrams) {
	for pause := minRetry; ; pause = min(2*pause, maxRetry) {
		begun := time.Now()
		if dg != nil && dg.Port != 0 && c.attach(ctx, dg) {
			select {
			case <-c.detached:
			case <-ctx.Done():
				return
			}
			if time.Since(begun) > attachPause {
				pause = minRetry
			}
		}
		if !sleep(ctx, jitter(pause)) || c.session.AskAttach() != nil {
			return
		}
		dg = nil
		timer := time.NewTimer(offerTime)
		select {
		case dg = <-c.offers:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil || dg != nil && dg.Port == 0 { // the server has no UDP any more
			return
		}
	}
}

// attach tries once.
func (c *Client) attach(ctx context.Context, dg *wirepb.Datagrams) bool {
	cfg, err := linkTo(dg)
	if err != nil {
		return false
	}
	host := dg.Host
	if host == "" {
		host = c.host
	}
	addrs, err := lookup(ctx, host, uint16(dg.Port))
	if err != nil {
		return false
	}
	if c.port == nil {
		if c.port, err = c.cfg.openPort(ctx, c.env); err != nil {
			return false
		}
	}
	k, err := c.port.knock(ctx, addrs)
	if err != nil {
		return false
	}
	select { // of an earlier one
	case <-c.detached:
	default:
	}
	accepted := make(chan struct{})
	cfg.Remote, cfg.First = k.addr, func() { close(accepted) }
	l, err := c.port.end.NewLink(cfg)
	if err != nil {
		return false
	}
	c.session.Attach(l)
	if c.connect(ctx, l, k, dg.Ticket, accepted) {
		return true
	}
	c.session.Detach()
	return false
}

// connect sends CONNECTs until one is answered.
func (c *Client) connect(ctx context.Context, l *session.Link, k knocked, ticket []byte, accepted <-chan struct{}) bool {
	if len(ticket) > packet.MaxTicket {
		return false
	}
	m := packet.Connect{Epoch: k.cookie.Epoch, MAC: k.cookie.MAC, Ticket: ticket}
	copy(m.Nonce[:], k.cookie.Nonce[:])
	rand.Read(m.Nonce[8:]) // never fails
	a := packet.Attach{Nonce: m.Nonce, Epoch: m.Epoch, MAC: m.MAC, MTU: packet.MaxSize, Time: uint64(time.Now().UnixMilli())}
	m.Packet = l.Connect(&a, m.PacketSize())
	out := m.Append(nil)
	for _, pause := range helloTimes[:5] {
		c.port.end.Send(out, k.addr, netip.Addr{})
		timer := time.NewTimer(pause)
		select {
		case <-accepted:
			timer.Stop()
			return true
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
	return false
}

// rerouted is told by the session that unreliable messages go another way.
func (c *Client) rerouted(datagrams bool) {
	c.queue.tell(datagrams)
	if !datagrams {
		select {
		case c.detached <- struct{}{}:
		default:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter is d and up to a quarter of it.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d/4)+1))
	if err != nil {
		return d
	}
	return d + time.Duration(n.Int64())
}
