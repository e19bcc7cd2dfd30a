package client

import (
	"context"
	"sync"
	"time"
)

// announcements are the pauses before the packets by which the server learns
// where its client is now: each of them may be lost, and so may its answer.
var announcements = []time.Duration{
	0, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
	400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond,
}

// Rebind has the client speak UDP by another socket, in the same session: for
// when the network has changed under it, from Wi-Fi to a mobile one, say. A
// socket by which nothing leaves any more is replaced without being asked.
//
// Nothing reliable is lost. The server sends to the new address once it has
// proved to be this client's, which takes about two round trips; it goes along
// five times in short order, then once a second. A stream stays where it is;
// where UDP beside it has not got through it is tried again at once. Rebind
// returns when the socket is open. An error says that none could be opened and
// that the old one stays, or that the session is over.
func (c *Client) Rebind(ctx context.Context) error {
	if c.session.Err() != nil {
		return ErrClosed
	}
	if p := c.port.Load(); p != nil {
		if err := c.renew(ctx, p); err != nil {
			return err
		}
	}
	wake(c.elsewhere)
	return nil
}

func (c *Client) renew(ctx context.Context, p *port) error {
	if err := p.swap.renew(ctx); err != nil {
		return err
	}
	c.counts.moves.Add(1)
	wake(c.moved)
	c.renewPairs()
	return nil
}

// wake puts a token into a channel that holds one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// keepUDP has the session speak UDP beside its stream, where that was agreed on,
// looks after the socket, and closes it when the session is over.
func (c *Client) keepUDP() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var helpers sync.WaitGroup
	if c.first != nil {
		helpers.Go(func() { c.beside(ctx, c.first) }) // ended by ctx
	}
	if c.first != nil || c.port.Load() != nil {
		helpers.Go(func() { c.keepSocket(ctx) })    // likewise
		helpers.Go(func() { c.keepSurveying(ctx) }) // likewise
	}
	<-c.session.Done()
	c.endPairs()
	cancel()
	helpers.Wait()
	if p := c.port.Load(); p != nil {
		p.End.Close()
	}
}

// keepSocket replaces a socket that is broken, and has the server hear of every
// new one.
func (c *Client) keepSocket(ctx context.Context) {
	for {
		p, broken := c.port.Load(), (<-chan struct{})(nil)
		if p != nil {
			broken = p.swap.broken
		}
		select {
		case <-c.moved:
			c.announce(ctx)
		case <-broken:
			c.renew(ctx, p) // an error is no news: the next writes fail as well
		case <-ctx.Done():
			return
		}
	}
}

// announce has packets leave by a new socket; the server notices by itself.
func (c *Client) announce(ctx context.Context) {
	for i := 0; i < len(announcements); i++ {
		pause := time.NewTimer(announcements[i])
		select {
		case <-pause.C:
		case <-c.moved: // and again
			i = -1
			continue
		case <-ctx.Done():
			pause.Stop()
			return
		}
		if !c.session.Datagrams() || c.session.Ping() != nil {
			return
		}
	}
}
