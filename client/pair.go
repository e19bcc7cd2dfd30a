package client

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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
	spent  int // destinations that pairs probed that have ended

	spreads   sync.WaitGroup
	spreading sync.Mutex // one at a time

	known map[uint32]struct{} // slots told; the decoder's
	ended uint32              // the highest one that the server has taken back; likewise

	version atomic.Uint64 // counts changes of them, of their paths, and of who is in a group
	env     *session.Env  // of their sessions
}

func (ps *pairs) init(l Limits) {
	ps.bySlot, ps.byID, ps.known = make(map[uint32]*pair), make(map[wire.ID]*pair), make(map[uint32]struct{})
	ps.env = session.NewEnv(pairLimits(l))
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

	punched uint32 // the newest Punch; the decoder's

	// the callback goroutine's
	order session.Ordering // of what its client has counted, by whatever way it comes
	told  Path             // what the callbacks were told last

	mu       sync.Mutex
	asked    time.Time // for a direct path
	state    link.State
	failed   bool // the last search for a path, or the path that there was
	path     Path
	turned   bool   // the callbacks are going to be told
	reported uint64 // packets sent directly, as the server was told
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
	if !c.pairs.first(m.Slot) {
		return nil
	}
	pr := &pair{c: c, id: wire.ID(m.Member), slot: m.Slot}
	s, err := c.session.NewPair(pr.id, c.pairs.env, p.End, session.PairConfig{
		Secret: packet.Secret(m.Secret), Key: m.Id, Self: packet.ID(m.Receiver), Peer: packet.ID(m.Sender), Higher: m.Role == 1,
		Slot: m.Slot, Path: link.Config{Loopback: c.loopback(), Birthday: c.cfg.Birthday, RelayRatio: c.cfg.RelayRatio}, Info: c.self(), RelayOnly: c.cfg.RelayOnly, Changed: pr.changed, Spread: pr.spread,
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
	c.pairs.version.Add(1)
	if first {
		c.tellHint()
	}
	if first && c.session.Datagrams() {
		c.tellCandidates()
	}
	if c.knows(pr.id) {
		pr.start()
	}
	return nil
}

// first reports whether a pair has not been told before. Its keys serve once,
// so it does not begin again, however its own end came about.
func (ps *pairs) first(slot uint32) bool {
	if _, known := ps.known[slot]; known || slot <= ps.ended {
		return false
	}
	ps.known[slot] = struct{}{}
	return true
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
		p := c.pairOf(m.ID)
		if p == nil {
			continue
		}
		if p.start(); p.told.Direct { // by another group
			g.tellPath(m, p.told)
		}
	}
}

// knows reports whether the handler of a client's join has returned, in some
// group: joins are told in order, and this one is.
func (c *Client) knows(id wire.ID) bool {
	for g := range c.Groups() {
		if _, in := g.knows(id); in {
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

// opened is how many destinations have been probed.
func (ps *pairs) opened() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	n := ps.spent
	for _, p := range ps.bySlot {
		n += p.s.PathStats().Opened
	}
	return n
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
	delete(c.pairs.known, slot)
	c.pairs.ended = max(c.pairs.ended, slot)
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
		ps.spent += p.s.PathStats().Opened
	}
	if ps.byID[p.id] == p {
		delete(ps.byID, p.id)
	}
	ps.mu.Unlock()
	ps.version.Add(1)
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
		c.survey.due()
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
	c.pairs.spreads.Wait()
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
	if p == nil || m.Peer == nil || c.cfg.RelayOnly || m.Attempt <= p.punched {
		return
	}
	p.punched = m.Attempt
	info := link.Info{
		Host: addresses(m.Peer.Hosts), Reflexive: addresses(m.Reflexive), Mapping: link.Mapping(min(m.Peer.Mapping, uint32(link.Blocked))),
		Last: uint16(m.Peer.Last), Delta: int(m.Peer.Delta), SamePublic: m.SamePublic, Birthday: m.Birthday,
	}
	p.s.Punch(c.self(), info, time.Duration(m.Wait)*time.Microsecond)
}

// want asks for a direct path, once.
func (p *pair) want() {
	p.mu.Lock()
	ask := p.asked.IsZero()
	if ask {
		p.asked = time.Now()
	}
	ask = ask && !p.path.Direct && !p.c.cfg.RelayOnly
	p.mu.Unlock()
	if ask {
		p.report(true)
	}
}

// askTime is how long an answer to want is hoped for: the other end may want no
// path, or not be found, and nobody tells.
const askTime = 10 * time.Second

// seeking asks for a direct path, once, and returns for how long one may be hoped
// for; zero: there will be none soon.
func (p *pair) seeking(now time.Time) time.Duration {
	p.want()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.failed || p.c.cfg.RelayOnly:
		return 0
	case p.state == link.Punching:
		return askTime
	}
	return max(0, askTime-now.Sub(p.asked))
}

func (p *pair) tell(m *wirepb.PairPath) {
	p.c.flush(p.c.session.PutMessage(wire.KindPairPath, m)) // an error says that the session is ending
}

func (c *Client) pairOf(id wire.ID) *pair {
	c.pairs.mu.Lock()
	defer c.pairs.mu.Unlock()
	return c.pairs.byID[id]
}
