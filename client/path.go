package client

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Path is how this client reaches another one.
type Path struct {
	Direct bool            // else by the server's relay
	Reason wire.PathReason // of the last change
	Addr   netip.AddrPort  // of the other end, where it is direct
	RTT    time.Duration   // to the other end and back, by this way; 0 while it has not been measured
	Loss   float64         // share of the other end's packets that got lost on the way lately, from 0 to 1
}

// Path is how this client reaches another one that it shares a group with; ok is
// false when it does not, or when either does not speak UDP. By the relay the
// round trip is measured while messages go to and fro.
func (c *Client) Path(id wire.ID) (p Path, ok bool) {
	pr := c.pairOf(id)
	if pr == nil {
		return Path{}, false
	}
	return pr.now(), true
}

// Hint is what a client says of how well its machine would do as the host of its
// groups; 0 is what it does not know. The server weighs it: see Hosts of package
// groups.
type Hint struct {
	FrameRate int // frames a second
	Upload    int // bytes a second that it can send
}

// Hint tells the server of h, now and whenever that is of use. Tell it again when
// it has changed by much, not every second.
func (c *Client) Hint(h Hint) {
	number := func(n int) uint32 { return uint32(min(max(n, 0), math.MaxInt32)) }
	c.hint.Store(&wirepb.Hint{FrameRate: number(h.FrameRate), Upload: number(h.Upload)})
	if c.paired() {
		c.tellHint()
	}
}

func (c *Client) tellHint() {
	if h := c.hint.Load(); h != nil {
		c.flush(c.session.PutMessage(wire.KindHint, h)) // an error says that the session is ending
	}
}

// now is the path with what is measured of it at this moment.
func (p *pair) now() Path {
	s := p.s.Path()
	p.mu.Lock()
	defer p.mu.Unlock()
	path := p.path
	path.RTT, path.Loss = s.RTT, s.Lost
	return path
}

func (p *pair) isDirect() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.path.Direct
}

// changed is told by the path.
func (p *pair) changed(e link.Event) {
	path := Path{Direct: e.To == link.Direct || e.To == link.Both, Reason: wire.PathReason(e.Reason)}
	if path.Direct {
		path.Addr = e.Path
	}
	p.mu.Lock()
	p.state, p.failed = e.To, e.To == link.Relayed
	p.mu.Unlock()
	p.turn(path)
	p.report(e.To == link.Punching && e.Reason == link.Retried) // the other end should try at the same time
	if at, _, _ := p.c.whereabouts(); at.mapping == link.Sequential && e.To != link.Punching {
		p.c.tellCandidates() // it has counted on
	}
}

// turn notes another path, and has the callbacks told.
func (p *pair) turn(path Path) {
	p.mu.Lock()
	told := p.turned
	p.path, p.turned = path, true
	p.mu.Unlock()
	p.c.pairs.version.Add(1)
	if !told {
		p.c.queue.tellPath(p)
	}
}

// tellPath tells of a path that has changed: of several changes, what has come of
// them.
func (c *Client) tellPath(p *pair) {
	p.mu.Lock()
	p.turned = false
	p.mu.Unlock()
	p.told = p.now()
	if c.cfg.OnPath != nil && c.begin() {
		c.cfg.OnPath(p.id, p.told)
		c.end()
	}
	for g := range c.Groups() {
		if m, in := g.knows(p.id); in {
			g.tellPath(m, p.told)
		}
	}
}

// knows is the member of that id, if its OnJoin has returned.
func (g *Group) knows(id wire.ID) (m Member, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, told := g.told[id]
	return g.members[id], told
}

func (g *Group) tellPath(m Member, p Path) {
	if g.OnPath != nil && g.client.begin() {
		g.OnPath(m, p)
		g.client.end()
	}
}

// report tells the server how the path stands, and may ask for a Punch.
func (p *pair) report(punch bool) {
	s := p.s.Path()
	p.mu.Lock()
	m := &wirepb.PairPath{
		Slot: p.slot, State: uint32(p.state), Reason: uint32(p.path.Reason), Punch: punch,
		Loss: uint32(s.Lost * 1000), Packets: s.Direct.Packets, Bytes: s.Direct.Bytes,
	}
	if p.path.Direct {
		m.Rtt, m.At = uint32(s.RTT.Microseconds()), packet.AppendObserved(nil, p.path.Addr)
	}
	p.reported = s.Direct.Packets
	p.mu.Unlock()
	p.tell(m)
}

// reportPaths has the server know how the direct paths in use do.
func (c *Client) reportPaths() {
	c.pairs.mu.Lock()
	all := slices.Collect(maps.Values(c.pairs.bySlot))
	c.pairs.mu.Unlock()
	for _, p := range all {
		used := p.s.Path().Direct.Packets
		p.mu.Lock()
		news := p.path.Direct && used != p.reported
		p.mu.Unlock()
		if news {
			p.report(false)
		}
	}
}
