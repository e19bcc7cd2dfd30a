package packet

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"
)

// epochLength is how long a cookie's epoch lasts. A cookie is good in its own
// epoch and the next: 10 to 20 s.
const epochLength = 10 * time.Second

// What a MAC is over begins with what it is for, so that none passes as another.
const (
	forCookie byte = 1 + iota
	forTicket
	forReceipt
)

// Bakery bakes cookies, tickets and receipts, and recognises its own. It keeps
// none of them. It is safe for concurrent use and allocates nothing.
//
// An address counts in its 16-byte form: mapped and unmapped IPv4 are the same,
// and a zone is left out.
type Bakery struct {
	start time.Time
	ovens sync.Pool // of *oven
}

// oven is one HMAC-SHA256 and the room it works in.
type oven struct {
	mac hash.Hash
	in  []byte
	sum [sha256.Size]byte
}

// NewBakery returns a bakery. The secret is random and the process's own;
// cookies count their epochs from start.
func NewBakery(secret *[32]byte, start time.Time) *Bakery {
	s := *secret
	return &Bakery{start: start, ovens: sync.Pool{New: func() any {
		return &oven{mac: hmac.New(sha256.New, s[:]), in: make([]byte, 0, 64)}
	}}}
}

func (b *Bakery) oven(purpose byte) *oven {
	o := b.ovens.Get().(*oven)
	o.in = append(o.in[:0], purpose)
	return o
}

// bake returns the MAC of what is in the oven, and gives the oven back.
func (b *Bakery) bake(o *oven) (mac [16]byte) {
	o.mac.Reset()
	o.mac.Write(o.in)
	mac = [16]byte(o.mac.Sum(o.sum[:0]))
	b.ovens.Put(o)
	return mac
}

func sameMAC(a, b *[16]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// epoch counts from the start; a time before it is in the first.
func (b *Bakery) epoch(now time.Time) uint32 {
	return uint32(max(0, now.Sub(b.start)) / epochLength)
}

// MintCookie bakes the cookie that proves addr.
func (b *Bakery) MintCookie(addr netip.AddrPort, nonce [8]byte, now time.Time) Cookie {
	c := Cookie{Nonce: nonce, Epoch: b.epoch(now)}
	c.MAC = b.cookieMAC(&c, addr)
	return c
}

// CheckCookie reports whether the cookie has been baked for addr and its nonce,
// in this epoch or the one before. What is too old costs no MAC.
func (b *Bakery) CheckCookie(c *Cookie, addr netip.AddrPort, now time.Time) bool {
	if age := b.epoch(now) - c.Epoch; age > 1 { // an epoch to come is far above, too
		return false
	}
	mac := b.cookieMAC(c, addr)
	return sameMAC(&mac, &c.MAC)
}

func (b *Bakery) cookieMAC(c *Cookie, addr netip.AddrPort) [16]byte {
	o := b.oven(forCookie)
	o.in = AppendObserved(o.in, addr)
	o.in = append(o.in, c.Nonce[:]...)
	o.in = binary.BigEndian.AppendUint32(o.in, c.Epoch)
	return b.bake(o)
}
