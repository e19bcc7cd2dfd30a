package transport

import (
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// ticketTime is how long a client has for its CONNECT.
const ticketTime = 30 * time.Second

// offer is a client's right to speak UDP in a session that a stream carries. It
// serves once. Its fields are door.mu's.
type offer struct {
	cfg    session.LinkConfig
	expiry time.Time
	s      *session.Session // nil until the session has begun

	// of the CONNECT that has been answered
	link  *session.Link
	addr  netip.AddrPort
	nonce [16]byte
}

// used reports whether a client has come with it: then the link is the session's.
func (o *offer) used() bool { return o.addr.IsValid() }

// beside is UDP beside the stream of one session; nil where there is none.
type beside struct {
	t  *Transport
	s  *session.Session  // nil until begin
	dg *wirepb.Datagrams // of the Welcome, until begin

	mu sync.Mutex // before door.mu
	d  *door      // of the last offer; nil: there was none
	id packet.ID  // of the last offer
}

// beside makes the first offer of a session; nil where there is no UDP.
func (t *Transport) beside() *beside {
	b := &beside{t: t}
	if b.dg = b.offer(); b.dg == nil {
		return nil
	}
	return b
}

// first is the offer that goes into the Welcome.
func (b *beside) first() *wirepb.Datagrams {
	if b == nil {
		return nil
	}
	return b.dg
}

// offer makes an offer in place of the last one, of the oldest listener there is;
// nil where there is none.
func (b *beside) offer() *wirepb.Datagrams {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked()
	for d := b.t.openDoor(); d != nil; d = b.t.openDoor() {
		if dg, id := d.offer(b.s); dg != nil {
			b.d, b.id = d, id
			return dg
		} // else it has stopped meanwhile, and is not open any more
	}
	return nil
}

// offer offers a link to a session; nil where the listener has stopped.
func (d *door) offer(s *session.Session) (*wirepb.Datagrams, packet.ID) {
	dg, cfg := newKeys(d.l.end.Reserve())
	now := time.Now()
	o := &offer{cfg: cfg, expiry: now.Add(ticketTime), s: s}
	ticket := d.bakery.MintTicket(0, cfg.Self, o.expiry)
	dg.Ticket = ticket.Append(nil)
	dg.Host = d.l.t.cfg.DatagramHost
	dg.Port = uint32(d.l.end.LocalAddr().Port())
	d.second(dg)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.offers == nil {
		d.l.end.Free(cfg.Self)
		return nil, 0
	}
	d.offers[cfg.Self] = o
	return dg, cfg.Self
}

// second tells where the listener's second port is.
func (d *door) second(dg *wirepb.Datagrams) {
	if dg.SecondPort = uint32(d.secondPort); d.secondPort != 0 {
		dg.SecondHost = d.l.t.cfg.SecondHost
	}
}

// begin says which session the offers are for.
func (b *beside) begin(s *session.Session) {
	if b == nil {
		return
	}
	b.s, b.dg = s, nil
	s.Agree(session.Hooks{Attach: b.offer})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if o := b.d.offers[b.id]; o != nil {
		o.s = s
	}
}

// end says that the session is over.
func (b *beside) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.forgetLocked()
	b.mu.Unlock()
	if b.s != nil {
		b.s.Detach() // from a link that it was given while it ended
	}
}

// forgetLocked takes the last offer back.
func (b *beside) forgetLocked() {
	d := b.d
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.offers[b.id]; o != nil {
		delete(d.offers, b.id)
		if !o.used() {
			d.l.end.Free(b.id)
		}
	}
	b.d = nil
}

// connect takes a CONNECT. The checks come in the order of what they cost.
func (d *door) connect(p []byte, from netip.AddrPort, local netip.Addr, now time.Time) {
	var m packet.Connect
	var ticket packet.Ticket
	if m.Parse(p) != nil || ticket.Parse(m.Ticket) != nil {
		d.malformed.Add(1)
		return
	}
	cookie := m.Cookie()
	if !d.bakery.CheckCookie(&cookie, from, now) || !d.bakery.CheckTicket(&ticket, now) {
		d.malformed.Add(1)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.offers[ticket.ID]
	if o == nil || o.s == nil {
		d.unknown.Add(1)
		return
	}
	if o.link == nil {
		link, err := d.l.end.NewLink(o.cfg)
		if err != nil {
			return
		}
		o.link = link
	}
	if o.addr != from || o.nonce != m.Nonce {
		if !o.link.Admit(m.Packet, from, local, now, func(body []byte) bool {
			var a packet.Attach
			return a.Parse(body) == nil && a.Of(&m)
		}) {
			d.malformed.Add(1)
			return
		}
		first := !o.used()
		o.addr, o.nonce = from, m.Nonce
		if first {
			o.s.Attach(o.link)
		}
	}
	o.link.Accept(o.nonce, from)
}
