package groups

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/link"
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
//
// Frames are queued under mu and sent without it: the methods return, or flush
// themselves, the sessions that have something unsent.
type pairs struct {
	mu    sync.Mutex
	pairs map[couple]*pair
	spent ledger // addresses that are not proven
	tried ledger // those whose ports are tried at random

	observed func(*session.Session) netip.AddrPort // (*session.Session).Observed; a test may see others
}

// couple is two peers' ids, the lower first.
type couple struct{ low, high wire.ID }

func coupleOf(a, b wire.ID) couple { return couple{min(a, b), max(a, b)} }

// side is what is known of one client, for all its pairs. Its session keeps it.
type side struct {
	ps    *pairs
	peer  *peers.Peer
	conn  *session.Session
	last  uint32           // slot given out
	slots map[uint32]*pair // by this side's slots
	cand  *wirepb.Candidates
	met   map[netip.AddrPort]bool // addresses of cand in its own network that another one there has reached it at
	seen  netip.AddrPort          // when it told them, or moved
	hint  *wirepb.Hint            // nil before it has told any
}

// pair is two sides; the lower id is the first.
type pair struct {
	ends   [2]end
	groups map[*Group]bool // that the two share; none once it is over
	asked  time.Time       // when a Punch was last sent
	number uint32          // of that one
	told   time.Time       // when owners were
	wanted bool            // a direct path has been asked for
	due    bool            // a Punch is, as soon as both are seen and it may be
	news   bool            // an end is elsewhere since the last one
	owed   time.Time       // when candidates that were held back may be told; zero without any
	direct bool            // what the owners were told last
	random bool            // the ends may try ports at random; each knows how often
	later  time.Time       // when look comes by again; zero: it does not

	reason   wire.PathReason // of the last change of state
	since    time.Time       // of that, or of the beginning
	switches int             // between relayed and direct
}

// end is a pair as one side has it.
type end struct {
	side  *side
	slot  uint32
	meter *meter // of what it has relayed

	state wire.PathState // by its own word, as the rest
	rtt   time.Duration  // of the direct path
	loss  float64        // of the other end's packets
	sent  Traffic        // directly
}

// Bounds of what a client may cause.
const (
	maxHosts   = 8
	punchAgain = time.Second            // between two Punches of a pair
	punchTime  = 5 * time.Second        // the same where nothing is new: the clients try so long, and would begin again
	tellAgain  = 250 * time.Millisecond // between two PathChanged of a pair
	maxWait    = 150 * time.Millisecond // that the nearer end waits for the farther
)

// unsent are sessions with frames in their queues.
type unsent []*session.Session

func (u unsent) flush() {
	for _, s := range u {
		s.Flush()
	}
}

// measure has the round trips measured that a Punch will want: a session's own
// turn to be pinged may be far. Call it without mu.
func (u unsent) measure() {
	for _, s := range u {
		if rtt, _ := s.RTT(); rtt == 0 {
			s.Ping() // an error says that the session is ending
		}
	}
}

// join notes that two members share a group, and returns whose sessions are to
// be flushed.
func (ps *pairs) join(g *Group, a, b *seat) (out unsent) {
	if g.opt.Quiet || !a.conn.Pairs() || !b.conn.Pairs() {
		return nil
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
		out = append(out, a.conn, b.conn)
	}
	p.groups[g] = true
	p.charge()
	if p.direct {
		g.pathChanged(p)
	}
	if g.opt.PunchAtJoin {
		p.wanted = true
	}
	p.due = p.due || p.wanted && !p.direct
	return append(out, ps.lookLocked(p, time.Now())...)
}

// leave ends a member's pairs that it has by this group, and returns whose
// sessions are to be flushed.
func (ps *pairs) leave(g *Group, s *seat) (out unsent) {
	if !s.conn.Pairs() {
		return nil
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	sd, _ := s.conn.Pairer().(*side)
	if sd == nil {
		return nil
	}
	for _, p := range sd.slots {
		if !p.groups[g] {
			continue
		}
		if delete(p.groups, g); len(p.groups) == 0 {
			out = append(out, ps.endLocked(p)...)
		}
		p.charge()
	}
	return out
}

func (ps *pairs) endLocked(p *pair) (out unsent) {
	delete(ps.pairs, coupleOf(p.ends[0].side.peer.ID(), p.ends[1].side.peer.ID()))
	for _, e := range p.ends {
		e.side.conn.RemoveRelay(e.slot)
		delete(e.side.slots, e.slot)
		e.side.conn.PutMessage(wire.KindUnpair, &wirepb.Unpair{Slot: e.slot}) // an error says that the session is ending
		out = append(out, e.side.conn)
	}
	return out
}

func (ps *pairs) sideLocked(s *seat) *side {
	if sd, ok := s.conn.Pairer().(*side); ok {
		return sd
	}
	sd := &side{ps: ps, peer: s.peer, conn: s.conn, slots: make(map[uint32]*pair)}
	s.conn.OnPairs(sd)
	if body := s.conn.Candidates(); body != nil {
		sd.cand, _ = parseCandidates(body) // what is none is as if it had not come
		sd.seen = ps.observed(s.conn)
	}
	return sd
}

// makeLocked makes the pair and tells both ends, who may speak at once.
func (ps *pairs) makeLocked(c couple, a, b *seat) *pair {
	p := &pair{groups: make(map[*Group]bool), since: time.Now()}
	for i, s := range []*seat{a, b} {
		sd := ps.sideLocked(s)
		sd.last++
		sd.slots[sd.last] = p
		p.ends[i] = end{side: sd, slot: sd.last, meter: new(meter)}
	}
	ps.pairs[c] = p
	first, second := p.ends[0], p.ends[1]
	first.side.conn.SetRelay(first.slot, second.side.conn, second.slot, first.meter)
	second.side.conn.SetRelay(second.slot, first.side.conn, first.slot, second.meter)
	var random [16]byte
	var secret packet.Secret
	rand.Read(random[:]) // never fails
	rand.Read(secret[:])
	ids := [2]uint32{binary.BigEndian.Uint32(random[8:]), binary.BigEndian.Uint32(random[12:])}
	for i, e := range p.ends {
		other := p.ends[1-i]
		e.side.tell(wire.KindPair, &wirepb.Pair{
			Slot: e.slot, Member: uint64(other.side.peer.ID()), Id: binary.BigEndian.Uint64(random[:8]), Secret: secret[:], Role: uint32(i),
			Receiver: ids[i], Sender: ids[1-i], Suite: packet.SuiteAES256GCM,
		})
	}
	return p
}

// tell tells the client what both ends of a pair are to hear at about the same
// time, whatever is lost: the first probes have to cross. The first copy counts.
func (sd *side) tell(k wire.Kind, m proto.Message) {
	frame, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		return // it is too large, which eight addresses are not
	}
	if sd.conn.Datagrams() {
		sd.conn.PutFrame(frame, wire.Unreliable.Twice())
	}
	sd.conn.PutFrame(frame, wire.Reliable) // an error says that the session is ending
}

// PairFrame implements session.Pairer: it takes what a client says of its pairs,
// in its reader.
func (sd *side) PairFrame(k wire.Kind, body []byte) error {
	switch k {
	case wire.KindCandidates:
		m, err := parseCandidates(body)
		if err != nil {
			return err
		}
		sd.seek(m)
	case wire.KindHint:
		m := new(wirepb.Hint)
		if err := wire.Unmarshal(body, m); err != nil {
			return &peers.CloseError{Code: wire.CodeProtocol, Text: "no hint"}
		}
		sd.ps.mu.Lock()
		sd.hint = m
		sd.ps.mu.Unlock()
	case wire.KindPairPath:
		var m wirepb.PairPath
		if err := wire.Unmarshal(body, &m); err != nil || m.State > 3 {
			return &peers.CloseError{Code: wire.CodeProtocol, Text: "no path"}
		}
		sd.ps.report(sd, &m)
	}
	return nil
}

// Moved implements session.Pairer: the client is seen at another address.
func (sd *side) Moved() { sd.seek(nil) }

// seek has direct paths looked for anew, where they have been asked for: the
// client is where the others don't know, by what it tells or by what is seen.
func (sd *side) seek(m *wirepb.Candidates) {
	unsent{sd.conn}.measure()
	ps := sd.ps
	var out unsent
	ps.mu.Lock()
	seen := ps.observed(sd.conn)
	news := seen != sd.seen || m != nil && !sameCandidates(m, sd.cand)
	sd.seen = seen
	if m != nil {
		sd.cand, sd.met = m, nil
	}
	now := time.Now()
	for _, p := range sd.slots {
		p.news = p.news || news
		p.due = p.due || p.wanted && news
		out = append(out, ps.lookLocked(p, now)...)
	}
	ps.mu.Unlock()
	out.flush()
}

// report notes where a pair's packets go, by one end's word.
func (ps *pairs) report(sd *side, m *wirepb.PairPath) {
	ps.mu.Lock()
	p := sd.slots[m.Slot]
	if p == nil { // it has ended meanwhile
		ps.mu.Unlock()
		return
	}
	e := &p.ends[0]
	if e.side != sd {
		e = &p.ends[1]
	}
	now := time.Now()
	p.note(e, m, now)
	if p.ends[0].state == 2 && p.ends[1].state == 2 && !p.news {
		p.due = false
	}
	if m.Punch && (!p.wanted || m.State != 0 && now.Sub(p.asked) >= punchAgain) { // else it is the other end's wish, too
		p.wanted, p.due = true, true
	}
	out := ps.lookLocked(p, now)
	if other := p.ends[0].side; m.State == 2 {
		if other == sd {
			other = p.ends[1].side
		}
		out = append(out, ps.metLocked(other, m.At, now)...)
	}
	ps.mu.Unlock()
	out.flush()
}

// metLocked notes where a client was reached. An address in its own network is
// handed out to the others there freely from now on: were it somebody else's whom
// two clients agreed to harm, it would be in their own network.
func (ps *pairs) metLocked(sd *side, at []byte, now time.Time) (out unsent) {
	a, err := packet.ParseObserved(at)
	if err != nil || sd.cand == nil || sd.met[a] || !link.Near(a.Addr()) ||
		!slices.ContainsFunc(sd.cand.Hosts, func(h []byte) bool { return bytes.Equal(h, at) }) {
		return nil
	}
	if sd.met == nil {
		sd.met = make(map[netip.AddrPort]bool)
	}
	sd.met[a] = true
	for _, p := range sd.slots {
		if !p.owed.IsZero() {
			p.owed = now
			out = append(out, ps.lookLocked(p, now)...)
		}
	}
	return out
}

// lookLocked does what is due of a pair, or comes by again when it may be done.
func (ps *pairs) lookLocked(p *pair, now time.Time) (out unsent) {
	if len(p.groups) == 0 {
		return nil
	}
	wait := time.Duration(0)
	if direct := p.isDirect(); direct != p.direct {
		if wait = tellAgain - now.Sub(p.told); wait <= 0 {
			p.direct, p.told = direct, now
			for g := range p.groups {
				g.pathChanged(p)
			}
		}
	}
	if p.punchIn(now) == 0 {
		out = ps.punchLocked(p, now)
	}
	wait = sooner(wait, p.punchIn(now))
	if at := now.Add(wait); wait > 0 && (p.later.IsZero() || at.Before(p.later)) {
		p.later = at
		time.AfterFunc(wait, func() { // it finds nothing to do when the pair has ended
			ps.mu.Lock()
			if p.later.Equal(at) {
				p.later = time.Time{}
			}
			out := ps.lookLocked(p, time.Now())
			ps.mu.Unlock()
			out.flush()
		})
	}
	return out
}

// punchIn is how long it is until the pair is to be told to look for a path;
// negative: it is not.
func (p *pair) punchIn(now time.Time) time.Duration {
	switch {
	case !p.mayPunch():
		return -1
	case p.due && p.news:
		return max(0, punchAgain-now.Sub(p.asked))
	case p.due:
		return max(0, punchTime-now.Sub(p.asked))
	case !p.owed.IsZero() && !p.direct:
		return max(0, p.owed.Sub(now))
	}
	return -1
}

// sooner of two waits, of which those that are not positive are none.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// punchLocked has both ends look for each other, at the same time, if both are
// seen and have told where else they are.
func (ps *pairs) punchLocked(p *pair, now time.Time) unsent {
	a, b := p.ends[0].side, p.ends[1].side
	seen := [2]netip.AddrPort{ps.observed(a.conn), ps.observed(b.conn)}
	if a.cand == nil || b.cand == nil || !seen[0].IsValid() || !seen[1].IsValid() {
		return nil
	}
	same := seen[0].Addr() == seen[1].Addr()
	var hosts [2]*wirepb.Candidates
	var held [2]bool
	news := p.due
	for i, e := range p.ends {
		hosts[i], held[i] = ps.candidates(e.side, seen[i], same, now)
		news = news || len(hosts[i].Hosts) > 0
	}
	p.due, p.news, p.owed = false, false, time.Time{}
	if held[0] || held[1] {
		p.owed = now.Add(probeAgain)
	}
	if !news { // only what was held back is due, and still is
		return nil
	}
	p.asked = now
	p.number++
	p.random = p.random || ps.birthday(a.cand, b.cand, seen, now)
	var rtt [2]time.Duration
	for i, e := range p.ends {
		rtt[i] = e.side.conn.BestRTT()
	}
	if rtt[0] == 0 || rtt[1] == 0 {
		rtt = [2]time.Duration{} // nobody knows who is farther away: nobody waits
	}
	farthest := min(max(rtt[0], rtt[1])/2, maxWait)
	for i, e := range p.ends {
		wait := max(0, farthest-rtt[i]/2)
		e.side.tell(wire.KindPunch, &wirepb.Punch{
			Slot: e.slot, Attempt: p.number, Peer: hosts[1-i], SamePublic: same,
			Reflexive: [][]byte{packet.AppendObserved(nil, seen[1-i])}, Wait: uint32(wait.Microseconds()), Birthday: p.random,
		})
	}
	return unsent{a.conn, b.conn}
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
	g.opt.Owner.Force(PathChanged{Group: g, A: p.ends[0].side.peer, B: p.ends[1].side.peer, Direct: p.direct, Reason: p.reason, RTT: p.rtt()})
}
