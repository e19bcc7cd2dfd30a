package groups

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// What a client says of its addresses is not proven: they may be somebody
// else's, whom the other end of each of its pairs would send probes to. So each
// is handed out to one pair in probeAgain, which is good for one attempt: 30
// probes of 64 bytes, and less than 2 KiB in that time.
const probeAgain = 10 * time.Second

// tryAgain is how long an address is left in peace whose ports have been tried at
// random: 128 KiB of packets that nobody may take.
const tryAgain = 10 * time.Minute

// maxGlobal is how many of a client's public IPv6 addresses are handed out.
const maxGlobal = 2

// ledger knows when addresses were handed out last, by what a victim could be
// reached at: an IPv6 network, or a private address behind a public one.
type ledger struct {
	again time.Duration // until an address may be handed out again
	last  map[place]time.Time
	swept time.Time
}

type place struct {
	behind netip.Addr // the client's public address; zero for global ones
	at     netip.Prefix
}

// take reports whether an address may be handed out now, and notes that it is.
func (l *ledger) take(at place, now time.Time) bool {
	if last, ok := l.last[at]; ok && now.Sub(last) < l.again {
		return false
	}
	if l.last == nil || now.Sub(l.swept) > l.again {
		for k, t := range l.last {
			if now.Sub(t) >= l.again {
				delete(l.last, k)
			}
		}
		l.swept = now
	}
	if l.last == nil {
		l.last = make(map[place]time.Time)
	}
	l.last[at] = now
	return true
}

// birthday reports whether the ends may try ports at random: both want to, and
// one end's NAT gives every destination another port while the other's does not.
func (ps *pairs) birthday(a, b *wirepb.Candidates, seen [2]netip.AddrPort, now time.Time) bool {
	independent, random := uint32(link.Independent), uint32(link.Random)
	victim := seen[0]
	switch {
	case !a.Birthday || !b.Birthday:
		return false
	case a.Mapping == independent && b.Mapping == random:
		victim = seen[1]
	case a.Mapping != random || b.Mapping != independent:
		return false
	}
	at := netip.PrefixFrom(victim.Addr(), 64)
	if victim.Addr().Is4() {
		at = netip.PrefixFrom(victim.Addr(), 32)
	}
	return ps.tried.take(place{at: at.Masked()}, now)
}

// candidates are a client's candidates as another may know them, who is seen at
// the same public address or not. The address that the server sees is proven and
// goes beside them. held says that some have been handed out to others just now.
func (ps *pairs) candidates(sd *side, seen netip.AddrPort, same bool, now time.Time) (out *wirepb.Candidates, held bool) {
	c := sd.cand
	out = &wirepb.Candidates{Mapping: c.Mapping, Last: c.Last, Delta: c.Delta}
	global := 0
	taken := make(map[place]bool) // by this call: two addresses of one network are one victim's
	for _, h := range c.Hosts {
		a, err := packet.ParseObserved(h)
		if err != nil || len(h) != packet.ObservedSize || a == seen || !reachable(a) {
			continue
		}
		at := place{at: netip.PrefixFrom(a.Addr(), 64).Masked()}
		switch {
		case !link.Near(a.Addr()) && (a.Addr().Is4() || global == maxGlobal): // an IPv4 address out there is proven or nobody's
			continue
		case !link.Near(a.Addr()):
			global++
		case !same:
			continue
		case a.Addr().Is4():
			at = place{behind: seen.Addr(), at: netip.PrefixFrom(a.Addr(), 32)}
		default:
			at.behind = seen.Addr()
		}
		if sd.met[a] {
			out.Hosts = append(out.Hosts, h)
			continue
		}
		if taken[at] {
			continue
		}
		taken[at] = true
		if !ps.spent.take(at, now) {
			held = true
			continue
		}
		out.Hosts = append(out.Hosts, h)
	}
	return out, held
}

func parseCandidates(body []byte) (*wirepb.Candidates, error) {
	m := new(wirepb.Candidates)
	if err := wire.Unmarshal(body, m); err != nil || len(m.Hosts) > maxHosts || m.Mapping > 4 {
		return nil, &peers.CloseError{Code: wire.CodeProtocol, Text: "no candidates"}
	}
	return m, nil
}

// sameCandidates reports whether a client is where it was. Counting ports go on
// counting, which is no reason to look again.
func sameCandidates(a, b *wirepb.Candidates) bool {
	return b != nil && a.Mapping == b.Mapping && a.RelayOnly == b.RelayOnly && a.Birthday == b.Birthday &&
		slices.EqualFunc(a.Hosts, b.Hosts, bytes.Equal)
}

// embedding are IPv6 networks whose addresses stand for IPv4 ones: NAT64, 6to4
// and Teredo.
var embedding = []netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
}

// reachable reports whether an address can be a client's at all.
func reachable(a netip.AddrPort) bool {
	ip := a.Addr()
	if a.Port() < 1024 || !ip.IsGlobalUnicast() { // neither loopback nor link-local nor multicast
		return false
	}
	for _, p := range embedding {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
