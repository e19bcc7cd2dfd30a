package transport

import (
	"net/netip"
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
	d  *door
	id packet.ID // of the last offer; door.mu's
	s  *session.Session
	dg *wirepb.Datagrams // of the Welcome
}

// beside makes the first offer of a session.
func (d *door) beside() *beside {
	b := &beside{d: d}
	b.dg = b.offer()
	return b
}

// first is the offer that goes into the Welcome.
func (b *beside) first() *wirepb.Datagrams {
	if b == nil {
		return nil
	}
	return b.dg
}

// offer makes an offer in place of the last one; nil where the listener has
// stopped.
func (b *beside) offer() *wirepb.Datagrams {
	d := b.d
	if d.shut.Load() {
		return nil
	}
	dg, cfg := newKeys(d.l.end.Reserve())
	now := time.Now()
	o := &offer{cfg: cfg, expiry: now.Add(ticketTime), s: b.s}
	ticket := d.bakery.MintTicket(0, cfg.Self, o.expiry)
	dg.Ticket = ticket.Append(nil)
	dg.Host = d.l.t.cfg.DatagramHost
	dg.Port = uint32(d.l.end.LocalAddr().Port())
	dg.SecondPort = uint32(d.secondPort)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.offers == nil { // it has stopped meanwhile
		d.l.end.Free(cfg.Self)
		return nil
	}
	b.forgetLocked()
	b.id = cfg.Self
	d.offers[cfg.Self] = o
	return dg
}

// begin says which session the offers are for.
func (b *beside) begin(s *session.Session) {
	if b == nil {
		return
	}
	b.s, b.dg = s, nil
	s.Agree(session.Hooks{Attach: b.offer})
	b.d.mu.Lock()
	if o := b.d.offers[b.id]; o != nil {
		o.s = s
	}
	b.d.mu.Unlock()
}

// end says that the session is over.
func (b *beside) end() {
	if b == nil {
		return
	}
	b.d.mu.Lock()
	b.forgetLocked()
	b.d.mu.Unlock()
	if b.s != nil {
		b.s.Detach() // from a link that it was given while it ended
	}
}

func (b *beside) forgetLocked() {
	if o := b.d.offers[b.id]; o != nil {
		delete(b.d.offers, b.id)
		if !o.used() {
			b.d.l.end.Free(b.id)
		}
	}
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
