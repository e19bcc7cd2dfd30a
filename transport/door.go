package transport

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
)

// What strangers may cost by UDP.
const (
	maxShakes  = 1024             // handshakes at once
	maxBygone  = 1 << 14          // keys of handshakes that are over; more than shakeRate lets begin in bygoneTime
	bygoneTime = 20 * time.Second // as long as a cookie is good
)

var (
	helloRate = session.Rate{PerSecond: 20000, Burst: 2000} // HELLOs that are answered, at either port
	shakeRate = session.Rate{PerSecond: 500, Burst: 500}    // handshakes that are begun
)

// door is what strangers meet at a UDP listener. Until an address is proven it
// keeps nothing of it, and sends it less than it got.
type door struct {
	// set once
	l          *datagramListener
	bakery     *packet.Bakery
	secondPort uint16

	// the endpoint's reader's
	hellos session.Bucket
	shakes session.Bucket
	out    []byte // a message under way

	// the second port's reader's
	secondHellos session.Bucket
	secondOut    []byte

	shut atomic.Bool // nobody new is answered any more

	hellosAnswered, excess, unknown, malformed atomic.Uint64

	mu     sync.Mutex
	under  map[shakeKey]*shake    // handshakes
	bygone map[shakeKey]time.Time // those that are over, lest late packets begin them again: when they began
	offers map[packet.ID]*offer
}

// shakeKey is what the packets of a handshake have in common.
type shakeKey struct {
	addr  netip.AddrPort
	nonce [8]byte
}

func newDoor(l *datagramListener, b *packet.Bakery) *door {
	return &door{
		l: l, bakery: b,
		under: make(map[shakeKey]*shake), bygone: make(map[shakeKey]time.Time), offers: make(map[packet.ID]*offer),
	}
}

// stranger implements session.Stranger.
func (d *door) stranger(p []byte, from netip.AddrPort, local netip.Addr, now time.Time) {
	kind := packet.KindOf(p)
	switch {
	case kind == packet.KindStreamUp:
		d.stream(p, from, local, now)
	case d.shut.Load():
		d.unknown.Add(1)
	case kind == packet.KindHello:
		if d.out = d.hello(d.out[:0], &d.hellos, p, from, now); len(d.out) > 0 {
			d.l.end.Send(d.out, from, local)
		}
	case kind == packet.KindConnect:
		d.connect(p, from, local, now)
	default:
		d.unknown.Add(1)
	}
}

// strangerAtSecond answers HELLOs at the second port, on its reader.
func (d *door) strangerAtSecond(p []byte, from netip.AddrPort, now time.Time) []byte {
	if d.shut.Load() || packet.KindOf(p) != packet.KindHello {
		d.unknown.Add(1)
		return nil
	}
	d.secondOut = d.hello(d.secondOut[:0], &d.secondHellos, p, from, now)
	if len(d.secondOut) == 0 {
		return nil
	}
	return d.secondOut
}

// hello appends the answer to a HELLO, if it has one: what is smaller. It keeps
// nothing.
func (d *door) hello(b []byte, rate *session.Bucket, p []byte, from netip.AddrPort, now time.Time) []byte {
	var m packet.Hello
	if m.Parse(p) != nil {
		d.malformed.Add(1)
		return b
	}
	if !rate.Take(helloRate, now) { // before it costs a hash
		d.excess.Add(1)
		return b
	}
	if m.Version != packet.ProtocolVersion || m.Suite != packet.SuiteAES256GCM {
		v := packet.Version{Nonce: m.Nonce, Versions: []byte{packet.ProtocolVersion}}
		return v.Append(b)
	}
	d.hellosAnswered.Add(1)
	c := d.bakery.MintCookie(from, m.Nonce, now)
	return c.Append(b)
}

// receipt implements session.Receipt.
func (d *door) receipt(seen netip.AddrPort, id uint64, now time.Time) []byte {
	r := d.bakery.MintReceipt(seen, id, now)
	return r.Append(nil)
}

// stream takes a packet of a handshake.
func (d *door) stream(p []byte, from netip.AddrPort, local netip.Addr, now time.Time) {
	var m packet.StreamUp
	if m.Parse(p) != nil {
		d.malformed.Add(1)
		return
	}
	key := shakeKey{from, m.Nonce}
	d.mu.Lock()
	s := d.under[key]
	_, late := d.bygone[key]
	d.mu.Unlock()
	switch {
	case late || s == nil && d.shut.Load():
		d.unknown.Add(1)
		return
	case s == nil:
		if s = d.begin(key, &m, local, now); s == nil {
			return
		}
	}
	if s.conn.Input(m.Offset, m.Ack, m.Data) != nil { // it does not block
		d.malformed.Add(1) // or late
	}
}

// begin begins a handshake, where the cookie proves the address, the data is the
// beginning of one, and there is room for it.
func (d *door) begin(key shakeKey, m *packet.StreamUp, local netip.Addr, now time.Time) *shake {
	const tlsHandshake = 0x16
	t := d.l.t
	switch {
	case m.Offset != 0 || len(m.Data) == 0 || m.Data[0] != tlsHandshake:
		d.unknown.Add(1)
		return nil
	case !d.bakery.CheckCookie(&m.Cookie, key.addr, now):
		d.malformed.Add(1)
		return nil
	}
	t.accepted.Add(1)
	d.mu.Lock()
	full := len(d.under) >= maxShakes || len(d.bygone) >= maxBygone
	d.mu.Unlock()
	a := key.addr.Addr()
	if full || t.limit.admit(a, now) != nil {
		d.throttled()
		return nil
	}
	if !d.shakes.Take(shakeRate, now) {
		t.limit.shook(a)
		t.limit.leave(a)
		d.throttled()
		return nil
	}
	s := newShake(d, key, local, now)
	d.mu.Lock()
	ok := d.l.crew.run(s.run) // ended by the handshake's timeout
	if ok {
		d.under[key] = s
	}
	d.mu.Unlock()
	if !ok { // the listener stops
		s.conn.Close()
		t.limit.shook(a)
		t.limit.leave(a)
		return nil
	}
	return s
}

func (d *door) throttled() {
	d.excess.Add(1)
	d.l.t.throttled.Add(1)
}

// over ends a handshake, whatever has come of it. Its key stays known for a
// while. It waits for a send that is under way.
func (d *door) over(key shakeKey) {
	d.mu.Lock()
	s := d.under[key]
	d.buryLocked(s)
	d.mu.Unlock()
	s.end()
}

func (d *door) buryLocked(s *shake) {
	if s != nil {
		delete(d.under, s.key)
		d.bygone[s.key] = s.begun
	}
}

// sweep forgets handshakes and offers whose time is over.
func (d *door) sweep() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			d.sweepOnce(now)
		case <-d.l.ctx.Done():
			return
		}
	}
}

func (d *door) sweepOnce(now time.Time) {
	var ended, unheard []*shake
	d.mu.Lock()
	for _, s := range d.under {
		switch s.look(now) {
		case shakeOver:
			d.buryLocked(s)
			ended = append(ended, s)
		case shakeUnheard:
			unheard = append(unheard, s)
		}
	}
	for key, begun := range d.bygone {
		if now.Sub(begun) > bygoneTime {
			delete(d.bygone, key)
		}
	}
	for id, o := range d.offers {
		if !o.used() && now.After(o.expiry) {
			delete(d.offers, id)
			d.l.end.Free(id)
		}
	}
	d.mu.Unlock()
	for _, s := range unheard {
		s.ask()
	}
	for _, s := range ended {
		s.end()
		s.giveUp()
	}
}

// close ends what is left once the door is shut and the handshakes have had
// their last word. Sessions live on.
func (d *door) close() {
	d.mu.Lock()
	left := d.under
	d.under, d.offers = nil, nil
	d.mu.Unlock()
	for _, s := range left {
		s.end()
	}
}

func (d *door) count(to *Datagrams) {
	to.Hellos += d.hellosAnswered.Load()
	to.Excess += d.excess.Load()
	to.Unknown += d.unknown.Load()
	to.Malformed += d.malformed.Load()
	c := d.l.end.Counts()
	to.In += c.In.Load()
	to.Unknown += c.Unknown.Load()
	to.Forged += c.Forged.Load()
	to.Replayed += c.Replayed.Load()
	to.Malformed += c.Malformed.Load()
	to.Dropped += c.Dropped.Load()
}
