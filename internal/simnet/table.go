package simnet

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// table is the state of a NAT. It has neither clock nor sockets: it takes
// endpoints and a time and returns endpoints.
type table struct {
	nat NAT
	wan netip.Addr
	rng *rand.Rand

	mappings map[flow]*mapping             // by inner endpoint and what of the remote it depends on
	byOuter  map[netip.AddrPort][]*mapping // oldest first
	claimed  map[flow]time.Time            // outer endpoints lost to a remote by RemapTrap, and when
	next     int                           // of sequential ports
	given    map[uint16]bool               // ports given out since the last rebind
	shunned  map[uint16]bool               // ports given out before it
	sweepAt  int                           // mappings at which to look for dead ones
}

// flow is two endpoints that talk.
type flow struct{ local, remote netip.AddrPort }

type mapping struct {
	key          flow
	inner, outer netip.AddrPort
	used         time.Time
	allowed      map[netip.AddrPort]time.Time // remotes' parts that filtering knows, and when they were used
}

func newTable(c NAT, wan netip.Addr, rng *rand.Rand) *table {
	t := &table{nat: c, wan: wan, rng: rng, given: map[uint16]bool{}}
	t.next = t.randomPort()
	t.flush()
	return t
}

// flush forgets all flows, as a restart does.
func (t *table) flush() {
	t.mappings = map[flow]*mapping{}
	t.byOuter = map[netip.AddrPort][]*mapping{}
	t.claimed = map[flow]time.Time{}
	t.sweepAt = 64
}

// rebind is flush, and no port is given out again that was before.
func (t *table) rebind() {
	t.shunned, t.given = t.given, map[uint16]bool{}
	t.flush()
}

// translates reports whether an inner address gets an outer one.
func (t *table) translates(inner netip.Addr) bool {
	return !t.nat.Routed && inner.Is4() == t.wan.Is4()
}

// out is the outer source of a datagram from inner to remote.
func (t *table) out(inner, remote netip.AddrPort, now time.Time) (netip.AddrPort, Reason) {
	m := t.live(flow{inner, remote}, now) // its own mapping goes before a shared one
	if m == nil {
		m = t.live(t.key(inner, remote), now)
		if m != nil && t.taken(m.outer, inner, remote, now) {
			m = nil
		}
	}
	if m == nil {
		var why Reason
		if m, why = t.add(inner, remote, now); m == nil {
			return netip.AddrPort{}, why
		}
	}
	m.used = now
	m.allowed[t.nat.Filtering.part(remote)] = now
	return m.outer, none
}

// in is the inner destination of a datagram from remote to outer.
func (t *table) in(remote, outer netip.AddrPort, now time.Time) (netip.AddrPort, Reason) {
	why := LostNoMapping
	for _, m := range t.byOuter[outer] {
		if !t.fresh(m.used, now) {
			continue
		}
		why = LostFiltered
		part := t.nat.Filtering.part(remote)
		if !t.fresh(m.allowed[part], now) {
			continue
		}
		if t.nat.RefreshInbound {
			m.used, m.allowed[part] = now, now
		}
		return m.inner, none
	}
	if t.nat.RemapTrap {
		t.claimed[flow{outer, remote}] = now
	}
	return netip.AddrPort{}, why
}

// size is the number of live mappings.
func (t *table) size(now time.Time) int {
	t.sweep(now)
	return len(t.mappings)
}

func (t *table) key(inner, remote netip.AddrPort) flow {
	if !t.translates(inner.Addr()) {
		return flow{local: inner}
	}
	return flow{inner, t.nat.Mapping.part(remote)}
}

func (t *table) fresh(used, now time.Time) bool {
	return !used.IsZero() && now.Sub(used) < t.nat.Timeout
}

func (t *table) live(k flow, now time.Time) *mapping {
	m := t.mappings[k]
	if m != nil && !t.fresh(m.used, now) {
		t.remove(m)
		return nil
	}
	return m
}

// taken reports whether outer and remote are already somebody else's flow.
func (t *table) taken(outer, inner, remote netip.AddrPort, now time.Time) bool {
	if t.fresh(t.claimed[flow{outer, remote}], now) {
		return true
	}
	for _, m := range t.byOuter[outer] {
		if m.inner != inner && t.fresh(m.used, now) && t.fresh(m.allowed[t.nat.Filtering.part(remote)], now) {
			return true
		}
	}
	return false
}

// add makes a mapping for a new flow.
func (t *table) add(inner, remote netip.AddrPort, now time.Time) (*mapping, Reason) {
	if len(t.mappings) >= t.sweepAt {
		t.sweep(now)
		t.sweepAt = 64 + 2*len(t.mappings)
	}
	if limit := t.nat.MaxMappings; limit > 0 && len(t.mappings) >= limit && t.size(now) >= limit {
		return nil, LostTableFull
	}
	outer, ok := inner, true
	if t.translates(inner.Addr()) {
		outer, ok = t.allocate(inner, remote, now)
	}
	if !ok {
		return nil, LostTableFull
	}
	k := t.key(inner, remote)
	if t.mappings[k] != nil {
		k = flow{inner, remote} // the shared one cannot be used toward this remote
	}
	m := &mapping{key: k, inner: inner, outer: outer, allowed: map[netip.AddrPort]time.Time{}}
	t.mappings[k] = m
	t.byOuter[outer] = append(t.byOuter[outer], m)
	return m, none
}

func (t *table) allocate(inner, remote netip.AddrPort, now time.Time) (netip.AddrPort, bool) {
	for _, again := range []bool{false, true} { // ports from before a rebind only when there are no others
		if p, ok := t.choose(inner, remote, now, again); ok {
			t.given[p] = true
			return netip.AddrPortFrom(t.wan, p), true
		}
	}
	return netip.AddrPort{}, false
}

func (t *table) choose(inner, remote netip.AddrPort, now time.Time, again bool) (uint16, bool) {
	usable := func(p uint16) bool {
		return (again || !t.shunned[p]) && t.free(netip.AddrPortFrom(t.wan, p), inner, remote, now)
	}
	p := inner.Port()
	if t.nat.Ports == PreservedPorts && p >= t.nat.FirstPort && p <= t.nat.LastPort && usable(p) {
		return p, true
	}
	first, step := t.randomPort(), 1
	if t.nat.Ports == SequentialPorts {
		first, step = t.next, t.nat.Step
	}
	for i := range t.ports() {
		p := t.wrap(first + i*step)
		if usable(uint16(p)) {
			t.next = t.wrap(p + step)
			return uint16(p), true
		}
	}
	return 0, false
}

// free reports whether a new flow may have the outer endpoint.
func (t *table) free(outer, inner, remote netip.AddrPort, now time.Time) bool {
	if t.taken(outer, inner, remote, now) {
		return false
	}
	return t.nat.SharedPorts || !slices.ContainsFunc(t.byOuter[outer], func(m *mapping) bool { return t.fresh(m.used, now) })
}

func (t *table) ports() int      { return int(t.nat.LastPort) - int(t.nat.FirstPort) + 1 }
func (t *table) wrap(p int) int  { return int(t.nat.FirstPort) + (p-int(t.nat.FirstPort))%t.ports() }
func (t *table) randomPort() int { return int(t.nat.FirstPort) + t.rng.IntN(t.ports()) }

func (t *table) remove(m *mapping) {
	delete(t.mappings, m.key)
	others := slices.DeleteFunc(t.byOuter[m.outer], func(o *mapping) bool { return o == m })
	if len(others) == 0 {
		delete(t.byOuter, m.outer)
		return
	}
	t.byOuter[m.outer] = others
}

// sweep removes what has timed out.
func (t *table) sweep(now time.Time) {
	for _, m := range t.mappings {
		if !t.fresh(m.used, now) {
			t.remove(m)
			continue
		}
		for part, used := range m.allowed {
			if !t.fresh(used, now) {
				delete(m.allowed, part)
			}
		}
	}
	for f, used := range t.claimed {
		if !t.fresh(used, now) {
			delete(t.claimed, f)
		}
	}
}
