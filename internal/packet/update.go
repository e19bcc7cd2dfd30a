package packet

import "time"

// How keys change. Keys come in generations, all made from one secret; both
// directions go through the same ones. Let r be the generation that this end
// opens, s the one that it seals.
//
//   - Update moves s to r+1. It is refused unless s == r, and for 5 s after r
//     last moved.
//   - The first packet of a later generation that opens moves r there. Then s
//     follows, if it is behind, so that the next Seal answers.
//
// So s is r or r+1; a peer, which has seen this end's s at most, seals r+2 at
// most; and the changes of one direction are at least 5 s apart. What is less
// than 5 s old was therefore sealed under one of two generations in a row. The
// phase bit says which, together with the counter, which runs on: what has a
// lower counter than the packet that moved r is not from after it, what has a
// higher one not from before.
//
// The one case that these leave open: while this end's update is unanswered,
// the peer's answer may have been lost and the peer have begun another update,
// its right since it saw ours. Then the bit is r's as well as r+2's, and both
// are tried, in this order.

// Update begins a change of keys: the next Seal uses new ones. It reports false,
// and nothing has changed, while the last change is not over. It is called by
// Open once 2^28 packets have gone out under one key.
func (c *Crypt) Update(now time.Time) bool {
	if c.unanswered() || now.Before(c.settled) || c.Exhausted() {
		return false
	}
	secret, err := c.secretAfter(1)
	if err != nil {
		return false
	}
	send, err := c.binding.key(&secret, c.self, c.recv.gen+1)
	if err != nil {
		return false
	}
	c.flip(send)
	return true
}

// unanswered reports whether this end has changed its key and the peer is not
// known to have followed.
func (c *Crypt) unanswered() bool { return c.send.gen != c.recv.gen }

func (c *Crypt) flip(send key) { c.send, c.updated = send, c.sent }

// expire drops the second key of the receiving direction when its time is over.
func (c *Crypt) expire(now time.Time) {
	if c.other.aead != nil && !now.Before(c.until) {
		c.other = key{}
	}
}

// unseal opens a packet under the key that its phase bit and counter tell.
func (c *Crypt) unseal(p []byte, counter uint64, now time.Time) (body []byte, ok bool) {
	if c.Exhausted() || counter >= maxCounter {
		return nil, false
	}
	switch same := uint32(p[0]&phaseBit/phaseBit) == c.recv.gen&1; {
	case same && c.unanswered():
		c.spare = append(c.spare[:0], p...) // a key that does not fit wipes p
		if body, ok = c.try(&c.recv, p, p, counter); ok {
			return body, true
		}
		return c.ahead(2, p, c.spare, counter, now)
	case same:
		return c.try(&c.recv, p, p, counter)
	case counter > c.first || c.recv.gen == 0:
		return c.ahead(1, p, p, counter, now)
	case c.other.aead != nil && c.other.gen == c.recv.gen-1:
		return c.try(&c.other, p, p, counter)
	}
	return nil, false
}

// ahead opens a packet under the key that is steps generations after the
// current one, and makes that the current one if it fits.
func (c *Crypt) ahead(steps uint32, p, sealed []byte, counter uint64, now time.Time) (body []byte, ok bool) {
	k, err := c.candidate(steps, now)
	if err != nil {
		return nil, false
	}
	if body, ok = c.try(&k, p, sealed, counter); !ok || c.advance(k, steps, counter, now) != nil {
		return nil, false
	}
	return body, true
}

// advance makes k, steps generations after it, the key that this end opens
// with. The one before k stays for late packets; this end's own key follows.
func (c *Crypt) advance(k key, steps uint32, counter uint64, now time.Time) error {
	secret, err := c.secretAfter(steps)
	if err != nil {
		return err
	}
	before := c.recv
	if steps > 1 {
		if before, err = c.candidate(steps-1, now); err != nil {
			return err
		}
	}
	if c.send.gen != k.gen {
		send, err := c.binding.key(&secret, c.self, k.gen)
		if err != nil {
			return err
		}
		c.flip(send)
	}
	c.secret, c.recv, c.first = secret, k, counter
	c.other, c.until, c.settled = before, now.Add(keep), now.Add(keep)
	c.spare = nil
	return nil
}

// candidate makes the key that the peer would seal with steps generations
// ahead. It is kept for a while where no other needs the place, so that forged
// packets do not have it made each time.
func (c *Crypt) candidate(steps uint32, now time.Time) (key, error) {
	gen := c.recv.gen + steps
	if c.other.aead != nil && c.other.gen == gen {
		return c.other, nil
	}
	secret, err := c.secretAfter(steps)
	if err != nil {
		return key{}, err
	}
	k, err := c.binding.key(&secret, c.self.peer(), gen)
	if err != nil {
		return key{}, err
	}
	if c.other.aead == nil {
		c.other, c.until = k, now.Add(keep)
	}
	return k, nil
}

// secretAfter is the secret of the generation that is steps ahead.
func (c *Crypt) secretAfter(steps uint32) (s Secret, err error) {
	s = c.secret
	for range steps {
		if s, err = s.next(); err != nil {
			return Secret{}, err
		}
	}
	return s, nil
}
