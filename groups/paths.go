package groups

import (
	"cmp"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Traffic counts packets and their bytes, seal and all.
type Traffic = session.Traffic

// PathInfo is what the server knows of the way between two members, by its own
// measure and by the word of both.
type PathInfo struct {
	A, B     *peers.Peer     // the lower id first
	State    wire.PathState  // direct: both send directly; in doubt: so they did until now
	Reason   wire.PathReason // of the last change of State
	Since    time.Time       // of that, or of the pair's beginning
	Switches int             // between relayed and direct
	RTT      time.Duration   // of the direct path as the slower end measures it; else by the server; 0 while unknown
	Loss     float64         // share of packets that got lost lately, from 0 to 1, as the worse end sees it
	Relayed  Traffic         // between the two, by the server, since the pair's beginning
	Direct   Traffic         // sent past it, as both have said last
}

// Paths iterates over the pairs of members, as they stand at the call, in the
// order of their ids. It may be called from any goroutine, and costs a little for
// each pair: ask every second rather than for every message.
//
// Members that have no pair are left out, since the server knows the way that
// their messages take: its own. These are members without UDP, those of a Quiet
// group, and those that join one of 64.
func (g *Group) Paths() iter.Seq[PathInfo] {
	ps := &g.home.pairs
	var all []PathInfo
	ps.mu.Lock()
	for _, s := range g.view.Load().seats {
		sd, _ := s.conn.Pairer().(*side)
		if sd == nil {
			continue
		}
		for _, p := range sd.slots {
			if p.ends[0].side == sd && p.groups[g] { // once
				all = append(all, p.info())
			}
		}
	}
	ps.mu.Unlock()
	slices.SortFunc(all, func(a, b PathInfo) int {
		return cmp.Or(cmp.Compare(a.A.ID(), b.A.ID()), cmp.Compare(a.B.ID(), b.B.ID()))
	})
	return slices.Values(all)
}

// Path is the way between two members; ok is false when they are no pair.
func (g *Group) Path(a, b wire.ID) (info PathInfo, ok bool) {
	ps := &g.home.pairs
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.pairs[coupleOf(a, b)]
	if p == nil || !p.groups[g] {
		return PathInfo{}, false
	}
	return p.info(), true
}

// info needs the pairs' lock.
func (p *pair) info() PathInfo {
	a, b := &p.ends[0], &p.ends[1]
	i := PathInfo{
		A: a.side.peer, B: b.side.peer,
		State: p.state(), Reason: p.reason, Since: p.since, Switches: p.switches,
		RTT: p.rtt(), Loss: max(a.loss, b.loss),
	}
	for _, e := range p.ends {
		i.Relayed.Packets += e.meter.packets.Load()
		i.Relayed.Bytes += e.meter.bytes.Load()
		i.Direct.Packets += e.sent.Packets
		i.Direct.Bytes += e.sent.Bytes
	}
	return i
}

// state is what both ends' words come to.
func (p *pair) state() wire.PathState {
	a, b := p.ends[0].state, p.ends[1].state
	switch {
	case a == wire.PathDirect && b == wire.PathDirect:
		return wire.PathDirect
	case a >= wire.PathDirect && b >= wire.PathDirect:
		return wire.PathInDoubt
	case a == wire.PathLooking || b == wire.PathLooking:
		return wire.PathLooking
	}
	return wire.PathRelayed
}

// isDirect reports whether both ends send directly, be it that they send by the
// relay besides.
func (p *pair) isDirect() bool { return p.state() >= wire.PathDirect }

// rtt is that of the way in use.
func (p *pair) rtt() time.Duration {
	a, b := &p.ends[0], &p.ends[1]
	if p.isDirect() {
		return max(a.rtt, b.rtt)
	}
	return p.relayRTT()
}

// relayRTT is that of the way by the server, 0 while unknown.
func (p *pair) relayRTT() time.Duration {
	a, _ := p.ends[0].side.conn.RTT()
	b, _ := p.ends[1].side.conn.RTT()
	if a == 0 || b == 0 {
		return 0
	}
	return a + b
}

// charge has the oldest of the pair's groups pay for what is relayed.
func (p *pair) charge() {
	var payer *Group
	for g := range p.groups {
		if payer == nil || g.id < payer.id {
			payer = g
		}
	}
	if payer != nil {
		p.ends[0].meter.payer.Store(&payer.budget)
		p.ends[1].meter.payer.Store(&payer.budget)
	}
}

// note takes one end's word of the path.
func (p *pair) note(e *end, m *wirepb.PairPath, now time.Time) {
	before, direct := p.state(), p.isDirect()
	e.state, e.rtt = wire.PathState(m.State), time.Duration(m.Rtt)*time.Microsecond
	e.loss, e.sent = float64(min(m.Loss, 1000))/1000, Traffic{Packets: m.Packets, Bytes: m.Bytes}
	if p.state() != before {
		p.reason, p.since = wire.PathReason(min(m.Reason, 255)), now
	}
	if p.isDirect() != direct {
		p.switches++
	}
}

// meter counts what is relayed for one end of a pair, at the cost of a group that
// has the pair.
type meter struct {
	packets, bytes atomic.Uint64
	payer          atomic.Pointer[budget]
}

// Relay implements session.Meter.
func (m *meter) Relay(n int, class wire.Class, now time.Time) bool {
	if b := m.payer.Load(); b != nil && !b.relay(n, class, now) {
		return false
	}
	m.packets.Add(1)
	m.bytes.Add(uint64(n))
	return true
}
