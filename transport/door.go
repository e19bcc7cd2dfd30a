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
	maxBygone  = 8192             // handshakes that are over, remembered for late packets
	bygoneTime = 20 * time.Second // as long as a cookie is good
)

var (
	helloRate = session.Rate{PerSecond: 20000, Burst: 2000} // HELLOs that are answered
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

	hellosAnswered, excess, unknown, malformed atomic.Uint64

	mu     sync.Mutex
	under  map[shakeKey]*shake
	offers map[packet.ID]*offer
	open   int // of under: not over
}

// shakeKey is what the packets of a handshake have in common.
type shakeKey struct {
	addr  netip.AddrPort
	nonce [8]byte
}

func newDoor(l *datagramListener, b *packet.Bakery) *door {
	return &door{l: l, bakery: b, under: make(map[shakeKey]*shake), offers: make(map[packet.ID]*offer)}
}

// stranger implements session.Stranger.
func (d *door) stranger(p []byte, from netip.AddrPort, local netip.Addr, now time.Time) {
	switch packet.KindOf(p) {
	case packet.KindHello:
		if answer := d.hello(p, from, now); answer != nil {
			d.l.end.Send(answer, from, local)
		}
	case packet.KindStreamUp:
		d.stream(p, from, local, now)
	case packet.KindConnect:
		d.connect(p, from, local, now)
	default:
		d.unknown.Add(1)
	}
}

// hello answers a HELLO by what is smaller, and keeps nothing.
func (d *door) hello(p []byte, from netip.AddrPort, now time.Time) []byte {
	var m packet.Hello
	if m.Parse(p) != nil {
		d.malformed.Add(1)
		return nil
	}
	if !d.hellos.Take(helloRate, now) { // before it costs a hash
		d.excess.Add(1)
		return nil
	}
	if m.Version != packet.ProtocolVersion || m.Suite != packet.SuiteAES256GCM {
		v := packet.Version{Nonce: m.Nonce, Versions: []byte{packet.ProtocolVersion}}
		d.out = v.Append(d.out[:0])
		return d.out
	}
	d.hellosAnswered.Add(1)
	c := d.bakery.MintCookie(from, m.Nonce, now)
	d.out = c.Append(d.out[:0])
	return d.out
}

// strangerAtSecond answers HELLOs at the second port, on its reader.
func (d *door) strangerAtSecond(p []byte, from netip.AddrPort, now time.Time) []byte {
	var m packet.Hello
	if packet.KindOf(p) != packet.KindHello || m.Parse(p) != nil || m.Version != packet.ProtocolVersion {
		return nil
	}
	c := d.bakery.MintCookie(from, m.Nonce, now)
	return c.Append(nil)
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
	d.mu.Unlock()
	if s == nil {
		if s = d.begin(key, &m, local, now); s == nil {
			return
		}
	}
	s.input(m.Offset, m.Ack, m.Data)
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
	full := d.open >= maxShakes || len(d.under) >= maxBygone
	d.mu.Unlock()
	if full || !d.shakes.Take(shakeRate, now) || !t.limit.accept(now) {
		d.excess.Add(1)
		t.throttled.Add(1)
		return nil
	}
	if !t.limit.enter(key.addr.Addr(), now) {
		t.limit.shook(netip.Addr{})
		t.limit.leave(netip.Addr{})
		d.excess.Add(1)
		t.throttled.Add(1)
		return nil
	}
	s := newShake(d, key, local, now)
	d.mu.Lock()
	d.under[key] = s
	d.open++
	d.mu.Unlock()
	if !d.l.crew.run(s.run) { // ended by the handshake's timeout
		s.over()
		t.limit.shook(key.addr.Addr())
		t.limit.leave(key.addr.Addr())
	}
	return s
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
	var late []*shake
	d.mu.Lock()
	for key, s := range d.under {
		if now.Sub(s.begun) > bygoneTime {
			delete(d.under, key)
			late = append(late, s)
		}
	}
	for id, o := range d.offers {
		if o.link == nil && now.After(o.expiry) {
			delete(d.offers, id)
			d.l.end.Free(id)
		}
	}
	d.mu.Unlock()
	for _, s := range late {
		s.over()
	}
}

// close ends what is left.
func (d *door) close() {
	d.mu.Lock()
	left := d.under
	d.under = nil
	d.mu.Unlock()
	for _, s := range left {
		s.over()
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
