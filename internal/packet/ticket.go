package packet

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// TicketSize is that of a [Ticket].
const TicketSize = 2 + 4 + 8 + 16

// Ticket names the session that a [Connect] attaches to. The client got it over
// the session's stream, and knows it as bytes without meaning.
//
//	node   uint16     whose ticket it is
//	id     uint32     the server's connection id
//	expiry uint64     Unix milliseconds; it is good before
//	mac    [16]byte   over the others
type Ticket struct {
	Node   uint16
	ID     ID
	Expiry uint64
	MAC    [16]byte
}

// Append appends the ticket.
func (t *Ticket) Append(b []byte) []byte {
	return append(t.appendClear(b), t.MAC[:]...)
}

// appendClear appends what the MAC is over.
func (t *Ticket) appendClear(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, t.Node)
	b = binary.BigEndian.AppendUint32(b, uint32(t.ID))
	return binary.BigEndian.AppendUint64(b, t.Expiry)
}

// Parse sets all fields of t from b.
func (t *Ticket) Parse(b []byte) error {
	*t = Ticket{}
	if len(b) < TicketSize {
		return ErrMessage
	}
	t.Node = binary.BigEndian.Uint16(b)
	t.ID = ID(binary.BigEndian.Uint32(b[2:]))
	t.Expiry = binary.BigEndian.Uint64(b[6:])
	t.MAC = [16]byte(b[14:])
	return nil
}

// MintTicket bakes a ticket that is good before expiry. That it is used once is
// the session's to see to.
func (b *Bakery) MintTicket(node uint16, id ID, expiry time.Time) Ticket {
	t := Ticket{Node: node, ID: id, Expiry: uint64(expiry.UnixMilli())}
	t.MAC = b.ticketMAC(&t)
	return t
}

// CheckTicket reports whether the ticket has been baked here and has not
// expired. Whose node it names is left to the caller.
func (b *Bakery) CheckTicket(t *Ticket, now time.Time) bool {
	mac := b.ticketMAC(t)
	return sameMAC(&mac, &t.MAC) && uint64(now.UnixMilli()) < t.Expiry
}

func (b *Bakery) ticketMAC(t *Ticket) [16]byte {
	o := b.oven(forTicket)
	o.in = t.appendClear(o.in)
	return b.bake(o)
}

// ReceiptSize is that of a [Receipt].
const ReceiptSize = 8 + 16

// Receipt says that a session has been seen at an address. Whoever returns it
// has received there.
//
//	time uint64     Unix milliseconds
//	mac  [16]byte   over address, session, time
type Receipt struct {
	Time uint64
	MAC  [16]byte
}

// Append appends the receipt.
func (r *Receipt) Append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, r.Time), r.MAC[:]...)
}

// Parse sets all fields of r from b.
func (r *Receipt) Parse(b []byte) error {
	*r = Receipt{}
	if len(b) < ReceiptSize {
		return ErrMessage
	}
	r.Time = binary.BigEndian.Uint64(b)
	r.MAC = [16]byte(b[8:])
	return nil
}

// MintReceipt bakes the receipt of a session at addr.
func (b *Bakery) MintReceipt(addr netip.AddrPort, session uint64, now time.Time) Receipt {
	r := Receipt{Time: uint64(now.UnixMilli())}
	r.MAC = b.receiptMAC(&r, addr, session)
	return r
}

// CheckReceipt reports whether the receipt has been baked here for this session
// at addr, and not before since.
func (b *Bakery) CheckReceipt(r *Receipt, addr netip.AddrPort, session uint64, since time.Time) bool {
	mac := b.receiptMAC(r, addr, session)
	return sameMAC(&mac, &r.MAC) && r.Time >= uint64(since.UnixMilli())
}

func (b *Bakery) receiptMAC(r *Receipt, addr netip.AddrPort, session uint64) [16]byte {
	o := b.oven(forReceipt)
	o.in = AppendObserved(o.in, addr)
	o.in = binary.BigEndian.AppendUint64(o.in, session)
	o.in = binary.BigEndian.AppendUint64(o.in, r.Time)
	return b.bake(o)
}
