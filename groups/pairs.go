package groups

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

// pairs are the pairs of clients that share groups, of a system. A pair comes
// into being with the first group that the two share and that lets clients
// reach each other, and ends with the last. Its messages go by the server's
// relay at once; a direct path is looked for when an end asks, or at the join.
type pairs struct {
	mu    sync.Mutex
	pairs map[couple]*pair
	sides map[*session.Session]*side
}

// couple is two peers' ids, the lower first.
type couple struct{ low, high wire.ID }

func coupleOf(a, b wire.ID) couple { return couple{min(a, b), max(a, b)} }

// side is what is known of one client, for all its pairs.
type side struct {
	peer  *peers.Peer
	conn  *session.Session
	last  uint32           // slot given out
	slots map[uint32]*pair // by this side's slots
	cand  *wirepb.Candidates
}

// pair is two sides; the lower id is the first.
type pair struct {
	ends   [2]end
	groups map[*Group]bool // that the two share
	asked  time.Time       // when a Punch was last sent
	wanted bool            // a direct path is to be looked for as soon as both are seen
	direct bool            // what the owners were told last
}

// end is a pair as one side has it.
type end struct {
	side  *side
	slot  uint32
	state uint32
	rtt   time.Duration
}

// Bounds of what a client may cause.
const (
	maxHosts   = 8
	punchAgain = time.Second            // between two Punches of a pair
	maxWait    = 150 * time.Millisecond // that the nearer end waits for the farther
)

// join notes that two members share a group, and reports whether their sessions
// are to be flushed.
func (ps *pairs) join(g *Group, a, b *seat) (told bool) {
	if g.opt.Quiet || !a.conn.Pairs() || !b.conn.Pairs() {
		return false
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	c := coupleOf(a.id, b.id)
	p := ps.pairs[c]
	if p == nil {
		if a.id > b.id {
			a, b = b, a
		}
		p = ps.makeLocked(c, a, b)
		told = true
	}
	p.groups[g] = true
	if g.opt.PunchAtJoin && !g.opt.RelayOnly {
		p.wanted = true
		ps.punchLocked(p, time.Now())
	}
	return told
}

// leave notes that they don't any more, and reports as join does.
func (ps *pairs) leave(g *Group, a, b wire.ID) (told bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	c := coupleOf(a, b)
	p := ps.pairs[c]
	if p == nil {
		return false
	}
	if _, ok := p.groups[g]; !ok {
		return false
	}
	if delete(p.groups, g); len(p.groups) > 0 {
		return false
	}
	delete(ps.pairs, c)
	for _, e := range p.ends {
		e.side.conn.RemoveRelay(e.slot)
		delete(e.side.slots, e.slot)
		tellPair(e.side.conn, wire.KindUnpair, &wirepb.Unpair{Slot: e.slot})
		if len(e.side.slots) == 0 && e.side.conn.Err() != nil {
			delete(ps.sides, e.side.conn)
		}
	}
	return true
}

func (ps *pairs) sideLocked(s *seat) *side {
	sd := ps.sides[s.conn]
	if sd == nil {
		sd = &side{peer: s.peer, conn: s.conn, slots: make(map[uint32]*pair)}
		ps.sides[s.conn] = sd
		s.conn.OnPairs(func(k wire.Kind, body []byte) error { return ps.frame(sd, k, body) })
	}
	return sd
}

// makeLocked makes the pair and tells both ends, who may speak at once.
func (ps *pairs) makeLocked(c couple, a, b *seat) *pair {
	p := &pair{groups: make(map[*Group]bool)}
	for i, s := range []*seat{a, b} {
		sd := ps.sideLocked(s)
		sd.last++
		sd.slots[sd.last] = p
		p.ends[i] = end{side: sd, slot: sd.last}
	}
	ps.pairs[c] = p
	first, second := p.ends[0], p.ends[1]
	first.side.conn.SetRelay(first.slot, second.side.conn, second.slot)
	second.side.conn.SetRelay(second.slot, first.side.conn, first.slot)
	var random [16]byte
	var secret packet.Secret
	rand.Read(random[:]) // never fails
	rand.Read(secret[:])
	ids := [2]uint32{binary.BigEndian.Uint32(random[8:]), binary.BigEndian.Uint32(random[12:])}
	for i, e := range p.ends {
		other := p.ends[1-i]
		tellPair(e.side.conn, wire.KindPair, &wirepb.Pair{
			Slot: e.slot, Member: uint64(other.side.peer.ID()), Id: binary.BigEndian.Uint64(random[:8]), Secret: secret[:], Role: uint32(i),
			Receiver: ids[i], Sender: ids[1-i], Suite: packet.SuiteAES256GCM,
		})
	}
	return p
}

// tellPair queues a frame; whoever calls has it flushed.
func tellPair(s *session.Session, k wire.Kind, m proto.Message) {
	if frame, err := wire.MarshalFrame(nil, k, m); err == nil {
		s.PutFrame(frame, wire.Reliable) // an error says that the session is ending
	}
}

// frame takes what a client says of its pairs, in its reader.
func (ps *pairs) frame(sd *side, k wire.Kind, body []byte) error {
	switch k {
	case wire.KindCandidates:
		m := new(wirepb.Candidates)
		if err := wire.Unmarshal(body, m); err != nil || len(m.Hosts) > maxHosts || m.Mapping > 4 {
			return &peers.CloseError{Code: wire.CodeProtocol, Text: "no candidates"}
		}
		ps.mu.Lock()
		sd.cand = m
		for _, p := range sd.slots {
			if p.wanted {
				ps.punchLocked(p, time.Now())
			}
		}
		ps.mu.Unlock()
	case wire.KindPairPath:
		var m wirepb.PairPath
		if err := wire.Unmarshal(body, &m); err != nil || m.State > 3 {
			return &peers.CloseError{Code: wire.CodeProtocol, Text: "no path"}
		}
		ps.report(sd, &m)
	}
	return nil
}

// report notes where a pair's packets go, by one end's word.
func (ps *pairs) report(sd *side, m *wirepb.PairPath) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := sd.slots[m.Slot]
	if p == nil { // it has ended meanwhile
		return
	}
	e := &p.ends[0]
	if e.side != sd {
		e = &p.ends[1]
	}
	e.state, e.rtt = m.State, time.Duration(m.Rtt)*time.Microsecond
	if m.Punch {
		p.wanted = true
		ps.punchLocked(p, time.Now())
	}
	if direct := p.ends[0].state == 2 && p.ends[1].state == 2; direct != p.direct {
		p.direct = direct
		for g := range p.groups {
			g.pathChanged(p)
		}
	}
}

// punchLocked has both ends look for each other, if all groups that they share
// and both clients allow it and both have told where they are.
func (ps *pairs) punchLocked(p *pair, now time.Time) {
	if now.Sub(p.asked) < punchAgain || !p.mayPunch() {
		return
	}
	a, b := p.ends[0].side, p.ends[1].side
	seen := [2]netip.AddrPort{a.conn.Observed(), b.conn.Observed()}
	if a.cand == nil || b.cand == nil || !seen[0].IsValid() || !seen[1].IsValid() {
		return
	}
	p.asked = now
	var rtt [2]time.Duration
	for i, e := range p.ends {
		rtt[i], _ = e.side.conn.RTT()
	}
	farthest := min(max(rtt[0], rtt[1])/2, maxWait)
	same := seen[0].Addr() == seen[1].Addr()
	for i, e := range p.ends {
		o := p.ends[1-i].side
		wait := max(0, farthest-rtt[i]/2)
		tellPair(e.side.conn, wire.KindPunch, &wirepb.Punch{
			Slot: e.slot, Peer: candidatesFor(o.cand, same), SamePublic: same,
			Reflexive: [][]byte{packet.AppendObserved(nil, seen[1-i])}, Wait: uint32(wait.Microseconds()),
		})
		e.side.conn.Flush()
	}
}

// candidatesFor are a client's candidates as the other may know them: private
// addresses only where the two may share a network.
func candidatesFor(c *wirepb.Candidates, same bool) *wirepb.Candidates {
	out := &wirepb.Candidates{Mapping: c.Mapping, Last: c.Last, Delta: c.Delta}
	for _, h := range c.Hosts {
		a, err := packet.ParseObserved(h)
		ip := a.Addr()
		switch {
		case err != nil, a.Port() < 1024, ip.IsLoopback(), ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast():
			continue
		case ip.Is4() && !same, ip.IsPrivate() && !same:
			continue
		}
		out.Hosts = append(out.Hosts, h)
	}
	return out
}

// mayPunch reports whether a group that the two share lets them know each
// other's addresses, and both want it.
func (p *pair) mayPunch() bool {
	for _, e := range p.ends {
		if e.side.cand != nil && e.side.cand.RelayOnly {
			return false
		}
	}
	for g := range p.groups {
		if !g.opt.RelayOnly {
			return true
		}
	}
	return false
}

// pathChanged tells the owner that a pair of the group has become direct, or no
// longer is.
func (g *Group) pathChanged(p *pair) {
	if g.opt.Owner.IsZero() {
		return
	}
	a, b := &p.ends[0], &p.ends[1]
	g.opt.Owner.Force(PathChanged{Group: g, A: a.side.peer, B: b.side.peer, Direct: p.direct, RTT: max(a.rtt, b.rtt)})
}
