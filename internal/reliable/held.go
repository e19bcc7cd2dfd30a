package reliable

// KCP sends acks within Input as soon as the same segments acknowledge
// something, before an answer can take them along. In an exchange of single
// messages that is every other packet. So acks that leave alone within Input
// are held until the next Flush or Tick, or until anything else leaves.

// maxHeld is how many bytes of acks are held.
const maxHeld = MTU / 2 / headerSize * headerSize

// hold keeps acks, less those of before that the newer ones' una makes needless.
func (c *Channel) hold(acks []byte) {
	una := parseHeader(acks).una
	kept := c.held[:0]
	for s := c.held; len(s) > 0; s = s[headerSize:] {
		if seq := parseHeader(s).seq; !after(una, seq) {
			kept = append(kept, s[:headerSize]...)
		}
	}
	c.held = kept
	if len(c.held)+len(acks) > maxHeld {
		c.release(acks)
		return
	}
	c.held = append(c.held, acks...)
}

// release sends what is held and then b, in one packet if that fits.
func (c *Channel) release(b []byte) {
	if len(c.held) > 0 && len(b) > 0 && len(c.held)+len(b) <= MTU {
		b = append(c.held, b...)
		c.held = b[:0]
		c.emit(b)
		return
	}
	if len(c.held) > 0 {
		c.emit(c.held)
		c.held = c.held[:0]
	}
	if len(b) > 0 {
		c.emit(b)
	}
}

func (c *Channel) emit(segments []byte) {
	c.stats.Packets++
	c.stats.Bytes += uint64(len(segments))
	c.out(segments)
}
