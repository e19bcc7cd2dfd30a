package session

import (
	"fmt"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// maxDatagramFrame is the largest frame that a packet holds: kind and body with
// the length before them.
const maxDatagramFrame = packet.MaxBody - packet.FrameHeaderSize

// errDatagram is ErrTooLarge for what must fit into a packet.
var errDatagram = fmt.Errorf("%w: an unreliable or sequenced one has at most %d bytes of payload where datagrams may carry it", ErrTooLarge, packet.MaxDatagram)

// room is outbox.begin for the way that a message takes.
func (d *datagrams) room(n int, class wire.Delivery, l lane) ([]byte, queue, error) {
	s := d.s
	if class.Class() == wire.ClassReliable {
		if s.conn == nil {
			return d.link.Load().begin(n, class)
		}
		b, err := s.out.begin(n, class, l)
		return b, &s.out, err
	}
	size := n
	if class.Class() == wire.ClassSequenced {
		size = wire.FrameSize(sequenceSize + n)
	}
	limit := maxDatagramFrame
	if link := d.link.Load(); link != nil {
		limit = link.maxBody() - packet.FrameHeaderSize
	}
	if size > limit {
		return nil, nil, errDatagram
	}
	b, q, err := d.roomLossy(size, class, l)
	if err == nil && class.Class() == wire.ClassSequenced {
		b = appendSequence(b, d.sequence.Add(1), n)
	}
	return b, q, err
}

func (d *datagrams) roomLossy(size int, class wire.Delivery, l lane) ([]byte, queue, error) {
	s := d.s
	if link := d.link.Load(); link != nil && d.up.Load() {
		b, err := link.lossy.begin(size, class, l)
		if err == nil {
			link.unsent.Store(true)
		}
		if err != ErrClosed || s.conn == nil {
			return b, &link.lossy, err
		} // else it has just been given up
	}
	b, err := s.out.begin(size, class, l)
	return b, &s.out, err
}
