package session

import (
	"encoding/binary"
	"time"
)

// ackSlack is how much later than a round trip an acknowledgement may be: both
// ends' wheels.
const ackSlack = 2 * wheelTick

// flight is the packets that a server has sent last and that may not have been
// received. When the client turns up at another address, which its NAT has given
// it, what went to the old one is lost: it is sent again, as far as may be sent
// to an address that is not proven, and the rest once it is. Otherwise it would
// wait for KCP's timers, which by then have backed off. The same bytes go again,
// and what has arrived is dropped as a copy is.
//
// A flight is a small buffer, and there is none while everything has been
// acknowledged. What does not fit is left to KCP.
//
//	at     uint64   Unix nanoseconds
//	length uint16
//	packet [length]byte
type flight struct{ b *Buffer }

const flightHeader = 8 + 2

// keep remembers a packet.
func (f *flight) keep(p []byte, now time.Time) {
	if f.b == nil {
		f.b = newBuffer(smallBuffer)
	}
	size := flightHeader + len(p)
	if len(f.b.room()) < size {
		f.trim(f.b.Size()/2 + size)
	}
	b := binary.BigEndian.AppendUint64(f.b.data[:f.b.w], uint64(now.UnixNano()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
	f.b.w = len(append(b, p...))
}

// trim drops the oldest packets until there is that much room.
func (f *flight) trim(room int) {
	drop := 0
	for drop < f.b.w && f.b.Size()-f.b.w+drop < room {
		drop += flightHeader + int(binary.BigEndian.Uint16(f.b.data[drop+8:]))
	}
	f.b.w = copy(f.b.data, f.b.data[drop:f.b.w])
}

// land forgets all.
func (f *flight) land() {
	if f.b != nil {
		f.b.Release()
		f.b = nil
	}
}

// again sends to r's address what was sent since r.since and has not gone there.
// Until the address is proven it keeps to the budget.
func (f *flight) again(k *packer, r *roam, proven bool) {
	if f.b == nil {
		return
	}
	for b := f.b.data[:f.b.w]; len(b) > 0; {
		at := time.Unix(0, int64(binary.BigEndian.Uint64(b)))
		n := int(binary.BigEndian.Uint16(b[8:]))
		p := b[flightHeader : flightHeader+n]
		b = b[flightHeader+n:]
		counter := binary.BigEndian.Uint32(p[5:])
		if at.Before(r.since) || r.repeated && int32(counter-r.last) <= 0 {
			continue
		}
		if !proven && r.spent+n > challengeBudget*r.received {
			return // in their order: a later one is of no use before
		}
		r.spent += n
		r.repeated, r.last = true, counter
		k.l.tokens -= float64(n)
		k.tx.commit(append(k.tx.slot()[:0], p...), r.addr, r.source)
	}
}

// lostSince is when the first packet was sent that may not have arrived, when
// the last one from the old address came at heard: what the client had received
// by then it had acknowledged.
func (l *Link) lostSince(heard time.Time) time.Time {
	rtt := time.Duration(l.clock.rtt.Load())
	for _, c := range l.channels {
		if c != nil {
			rtt = max(rtt, c.rel.Stats().RTT)
		}
	}
	return heard.Add(-rtt - ackSlack)
}
