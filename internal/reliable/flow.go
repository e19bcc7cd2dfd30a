package reliable

import (
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// askEvery is how many Ticks pass between questions for a closed window.
const askEvery = 20

// Input takes segments from the other end. An error is [ErrSegment]: then all
// of them were refused, without effect; they are forged or a bug of the other
// end's, and the owner counts and drops them or closes.
//
// When an ack among them makes room or tells of a loss, out is called at once
// with what that releases. Acks of what came in wait for Flush, for Tick, or for
// anything else that leaves: the owner flushes when it has answered, or lets
// the ack wait up to 10 ms for an answer.
func (c *Channel) Input(segments []byte) error {
	if err := c.check(segments); err != nil {
		return err
	}
	waiting, acked := c.kcp.WaitSnd(), false
	var at uint32
	for s := segments; len(s) > 0; {
		h := parseHeader(s)
		s = s[headerSize+h.length:]
		c.theirs = h.window
		switch h.command {
		case push:
			c.arrived.put(h.seq)
			c.owe()
		case windowAsk:
			c.owe()
		case ack:
			at, acked = h.time, true
		}
	}
	c.inputting = true
	c.kcp.Input(segments, kcp.IKCP_PACKET_REGULAR, false)
	c.inputting = false
	if progress := c.kcp.WaitSnd() < waiting; progress || acked {
		t := now()
		if progress {
			c.since = t
		}
		if acked {
			c.stats.measure(t - at)
		}
	}
	return nil
}

// Flush sends what may leave now: new segments, repeated ones, acks.
func (c *Channel) Flush() {
	c.update()
	if canPoke {
		c.due = 0
	}
}

// Tick is Flush by the clock, every 10 ms while Active: repeats segments whose
// acks are late, sends acks that nothing took along, asks for a closed window.
func (c *Channel) Tick() {
	if !c.Active() {
		return
	}
	c.update()
	c.due -= min(c.due, 1)
	c.askWindow()
}

// Active reports whether Tick has anything to do: something is not
// acknowledged, or an ack or a window is to be told.
func (c *Channel) Active() bool { return c.due > 0 || c.kcp.WaitSnd() > 0 }

// Owes reports whether an ack or a window is to be told.
func (c *Channel) Owes() bool { return c.due > 0 }

// minRTO is the shortest time after which KCP sends a segment again.
const minRTO = 30 * time.Millisecond

// Pause is for how long a Tick has nothing to do: nothing is sent again before
// a round trip and a little more have passed.
func (c *Channel) Pause() time.Duration {
	if c.due > 0 || c.kcp.WaitSnd() == 0 {
		return 0
	}
	rto := max(minRTO, c.stats.RTT+10*time.Millisecond)
	return max(0, rto-time.Duration(now()-c.busy)*time.Millisecond)
}

// update has KCP flush, and sends held acks that nothing took along.
func (c *Channel) update() {
	poke(c.kcp)
	c.kcp.Update()
	c.release(nil)
}

// owe notes that the next flush has something to tell. Without the poke every
// other Tick may miss KCP's grid.
func (c *Channel) owe() {
	c.due = 1
	if !canPoke {
		c.due = 2
	}
}

// askWindow asks for a closed window at a steady pace. KCP asks too, but
// waits longer each time, up to two minutes; a lost answer would cost that.
func (c *Channel) askWindow() {
	if c.theirs > 0 || c.kcp.WaitSnd() == 0 {
		c.asked = 0
		return
	}
	if c.asked++; c.asked < askEvery {
		return
	}
	c.asked = 0
	h := header{conv: uint32(c.number), command: windowAsk, window: c.wnd, una: c.told}
	c.output(h.append(make([]byte, 0, headerSize)), headerSize)
}

// output is KCP's way out. What passes here is all that is known of KCP's
// state, whose fields are private.
func (c *Channel) output(b []byte, n int) {
	b = b[:n]
	acks := true
	for s := b; len(s) > 0; {
		h := parseHeader(s)
		s = s[headerSize+h.length:]
		c.told, c.wnd = h.una, h.window
		acks = acks && h.command == ack
		if h.command != push {
			continue
		}
		if after(c.sent, h.seq) {
			c.stats.Resent++
			continue
		}
		c.sent = h.seq + 1
		c.stats.Sent++
	}
	if acks && c.inputting && canPoke {
		c.hold(b)
		return
	}
	c.release(b)
}
