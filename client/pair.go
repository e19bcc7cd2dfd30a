package client

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// pairs are the clients that this one shares groups with and talks to past the
// server, or by its relay while there is no other way.
type pairs struct {
	mu     sync.Mutex
	bySlot map[uint32]*pair
	byID   map[wire.ID]*pair
	over   bool

	env *session.Env // of their sessions
}

func (ps *pairs) init(l Limits) {
	ps.bySlot, ps.byID, ps.env = make(map[uint32]*pair), make(map[wire.ID]*pair), session.NewEnv(pairLimits(l))
}

// pairer is a client as its session tells it of pairs.
type pairer struct{ c *Client }

// PairFrame implements session.Pairer.
func (p pairer) PairFrame(k wire.Kind, body []byte) error { return p.c.pairFrame(k, body) }

// Moved implements session.Pairer: a server does not move.
func (pairer) Moved() {}

// pair is one of them.
type pair struct {
	c    *Client
	id   wire.ID
	slot uint32
	s    *session.Session

	starting sync.Once

	mu    sync.Mutex
	asked bool // for a direct path
	path  Path
}

// Path is how this client reaches another one.
type Path struct {
	Direct bool           // else by the server's relay
	Addr   netip.AddrPort // of the other end, where it is direct
	RTT    time.Duration
}

// pairFrame takes the server's word about pairs, in the session's reader.
func (c *Client) pairFrame(k wire.Kind, body []byte) error {
	switch k {
	case wire.KindPair:
		var m wirepb.Pair
		if err := wire.Unmarshal(body, &m); err != nil {
			return malformed(err)
		}
		return c.pairUp(&m)
	case wire.KindUnpair:
		var m wirepb.Unpair
		if err := wire.Unmarshal(body, &m); err != nil {
			return malformed(err)
		}
		c.unpaired(m.Slot)
	case wire.KindPunch:
		var m wirepb.Punch
		if err := wire.Unmarshal(body, &m); err != nil {
			return malformed(err)
		}
		c.punch(&m)
	}
	return nil
}

func (c *Client) pairUp(m *wirepb.Pair) error {
	p := c.port.Load()
	if len(m.Secret) != len(packet.Secret{}) || m.Suite != packet.SuiteAES256GCM || p == nil {
		return nil // without UDP there are no pairs: messages go by the group
	}
	pr := &pair{c: c, id: wire.ID(m.Member), slot: m.Slot}
	s, err := c.session.NewPair(pr.id, c.pairs.env, p.End, session.PairConfig{
		Secret: packet.Secret(m.Secret), Key: m.Id, Self: packet.ID(m.Receiver), Peer: packet.ID(m.Sender), Higher: m.Role == 1,
		Slot: m.Slot, Path: link.Config{Loopback: c.loopback()}, Info: c.self(), RelayOnly: c.cfg.RelayOnly, Changed: pr.changed,
	})
	if err != nil {
		return nil
	}
	pr.s = s
	c.pairs.mu.Lock()
	if c.pairs.over {
		c.pairs.mu.Unlock()
		s.GiveUp()
		return nil
	}
	first := len(c.pairs.bySlot) == 0
	c.pairs.bySlot[m.Slot], c.pairs.byID[pr.id] = pr, pr
	c.pairs.mu.Unlock()
	if first && c.session.Datagrams() {
		c.tellCandidates()
	}
	if c.knows(pr.id) {
		pr.start()
	}
	return nil
}

// start begins to read what the other client sends: not before the handler of
// its join has returned. Until then it stays in the pair's channels.
func (p *pair) start() {
	p.starting.Do(func() { p.s.Start(&pairReader{reader: reader{c: p.c, from: p.s}, p: p}) })
}

// startPairs is called when the handlers of these members' joins have returned.
func (c *Client) startPairs(g *Group, members []Member) {
	g.mu.Lock()
	if g.told == nil {
		g.told = make(map[wire.ID]struct{})
	}
	for _, m := range members {
		g.told[m.ID] = struct{}{}
	}
	g.mu.Unlock()
	for _, m := range members {
		if p := c.pairOf(m.ID); p != nil {
			p.start()
		}
	}
}

// knows reports whether the handler of a client's join has returned, in some
// group: joins are told in order, and this one is.
func (c *Client) knows(id wire.ID) bool {
	for g := range c.Groups() {
		g.mu.Lock()
		_, in := g.told[id]
		g.mu.Unlock()
		if in {
			return true
		}
	}
	return false
}

// pairLimits are those of a pair's session: its life is the groups'.
func pairLimits(l Limits) Limits {
	l.PingInterval, l.IdleTimeout = -1, -1
	return l
}

// paired reports whether there are pairs.
func (c *Client) paired() bool {
	c.pairs.mu.Lock()
	defer c.pairs.mu.Unlock()
	return len(c.pairs.bySlot) > 0
}

func (c *Client) unpaired(slot uint32) {
	c.pairs.mu.Lock()
	p := c.pairs.bySlot[slot]
	c.pairs.mu.Unlock()
	if p != nil {
		p.forget()
		p.end()
	}
}

// forget has messages go by the group from now on.
func (p *pair) forget() {
	ps := &p.c.pairs
	ps.mu.Lock()
	if ps.bySlot[p.slot] == p {
		delete(ps.bySlot, p.slot)
	}
	if ps.byID[p.id] == p {
		delete(ps.byID, p.id)
	}
	ps.mu.Unlock()
	p.c.session.RemoveRelay(p.slot)
}

// renewPairs has all pairs doubt their paths: this client's socket is another.
func (c *Client) renewPairs() {
	c.pairs.mu.Lock()
	all := slices.Collect(maps.Values(c.pairs.bySlot))
	c.pairs.mu.Unlock()
	if len(all) == 0 {
		return
	}
	self := c.self()
	for _, p := range all {
		p.s.NetworkChanged(self)
	}
	if c.session.Datagrams() { // else it does when they go that way again
		c.tellCandidates()
	}
}

// endPairs ends all of them, with the session.
func (c *Client) endPairs() {
	c.pairs.mu.Lock()
	all := c.pairs.bySlot
	c.pairs.bySlot, c.pairs.byID, c.pairs.over = nil, nil, true
	c.pairs.mu.Unlock()
	for _, p := range all {
		p.end()
	}
	c.pairs.env.Wait(context.Background()) // for those that have ended before, too; no error without a deadline
}

// end ends a pair, be it that it has not begun.
func (p *pair) end() {
	p.start() // who is not started does not end
	p.s.Abort()
}

func (c *Client) punch(m *wirepb.Punch) {
	c.pairs.mu.Lock()
	p := c.pairs.bySlot[m.Slot]
	c.pairs.mu.Unlock()
	if p == nil || m.Peer == nil || c.cfg.RelayOnly {
		return
	}
	info := link.Info{
		Host: addresses(m.Peer.Hosts), Reflexive: addresses(m.Reflexive), Mapping: link.Mapping(min(m.Peer.Mapping, uint32(link.Blocked))),
		Last: uint16(m.Peer.Last), Delta: int(m.Peer.Delta), SamePublic: m.SamePublic,
	}
	p.s.Punch(info, time.Duration(m.Wait)*time.Microsecond)
}

// changed is told by the path.
func (p *pair) changed(e link.Event) {
	direct := e.To == link.Direct || e.To == link.Both
	p.mu.Lock()
	p.path = Path{Direct: direct, RTT: e.RTT}
	if direct {
		p.path.Addr = e.Path
	}
	p.mu.Unlock()
	p.tell(&wirepb.PairPath{
		Slot: p.slot, State: uint32(e.To), Rtt: uint32(e.RTT.Microseconds()), Reason: uint32(e.Reason),
		Punch: e.To == link.Punching && e.Reason == link.Retried, // the other end should try at the same time
	})
	if p.c.cfg.OnPath != nil {
		p.mu.Lock()
		path := p.path
		p.mu.Unlock()
		p.c.queue.tellPath(p.id, path)
	}
}

// want asks for a direct path, once.
func (p *pair) want() {
	p.mu.Lock()
	asked := p.asked
	p.asked = true
	p.mu.Unlock()
	if !asked && !p.c.cfg.RelayOnly {
		p.tell(&wirepb.PairPath{Slot: p.slot, Punch: true})
	}
}

func (p *pair) tell(m *wirepb.PairPath) {
	p.c.flush(p.c.session.PutMessage(wire.KindPairPath, m)) // an error says that the session is ending
}

// Path is how this client reaches another one that it shares a group with; ok is
// false when it does not, or when either does not speak UDP.
func (c *Client) Path(id wire.ID) (p Path, ok bool) {
	pr := c.pairOf(id)
	if pr == nil {
		return Path{}, false
	}
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.path, true
}

func (c *Client) pairOf(id wire.ID) *pair {
	c.pairs.mu.Lock()
	defer c.pairs.mu.Unlock()
	return c.pairs.byID[id]
}

// SendTo sends to one member past the server, by the direct path where there is
// one and by the server's relay else, sealed for that member alone. The first
// message has both look for a direct path. Reliable messages of a pair are
// ordered among themselves on their channel, and not with those of Send. It
// copies b and does not wait; nil means queued. ErrNoPair says that the two
// can't: Send to that member then.
func (g *Group) SendTo(member wire.ID, code uint16, b wire.Body, d wire.Delivery) error {
	if g.Over() {
		return ErrClosed
	}
	c := g.client
	p := c.pairOf(member)
	if p == nil {
		return ErrNoPair
	}
	m := wire.GroupMessage{Code: code, Delivery: d, Body: b, Group: g.id, Sender: c.ID(), Epoch: g.self.Epoch}
	frame := m.AppendFrame(nil)
	if err := p.s.PutRelayed(frame, d, g.id, c.ID()); err != nil {
		return err
	}
	p.s.Flush()
	p.want()
	return nil
}
