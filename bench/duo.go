package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// roundTrip is that between two outposts, and of an outpost with the server.
const roundTrip = 2 * farDelay

const (
	duoPause    = 40 * time.Millisecond // between the meetings of two duos
	duoPatience = 10 * time.Second      // for what a duo waits for
)

// duo is two clients of troupePairs', each an outpost.
type duo struct {
	number int
	ends   [2]*partner
}

// partner is a client that meets another one.
type partner struct {
	c      *client.Client
	post   *outpost
	direct chan struct{} // closed when there is a direct path

	mu      sync.Mutex
	joined  func()               // the other has; may be nil
	heard   func(payload []byte) // from the other; likewise
	group   *client.Group
	other   wire.ID
	met     time.Time // the other's join
	punched time.Time // the server's word to look for a direct path
	found   time.Time // that path
}

// dialDuo dials the two clients of the i-th duo, over links that lose so many
// datagrams each way.
func dialDuo(loss float64) func(ctx context.Context, addr string, i int) (*duo, error) {
	return func(ctx context.Context, addr string, i int) (*duo, error) {
		d := &duo{number: i}
		for k := range d.ends {
			p, err := dialPartner(ctx, addr, loss)
			if err != nil {
				return nil, errors.Join(err, d.close())
			}
			d.ends[k] = p
		}
		return d, nil
	}
}

func dialPartner(ctx context.Context, addr string, loss float64) (*partner, error) {
	host, _, _ := strings.Cut(addr, " ")
	server, err := netip.ParseAddrPort(host)
	if err != nil {
		return nil, err
	}
	p := &partner{direct: make(chan struct{})}
	p.c, err = dialTroupe(ctx, addr, client.Config{
		ListenPacket: func(context.Context) (net.PacketConn, error) {
			var err error
			p.post, err = newOutpost(server, loss, rand.Uint64())
			return p.post, err
		},
		OnGroup: p.entered,
		OnPath:  p.reached,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// entered is the client's OnGroup.
func (p *partner) entered(g *client.Group) {
	g.OnJoin = func(m client.Member) {
		if m.ID == g.Self().ID {
			return
		}
		p.mu.Lock()
		p.group, p.other, p.met = g, m.ID, time.Now()
		joined := p.joined
		p.mu.Unlock()
		if joined != nil {
			joined()
		}
	}
	g.OnMessage = func(_ client.Member, e wire.Event) {
		p.mu.Lock()
		heard := p.heard
		p.mu.Unlock()
		if heard != nil {
			heard(e.Payload)
		}
	}
}

// on sets what is done when the other joins, and with what it says.
func (p *partner) on(joined func(), heard func(payload []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.joined, p.heard = joined, heard
}

// reached is the client's OnPath. Its first word is that a path is looked for.
func (p *partner) reached(_ wire.ID, path client.Path) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.punched.IsZero() {
		p.punched = time.Now()
	}
	if path.Direct && p.found.IsZero() {
		p.found = time.Now()
		close(p.direct)
	}
}

// tell says something to the other, past the server where the two are a pair:
// the server's word of that may come behind the join.
func (p *partner) tell(payload []byte) error {
	p.mu.Lock()
	g, other := p.group, p.other
	p.mu.Unlock()
	b := wire.Payload(payload)
	err := g.SendTo(other, 1, b, wire.Reliable)
	if errors.Is(err, client.ErrNoPair) {
		err = g.Send(1, b, wire.Reliable, other)
	}
	return err
}

// metAt is when the partner heard of the other's join.
func (p *partner) metAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

// isDirect reports whether what the partner says goes directly to the other.
func (p *partner) isDirect() bool {
	p.mu.Lock()
	other := p.other
	p.mu.Unlock()
	path, ok := p.c.Path(other)
	return ok && path.Direct
}

// meet has the two share a group; it does not wait for that.
func (d *duo) meet(ctx context.Context, punch bool) error {
	b, err := wire.Encode(date{Number: d.number, Punch: punch})
	if err != nil {
		return err
	}
	for _, p := range d.ends {
		if _, err := p.c.Call(ctx, opMeet, b); err != nil {
			return fmt.Errorf("duo %d: %w", d.number, err)
		}
	}
	return nil
}

// findPath waits until both have a direct path.
func (d *duo) findPath(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, duoPatience)
	defer cancel()
	for _, p := range d.ends {
		select {
		case <-p.direct:
		case <-ctx.Done():
			return fmt.Errorf("duo %d has no direct path: %w", d.number, context.Cause(ctx))
		}
	}
	return nil
}

func (d *duo) close() error {
	var errs [2]error
	var wg sync.WaitGroup
	for i, p := range d.ends {
		if p != nil {
			wg.Go(func() { errs[i] = p.c.Close() })
		}
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// acquaintance is a work of duos.
type acquaintance struct {
	name string
	duos func(*options) int
	loss float64 // share of datagrams, each way
	do   func(context.Context, []*duo, *options) (figures, error)
}

// run is the work's.
func (a acquaintance) run(ctx context.Context, s subject, o *options) (f figures, err error) {
	srv, err := start(ctx, a.name, s, o)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, 2*o.measured+2*slack)
	defer cancel()
	duos, err := sing(ctx, srv.addr, dialDuo(a.loss), a.duos(o))
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, silence(duos)) }()
	return a.do(ctx, duos, o)
}

// meetings is how many duos meet in the measured time, one behind the other.
func meetings(o *options) int { return max(1, int(o.measured/duoPause)) }

// inTurn has the duos do something, each duoPause behind the one before it, and
// returns what that took.
func inTurn(ctx context.Context, duos []*duo, do func(context.Context, *duo) ([]time.Duration, error)) ([]time.Duration, error) {
	took, errs := make([][]time.Duration, len(duos)), make([]error, len(duos))
	var wg sync.WaitGroup
	for i, d := range duos {
		wg.Go(func() { // ended by do, or by ctx
			if errs[i] = sleep(ctx, duoPause*time.Duration(i)); errs[i] == nil {
				took[i], errs[i] = do(ctx, d)
			}
		})
	}
	wg.Wait()
	return slices.Concat(took...), errors.Join(errs...)
}

// summary sums up what things took.
func summary(took []time.Duration, err error) (figures, error) {
	return figures{p50: quantile(took, 0.5), p99: quantile(took, 0.99), longest: quantile(took, 1)}, err
}
