package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Why [Crypt.Open] does not give a packet's body. None of them is a fault of
// the peer: the network copies, delays and invents packets.
var (
	ErrShort  = errors.New("packet: no sealed packet") // another kind, or too few bytes
	ErrReplay = errors.New("packet: seen before, or too old to tell")
	ErrForged = errors.New("packet: opens under no key that is held")
)

const (
	maxCounter  = 1 << 40         // what is never sent under a secret
	maxForged   = 1 << 24         // where guessing a tag stops to be hopeless
	updateAfter = 1 << 28         // packets sent under one key
	keep        = 5 * time.Second // how late a packet of the previous key may be
)

// Crypt is one end's keys of a session or a pair, for both directions: it seals
// what this end sends, opens what the peer sent, once each, and changes keys.
// It is not safe for concurrent use; Seal and Open allocate nothing except when
// keys change and after Rest. It must not be copied.
//
// One counter runs over all paths, sockets and keys of a direction. A packet
// that goes out twice is the same bytes twice; the window drops the second.
type Crypt struct {
	Counts

	// Set once.
	binding     binding
	self        Role
	updateAfter uint64

	// Sending.
	send    key
	sent    uint64 // the next counter
	updated uint64 // the first counter under send

	// Receiving.
	recv   key
	first  uint64 // of the packet that brought recv
	window window

	// Changing keys: see update.go.
	secret  Secret    // of recv's generation
	other   key       // the one before recv, or a candidate for the one after it
	until   time.Time // when other goes
	settled time.Time // when Update may begin
	spare   []byte    // a copy of what is opened, while an update is unanswered

	scratch [12]byte // the nonce, here because the AEAD's arguments escape
}

// Counts are the packets that a [Crypt] has not opened, by reason.
type Counts struct {
	Short     uint64 // ErrShort
	Duplicate uint64 // ErrReplay: copies, sent twice for redundancy or by the network
	Late      uint64 // ErrReplay: behind the window
	Forged    uint64 // ErrForged
}

// NewCrypt makes one end's keys. The label is "session" or "pair" and id that
// session's or pair's; window is how many counters back a packet may come: 1024,
// or 4096 for pairs, whose packets take two paths.
func NewCrypt(secret *Secret, label string, id uint64, suite uint8, self Role, window int) (*Crypt, error) {
	switch {
	case label != "session" && label != "pair":
		return nil, fmt.Errorf("packet: no keys are for a %q", label)
	case suite != SuiteAES256GCM:
		return nil, fmt.Errorf("packet: unknown suite %d", suite)
	case self > Server:
		return nil, fmt.Errorf("packet: unknown role %d", self)
	case window <= 0 || window%64 != 0:
		return nil, fmt.Errorf("packet: a window of %d is no multiple of 64", window)
	}
	c := &Crypt{
		binding:     binding{label: label, id: id, suite: suite},
		self:        self,
		updateAfter: updateAfter,
		secret:      *secret,
	}
	c.window.bits = make([]uint64, window/64)
	var err error
	if c.send, err = c.binding.key(secret, self, 0); err != nil {
		return nil, err
	}
	if c.recv, err = c.binding.key(secret, self.peer(), 0); err != nil {
		return nil, err
	}
	return c, nil
}

// Seal makes a DATA packet of p, which is [HeaderSize] bytes of room and the
// body after them. It works in place where p has room for the tag, and returns
// the packet; nil, and nothing may be sent, once Exhausted.
//
//	kind     uint8    0xc0, or 0xe0 in odd generations of keys
//	receiver uint32
//	counter  uint32   its lower half
//	body     []byte   sealed: the nonce is the iv XOR the whole counter, the header is authenticated too
//	tag      [16]byte
func (c *Crypt) Seal(p []byte, to ID) []byte {
	if c.Exhausted() || !c.awake(&c.send, c.self) {
		return nil
	}
	p[0] = byte(KindData) | byte(c.send.gen&1)*phaseBit
	binary.BigEndian.PutUint32(p[1:], uint32(to))
	binary.BigEndian.PutUint32(p[5:], uint32(c.sent))
	c.send.nonce(&c.scratch, c.sent)
	c.sent++
	sealed := c.send.aead.Seal(p[HeaderSize:HeaderSize], c.scratch[:], p[HeaderSize:], p[:HeaderSize])
	if len(p)+TagSize <= cap(p) {
		return p[:len(p)+TagSize]
	}
	return append(p[:HeaderSize:HeaderSize], sealed...)
}

// Open opens a DATA packet in place: body is a view of p. A counter is accepted
// once, and only after the packet has proved authentic; newest says that it is
// the highest so far, which alone makes the packet's source a candidate for the
// peer's address. After an error p is worth nothing: ErrForged leaves it wiped.
func (c *Crypt) Open(p []byte, now time.Time) (body []byte, counter uint64, newest bool, err error) {
	if _, ok := Receiver(p); !ok {
		c.Short++
		return nil, 0, false, ErrShort
	}
	counter = c.window.expand(binary.BigEndian.Uint32(p[5:]))
	switch c.window.check(counter) {
	case duplicate:
		c.Duplicate++
		return nil, counter, false, ErrReplay
	case late:
		c.Late++
		return nil, counter, false, ErrReplay
	}
	c.expire(now)
	body, ok := c.unseal(p, counter, now)
	if !ok {
		c.Forged++
		return nil, counter, false, ErrForged
	}
	newest = c.window.commit(counter)
	if c.sent-c.updated >= c.updateAfter {
		c.Update(now)
	}
	return body, counter, newest, nil
}

// Rest gives back the memory of the ciphers, most of what a Crypt takes, until
// the next packet. It does nothing while keys change.
func (c *Crypt) Rest(now time.Time) {
	if c.expire(now); c.unanswered() || c.other.aead != nil {
		return
	}
	c.send.aead, c.recv.aead = nil, nil
}

// awake makes the cipher of a key that rests, of the present generation.
func (c *Crypt) awake(k *key, sender Role) bool {
	if k.aead != nil {
		return true
	}
	made, err := c.binding.key(&c.secret, sender, k.gen)
	if err != nil {
		return false
	}
	*k = made
	return true
}

// Exhausted reports that the session or pair must end: this end has sent as
// many packets as a secret is good for, or has been sent so many forged ones
// that the next might pass. Then Seal and Open refuse all.
func (c *Crypt) Exhausted() bool { return c.sent >= maxCounter || c.Forged >= maxForged }

// try opens sealed, a packet, under a key into p, which is the same packet or a
// copy of it.
func (c *Crypt) try(k *key, p, sealed []byte, counter uint64) (body []byte, ok bool) {
	if !c.awake(k, c.self.peer()) {
		return nil, false
	}
	k.nonce(&c.scratch, counter)
	body, err := k.aead.Open(p[HeaderSize:HeaderSize], c.scratch[:], sealed[HeaderSize:], sealed[:HeaderSize])
	return body, err == nil
}
