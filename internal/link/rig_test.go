package link

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// probing is a probe that a Link under test has sent.
type probing struct {
	at    time.Duration
	to    netip.AddrPort
	nonce [8]byte
}

// rig drives one Link by virtual time; the test is the peer.
type rig struct {
	*Link
	t      *testing.T
	start  time.Time
	now    time.Duration
	sent   []probing
	events []Event
	ask    Output
	refuse bool
	count  uint64
}

func newRig(t *testing.T, cfg Config, self Info) *rig {
	r := &rig{t: t, start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.Link = New(cfg, self, func() (n [8]byte) {
		r.count++
		binary.BigEndian.PutUint64(n[:], r.count*0x9E3779B97F4A7C15)
		return n
	})
	return r
}

func (r *rig) clock() time.Time { return r.start.Add(r.now) }

// run steps whenever something is due, until a time.
func (r *rig) run(until time.Duration) {
	r.t.Helper()
	for range 1_000_000 {
		due := r.Due()
		if due.IsZero() || due.Sub(r.start) > until {
			r.now = until
			return
		}
		r.now = max(r.now, due.Sub(r.start))
		r.step()
	}
	r.t.Fatalf("steps without end at %v", r.now)
}

func (r *rig) step() {
	out := r.Step(r.clock(), func(to netip.AddrPort, nonce [8]byte) bool {
		r.sent = append(r.sent, probing{r.now, to, nonce})
		return !r.refuse
	})
	r.events = append(r.events, out.Events...)
	if out.Sockets > 0 {
		r.ask = out
	}
	if to, direct, relay := r.Route(); !direct && !relay || direct != to.IsValid() {
		r.t.Fatalf("route %v, %v, %v in %v", to, direct, relay, r.State())
	}
}

// answer echoes the newest probe to an address.
func (r *rig) answer(to netip.AddrPort) {
	r.t.Helper()
	for _, p := range slices.Backward(r.sent) {
		if p.to == to {
			r.Answered(r.clock(), p.nonce, addr("198.51.100.9:9999"))
			return
		}
	}
	r.t.Fatalf("nothing sent to %v", to)
}

// echo runs until a time and answers all that is sent to an address after a
// round trip.
func (r *rig) echo(to netip.AddrPort, rtt, until time.Duration) {
	r.t.Helper()
	for next := len(r.sent); ; next++ {
		for next == len(r.sent) || r.sent[next].to != to {
			if next < len(r.sent) {
				next++
				continue
			}
			due := r.Due()
			if due.IsZero() || due.Sub(r.start) > until {
				r.run(until)
				return
			}
			r.run(due.Sub(r.start))
		}
		if p := r.sent[next]; p.at+rtt <= until {
			r.run(p.at + rtt)
			r.Answered(r.clock(), p.nonce, netip.AddrPort{})
		}
	}
}

// direct brings the Link to a path with a round trip time of 40 ms.
func (r *rig) direct(peer Info) {
	r.t.Helper()
	r.Start(r.clock(), peer, 0)
	r.step()
	at := r.now
	r.run(at + 40*time.Millisecond)
	first := slices.IndexFunc(r.sent, func(p probing) bool { return p.at == at && p.to == unmap(peer.Reflexive[0]) })
	r.Answered(r.clock(), r.sent[first].nonce, netip.AddrPort{})
	r.PeerDirect()
	r.step()
	if r.State() != Direct {
		r.t.Fatalf("%v, want direct", r.State())
	}
}

// to counts the probes to an address in a span of time.
func (r *rig) to(a netip.AddrPort, from, until time.Duration) (n int) {
	for _, p := range r.sent {
		if p.to == a && p.at >= from && p.at < until {
			n++
		}
	}
	return n
}

// changes lists the events as "from-to why".
func (r *rig) changes() (all []string) {
	for _, e := range r.events {
		all = append(all, e.From.String()+"-"+e.To.String()+" "+e.Reason.String())
	}
	return all
}

func (r *rig) want(changes ...string) {
	r.t.Helper()
	if got := r.changes(); !slices.Equal(got, changes) {
		r.t.Fatalf("events\n%q, want\n%q", got, changes)
	}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func addrs(all ...string) (a []netip.AddrPort) {
	for _, s := range all {
		a = append(a, addr(s))
	}
	return a
}

// far is a peer behind a NAT with one outer port.
func far() Info { return Info{Reflexive: addrs("203.0.113.5:5000"), Mapping: Independent} }

var farAddr = addr("203.0.113.5:5000")

const ms = time.Millisecond
