package client

import (
	"context"
	"crypto/rand"
	"math/big"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/knock"
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
		if !c.rest(ctx, jitter(pause)) {
			return
		}
		select {
		case <-c.offers: // it came too late: the next answer takes its place
		default:
		}
		if c.session.AskAttach() != nil {
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
	cfg, err := knock.LinkTo(dg)
	if err != nil {
		return false
	}
	host := dg.Host
	if host == "" {
		host = c.host
	}
	addrs, err := c.cfg.find(ctx, host, uint16(dg.Port))
	if err != nil {
		return false
	}
	p := c.port.Load()
	if p == nil {
		if p, err = c.cfg.openPort(ctx, c.env); err != nil {
			return false
		}
		c.port.Store(p)
		wake(c.moved) // who keeps sockets looks again
	}
	k, err := p.Knock(ctx, addrs)
	if err != nil {
		return false
	}
	select { // of an earlier one
	case <-c.detached:
	default:
	}
	accepted := make(chan struct{})
	cfg.Remote, cfg.First = k.Addr, func() { close(accepted) }
	l, err := p.End.NewLink(cfg)
	if err != nil {
		return false
	}
	c.survey.at(dg)
	c.session.Attach(l)
	ctx, cancel := context.WithTimeout(ctx, knock.Time)
	defer cancel()
	for err == nil && ctx.Err() == nil {
		if p.connect(ctx, l, k, dg.Ticket, accepted) {
			return true
		}
		// The cookie may be for an address that a NAT has taken back meanwhile.
		k, err = p.Knock(ctx, []netip.AddrPort{k.Addr})
	}
	c.session.Detach()
	return false
}

// connectTime is how long a cookie is relied on.
const connectTime = 1200 * time.Millisecond

// connect sends CONNECTs until one is answered.
func (p *port) connect(ctx context.Context, l *session.Link, k knock.Door, ticket []byte, accepted <-chan struct{}) bool {
	if len(ticket) > packet.MaxTicket {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	m := packet.Connect{Epoch: k.Cookie.Epoch, MAC: k.Cookie.MAC, Ticket: ticket}
	copy(m.Nonce[:], k.Cookie.Nonce[:])
	rand.Read(m.Nonce[8:]) // never fails
	a := packet.Attach{Nonce: m.Nonce, Epoch: m.Epoch, MAC: m.MAC, MTU: packet.MaxSize, Time: uint64(time.Now().UnixMilli())}
	m.Packet = l.Connect(&a, m.PacketSize())
	out := m.Append(nil)
	_, err := knock.Insist(ctx, accepted, func() { p.End.Send(out, k.Addr, netip.Addr{}) })
	return err == nil
}

// rerouted is told by the session that unreliable messages go another way.
func (c *Client) rerouted(datagrams bool) {
	c.queue.tell()
	if datagrams {
		c.survey.due()
	}
	if !datagrams {
		wake(c.detached)
	}
}

// rest waits before UDP is tried again; another network is worth a try at once.
func (c *Client) rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.elsewhere:
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
