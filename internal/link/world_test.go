package link

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// world is a pure model of two ends, their NATs and the ways between them.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	start  time.Time
	now    time.Duration
	queue  events
	seq    int
	ends   [2]*end
	loss   float64
	lo, hi time.Duration // delay of a packet, one way
	cut    [2]bool       // from an end, directly
	calm   bool          // data has ended for good
}

// end is one, with what is known of it for the assertions.
type end struct {
	w     *world
	i     int
	link  *Link
	nat   natModel
	wake  int // the newest timer
	data  bool
	pings map[[8]byte]netip.AddrPort // own nonces, and where they were sent
	back  map[netip.AddrPort]bool    // addresses that one came back for

	direct  time.Duration // first became Direct; negative if not yet
	changes []Event
	probes  int
	perAddr map[netip.AddrPort]int // not yet proven, in one attempt
	attempt int
	second  int // probes in the second at hand
	at      time.Duration
}

// natModel maps and filters by simple rules; an entry lives 30 s after sending.
type natModel struct {
	ip      netip.Addr
	kind    string // eim, seq, rnd, blocked
	filter  string // eif, adf, apdf
	port    uint16
	mapping map[netip.AddrPort]uint16
	sent    map[flow]time.Duration
}

type flow struct {
	port   uint16
	remote netip.AddrPort
}

const entryLife = 30 * time.Second

func (n *natModel) out(w *world, to netip.AddrPort) netip.AddrPort {
	key := to
	if n.kind == "eim" {
		key = netip.AddrPort{}
	}
	p, ok := n.mapping[key]
	if live := n.sent[flow{p, to}]; n.kind != "eim" && ok && w.now-live > entryLife {
		ok = false
	}
	if !ok {
		switch n.kind {
		case "rnd":
			p = uint16(1024 + w.rng.IntN(64512))
		default:
			n.port++
			p = n.port
		}
		n.mapping[key] = p
	}
	n.sent[flow{p, to}] = w.now
	return netip.AddrPortFrom(n.ip, p)
}

func (n *natModel) lets(w *world, port uint16, from netip.AddrPort) bool {
	for f, at := range n.sent {
		if f.port == port && w.now-at <= entryLife &&
			(n.filter == "eif" || f.remote == from || n.filter == "adf" && f.remote.Addr() == from.Addr()) {
			return true
		}
	}
	return false
}

// rebind forgets all mappings; new ones have other ports.
func (n *natModel) rebind(w *world) {
	n.port = uint16(20000 + w.rng.IntN(20000))
	clear(n.mapping)
	clear(n.sent)
}

var serverAddr = netip.MustParseAddrPort("203.0.113.1:3478")

// info is what the server tells of an end: it asks for its address now.
func (e *end) info() Info {
	n := &e.nat
	if n.kind == "blocked" {
		return Info{Mapping: Blocked}
	}
	a := n.out(e.w, serverAddr)
	m := map[string]Mapping{"eim": Independent, "seq": Sequential, "rnd": Random}[n.kind]
	return Info{Reflexive: []netip.AddrPort{a}, Mapping: m, Last: a.Port(), Delta: 1}
}

func newWorld(t *testing.T, seed uint64, a, b natModel) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), lo: 20 * ms, hi: 20 * ms}
	for i, n := range []natModel{a, b} {
		n.ip = netip.AddrFrom4([4]byte{198, 51, 100, byte(7 + i)})
		n.mapping, n.sent = map[netip.AddrPort]uint16{}, map[flow]time.Duration{}
		n.port = uint16(10000 + w.rng.IntN(10000))
		e := &end{w: w, i: i, nat: n, direct: -1, pings: map[[8]byte]netip.AddrPort{}, back: map[netip.AddrPort]bool{}, perAddr: map[netip.AddrPort]int{}}
		e.link = New(Config{}, e.info(), func() (n [8]byte) {
			binary.BigEndian.PutUint64(n[:], w.rng.Uint64())
			return n
		})
		w.ends[i] = e
	}
	return w
}

func (w *world) clock() time.Time { return w.start.Add(w.now) }

// startBoth is the server's word to both, with a skew of the second.
func (w *world) startBoth(skew time.Duration) {
	infos := [2]Info{w.ends[1].info(), w.ends[0].info()}
	for i, e := range w.ends {
		e.link.Start(w.clock(), infos[i], time.Duration(i)*skew)
		e.step()
	}
}

// step does what is due at an end and sets its timer.
func (e *end) step() {
	w := e.w
	for i := 0; ; i++ {
		due := e.link.Due()
		if due.IsZero() {
			return
		}
		if due.After(w.clock()) {
			e.wake++
			wake := e.wake
			w.after(due.Sub(w.clock()), func() {
				if wake == e.wake {
					e.step()
				}
			})
			return
		}
		if i > 100 {
			w.t.Fatalf("steps without end at %v", w.now)
		}
		out := e.link.Step(w.clock(), e.send)
		for _, c := range out.Events {
			e.changed(c)
		}
		e.routes()
	}
}

func (e *end) changed(c Event) {
	e.changes = append(e.changes, c)
	if c.To == Direct {
		if !e.back[c.Path] {
			e.w.t.Fatalf("end %d is direct to %v that no nonce came back for", e.i, c.Path)
		}
		if e.direct < 0 {
			e.direct = e.w.now
		}
	}
	if c.To == Punching {
		peer := e.w.ends[1-e.i]
		e.w.after(50*ms, func() { peer.link.Invited(e.w.clock()); peer.step() })
	}
}

func (e *end) routes() {
	to, direct, relay := e.link.Route()
	if !direct && !relay || direct && !e.back[to] {
		e.w.t.Fatalf("end %d: route %v, %v, %v in %v", e.i, to, direct, relay, e.link.State())
	}
}

// send is a probe of the Link's.
func (e *end) send(to netip.AddrPort, nonce [8]byte) bool {
	w := e.w
	e.probes++
	if e.at != w.now/time.Second {
		e.at, e.second = w.now/time.Second, 0
	}
	if e.second++; e.second > 600 {
		w.t.Fatalf("end %d: over 600 probes in a second", e.i)
	}
	if n := e.link.Stats().Attempts; n != e.attempt {
		e.attempt = n
		clear(e.perAddr)
	}
	if !e.back[to] {
		if e.perAddr[to]++; e.perAddr[to] > 30 {
			w.t.Fatalf("end %d: over 30 probes to %v in an attempt", e.i, to)
		}
	}
	e.pings[nonce] = to
	w.send(e, to, func(peer *end, from netip.AddrPort) {
		w.send(peer, from, func(_ *end, _ netip.AddrPort) { // the answer, to wherever it came from
			e.back[e.pings[nonce]] = true
			e.link.Answered(w.clock(), nonce, from)
		})
		peer.link.Challenged(w.clock(), from)
	})
	return true
}

// send takes a packet of an end's through both NATs.
func (w *world) send(e *end, to netip.AddrPort, deliver func(peer *end, from netip.AddrPort)) {
	if e.nat.kind == "blocked" {
		return
	}
	from := e.nat.out(w, to)
	peer := w.ends[1-e.i]
	if w.cut[e.i] || w.rng.Float64() < w.loss || to.Addr() != peer.nat.ip || peer.nat.kind == "blocked" {
		return
	}
	delay := w.lo + time.Duration(w.rng.Int64N(int64(w.hi-w.lo)+1))
	w.after(delay, func() {
		if peer.nat.lets(w, to.Port(), from) {
			deliver(peer, from)
			peer.step()
		}
	})
}

// flow sends data of an end every 50 ms while it is to.
func (e *end) flow() {
	w := e.w
	if w.calm {
		return
	}
	if !e.data {
		w.after(500*ms, e.flow)
		return
	}
	e.link.Sent(w.clock())
	if to, direct, _ := e.link.Route(); direct {
		w.send(e, to, func(peer *end, _ netip.AddrPort) {
			peer.link.Heard(w.clock())
			peer.link.PeerDirect()
		})
	}
	e.step()
	w.after(50*ms, e.flow)
}

func (w *world) after(d time.Duration, f func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + d, w.seq, f})
}

func (w *world) run(until time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	*q = (*q)[:last]
	return e
}
