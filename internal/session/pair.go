package session

import (
	"crypto/rand"
	"net/netip"
	"time"

	path "github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// pairWindow is the replay window of pairs, whose packets take two ways.
const pairWindow = 4096

// maxPairBody is the largest body of a pair's packet: one that the server relays
// travels in another packet.
const maxPairBody = packet.MaxBody - packet.FrameHeaderSize - relayHeader - packet.Overhead

// maxBody is the largest body of the link's packets.
func (l *Link) maxBody() int {
	if l.pair != nil {
		return maxPairBody
	}
	return packet.MaxBody
}

// probeSize is what a probe is padded to.
const probeSize = 64

// pair is what a link has that joins two clients: no address of its own, but a
// way through the server and, where one has been found, a direct one. It is
// guarded by its link's mu.
//
// The path is below the reliability: the same sealed packets go by whatever way
// there is, so a change of it loses and reorders nothing reliable.
type pair struct {
	by       *Session // whose server relays
	slot     uint32
	path     *path.Link
	told     func(path.Event) // of changes; called without a lock
	spread   func(sockets int, target netip.AddrPort)
	deaf     bool         // probes are not answered: this end is to stay unseen
	events   []path.Event // to be told
	telling  bool         // a goroutine is telling them
	answers  []answer     // to probes, for the next send
	probes   []probe      // for the next send
	stepping time.Time    // when the wheel comes by for path; zero: it does not
	asked    time.Time    // when the round trip by the relay was, last
	gauge    gauge        // of what the other end sends
	early    int          // bytes of messages that came before Start, and wait for it
	direct   Traffic      // sent
}

// Traffic counts packets and what they hold.
type Traffic struct {
	Packets, Bytes uint64
}

// askRelay is how often the round trip by the relay is measured while that is in
// use.
const askRelay = 5 * time.Second

// answer is a Response on its way to where the Challenge came from.
type answer struct {
	to    netip.AddrPort
	nonce [nonceSize]byte
}

// probe is a Challenge.
type probe answer

// PairConfig is what joins two clients.
type PairConfig struct {
	Secret     packet.Secret
	Key        uint64
	Self, Peer packet.ID
	Higher     bool   // this end's role
	Slot       uint32 // in the session's table
	Path       path.Config
	Info       path.Info        // of this end
	RelayOnly  bool             // no direct path is sought, and who knows this end's address gets no answer there
	Changed    func(path.Event) // told of the path, in order; it must not block

	// Spread opens so many sockets, and sends a Probe to target from each; what
	// comes there is for Input. It must not block.
	Spread func(sockets int, target netip.AddrPort)
}

// NewPair makes the session of a pair: everything that is sent in it goes to the
// other client, sealed for it, by the endpoint or by s. id is that client's. It
// belongs to the caller, as other sessions do.
func (s *Session) NewPair(id wire.ID, env *Env, e *Endpoint, cfg PairConfig) (*Session, error) {
	crypt, err := newCrypt(&cfg.Secret, "pair", cfg.Key, cfg.Higher, pairWindow)
	if err != nil {
		return nil, err
	}
	l := newLink(e, env, crypt, cfg.Self, cfg.Peer)
	l.pair = &pair{by: s, slot: cfg.Slot, deaf: cfg.RelayOnly, told: cfg.Changed, spread: cfg.Spread, path: path.New(cfg.Path, cfg.Info, func() (n [8]byte) {
		rand.Read(n[:]) // never fails
		return n
	})}
	ps := NewDatagram(id, l, env, false)
	s.setRelay(cfg.Slot, relayTarget{pair: l})
	return ps, nil
}

// carry sends a sealed packet of the pair by whatever way there is. The caller
// holds mu.
func (l *Link) carry(k *packer, sealed []byte) {
	to, direct, relay := l.pair.path.Route()
	if direct {
		l.pair.direct.Packets++
		l.pair.direct.Bytes += uint64(len(sealed))
		k.tx.commit(sealed, to, netip.Addr{})
		if k.twice {
			k.tx.again(sealed, to, netip.Addr{}, k.now)
		}
	}
	if relay {
		l.pair.by.relay(l.pair.slot, k.class, sealed)
		if !direct && k.now.Sub(l.pair.asked) >= askRelay {
			l.pair.asked = k.now
			l.ask(k.now) // an answer is not needed
		}
	}
	if l.pair.path.Sent(k.now) {
		l.step(k.now)
	}
}

// maxEarly is how many bytes of what need not arrive wait for the Start of a pair.
const maxEarly = 64 << 10

// early reports whether a message may wait for the Start of a pair: its other end
// has been told of this one earlier. The caller holds mu.
func (l *Link) early(n int) bool {
	if l.pair == nil || l.s.dg.Load().ready.Load() || l.pair.early+n > maxEarly {
		return false
	}
	l.pair.early += n
	return true
}

// receiveRelayed takes a packet of the pair that the server has relayed.
func (l *Link) receiveRelayed(p []byte, now time.Time) bool {
	return l.receive(p, netip.AddrPort{}, netip.Addr{}, now)
}

// Punch has the pair look for a direct path, on the server's word.
func (s *Session) Punch(self, peer path.Info, wait time.Duration) {
	l := s.dg.Load().link.Load()
	now := time.Now()
	l.mu.Lock()
	if !l.over && !l.pair.deaf {
		l.pair.path.Know(self)
		l.pair.path.Start(now, peer, wait)
		l.step(now)
	}
	l.mu.Unlock()
	l.e.tx.run()
}

// NetworkChanged tells that this end's socket or addresses are others now.
func (s *Session) NetworkChanged(self path.Info) {
	l := s.dg.Load().link.Load()
	now := time.Now()
	l.mu.Lock()
	if !l.over {
		l.pair.path.NetworkChanged(now, self)
		l.step(now)
	}
	l.mu.Unlock()
	l.e.tx.run()
}

// PairPath is how a pair's packets go.
type PairPath struct {
	State  path.State
	RTT    time.Duration // of the direct path, or by the relay; 0 while it has not been measured
	Lost   float64       // share of the other end's packets, lately
	Direct Traffic       // sent directly since the beginning
}

// Path is how the pair's packets go now.
func (s *Session) Path() PairPath {
	l := s.dg.Load().link.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := PairPath{State: l.pair.path.State(), Lost: l.pair.gauge.lost, Direct: l.pair.direct}
	if p.State == path.Direct || p.State == path.Both {
		p.RTT = l.pair.path.RTT()
	} else {
		p.RTT = time.Duration(l.clock.rtt.Load())
	}
	return p
}

// Probe is a packet that looks for an address, for a socket of the caller's. Its
// answer proves nothing: the path's own probes follow where it was heard.
func (s *Session) Probe() []byte {
	l := s.dg.Load().link.Load()
	var nonce [nonceSize]byte
	rand.Read(nonce[:]) // never fails
	l.mu.Lock()
	defer l.mu.Unlock()
	p := packet.AppendFrame(make([]byte, packet.HeaderSize, probeSize), packet.FrameChallenge, nonce[:])
	return l.crypt.Seal(packet.Pad(p, probeSize-packet.TagSize), l.peer)
}

// Input takes a packet of the pair that has come by a socket of the caller's; used
// is called if it is authentic, before it is answered.
func (s *Session) Input(p []byte, from netip.AddrPort, used func()) {
	l := s.dg.Load().link.Load()
	if l.receive(p, from, netip.Addr{}, time.Now()) {
		used()
		l.pump(nil)
	}
	l.e.tx.run()
}

// PathStats is what finding and watching the path has cost.
func (s *Session) PathStats() path.Stats {
	l := s.dg.Load().link.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pair.path.Stats()
}

// step does what the path has due, and has the wheel come by for the rest.
func (l *Link) step(now time.Time) {
	p := l.pair
	out := p.path.Step(now, func(to netip.AddrPort, nonce [8]byte) bool {
		p.probes = append(p.probes, probe{to, nonce})
		return true
	})
	if len(p.probes) > 0 {
		l.urge()
	}
	if out.Sockets > 0 && p.spread != nil {
		p.spread(out.Sockets, out.Target)
	}
	for _, e := range out.Events {
		if e.From < path.Direct || e.To < path.Direct { // one that is in doubt, or no longer, is the same
			p.gauge.changed(now)
		}
	}
	if len(out.Events) > 0 {
		p.events = append(p.events, out.Events...)
		if !p.telling {
			p.telling = true
			l.e.wg.Go(l.tell) // ended by itself; the owner may want to send
		}
	}
	if due := p.path.Due(); !due.IsZero() && (p.stepping.IsZero() || due.Before(p.stepping)) {
		p.stepping = due
		l.e.steps.add(l, due)
	}
}

// stepped is the visit of the wheel for that.
func (l *Link) stepped(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.pair.stepping.After(now) { // it comes by again: this visit was overtaken, and would be one more for ever
		return
	}
	l.pair.stepping = time.Time{}
	l.step(now)
}

// tell tells the owner of the path's changes, in order: one goroutine at a time.
func (l *Link) tell() {
	for {
		l.mu.Lock()
		events := l.pair.events
		l.pair.events = nil
		l.pair.telling = len(events) > 0
		l.mu.Unlock()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			if l.pair.told != nil {
				l.pair.told(e)
			}
		}
	}
}

// probed takes a probe, which has come directly where from is valid.
func (l *Link) probed(nonce [nonceSize]byte, from netip.AddrPort, now time.Time) {
	if !from.IsValid() || l.pair.deaf {
		return
	}
	l.pair.answers = append(l.pair.answers, answer{from, nonce})
	l.pair.path.Challenged(now, from)
	l.step(now)
	l.urge()
}

// echoed takes the answer to one.
func (l *Link) echoed(body []byte, now time.Time) {
	var m packet.Response
	if m.Parse(body) != nil {
		return
	}
	relay := time.Duration(0) // unknown
	if own, _ := l.pair.by.RTT(); own > 0 && m.Server > 0 {
		relay = own + time.Duration(m.Server)*time.Microsecond
	}
	l.pair.path.RelayRTT(relay)
	l.pair.path.Answered(now, m.Nonce, m.Observed)
	l.step(now)
}

// sendProbes sends probes and answers, each to an address of its own.
func (l *Link) sendProbes(k *packer) {
	p := l.pair
	server, _ := p.by.RTT()
	for _, a := range p.answers {
		m := packet.Response{Nonce: a.nonce, Observed: a.to, Server: uint32(server.Microseconds())}
		k.probe(packet.FrameResponse, m.Append(nil), a.to)
	}
	for _, b := range p.probes {
		k.probe(packet.FrameChallenge, b.nonce[:], b.to)
	}
	p.answers, p.probes = p.answers[:0], p.probes[:0]
}

// probe sends a frame alone to an address, padded to what all probes have.
func (k *packer) probe(t packet.FrameType, body []byte, to netip.AddrPort) {
	k.close()
	k.p = packet.AppendFrame(k.tx.slot()[:packet.HeaderSize], t, body)
	k.p = packet.Pad(k.p, max(len(k.p), probeSize-packet.TagSize))
	if sealed := k.l.crypt.Seal(k.p, k.l.peer); sealed != nil {
		k.tx.commit(sealed, to, netip.Addr{})
	}
	k.p = nil
}
