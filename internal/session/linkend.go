package session

import (
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

const (
	graveTime    = 3 * time.Second // that late packets of an ended session are answered for
	maxFarewells = 8               // how often
)

// goodbyes are the times that the other end has to answer a goodbye, before it
// is said again.
var goodbyes = []time.Duration{30 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond}

// finish lets no more frames in; farewell is the last one. It reports false
// when it was called before.
func (l *Link) finish(farewell []byte, discard bool) bool {
	l.lossy.finish(nil, discard)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finishing {
		return false
	}
	l.finishing = true
	l.farewell = farewell
	if discard {
		l.discardLocked()
	}
	return true
}

// part ends a link that has been finished: it waits until all has been
// acknowledged, says goodbye until that is answered, and leaves the link to
// answer what comes late.
func (l *Link) part(timeout time.Duration, goodbyes []time.Duration) {
	if timeout > 0 {
		l.unsent.Store(true)
		drained := l.drained()
		l.flush()
		wait(drained, timeout)
	}
	gone := make(chan struct{})
	l.mu.Lock()
	if l.gone != nil || l.hasty { // the other end was first, or nobody waits
		close(gone)
	} else {
		l.gone = gone
	}
	l.bury()
	l.mu.Unlock()
	for _, d := range goodbyes {
		l.mu.Lock()
		l.bid()
		l.mu.Unlock()
		l.e.tx.run()
		if wait(gone, d) {
			return
		}
	}
}

// bury ends the link; for a while it answers what comes late. The caller holds mu.
func (l *Link) bury() {
	if l.over {
		return
	}
	l.over, l.finishing = true, true
	l.dropChannels()
	l.signal()
	l.until = time.Now().Add(graveTime)
	l.watch()
}

// bid says goodbye. The caller holds mu, and has the transmitter run.
func (l *Link) bid() {
	if len(l.farewell) > 0 {
		l.stats.discarded += uint64(l.nControl) // one that has not left yet
		l.control, l.nControl = append(l.control[:0], l.farewell...), 1
		l.stats.accepted++
		if !l.e.tx.list(l) {
			l.discardLocked()
		}
	}
}

// quit ends a link that another one, or the stream, has taken the place of.
func (l *Link) quit() {
	l.abandon()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.e.remove(l)
}

// parted takes the other end's goodbye: everything before it has come.
func (l *Link) parted(body []byte) {
	if l.gone == nil {
		l.gone = make(chan struct{})
		close(l.gone)
	}
	if l.only && l.fault == nil {
		l.fault = remoteClose(body)
		l.parting = true
	}
}

// afterwards takes the frames of a packet that has come after the end.
func (l *Link) afterwards(body []byte) {
	closed := false
	for len(body) > 0 {
		t, frame, rest, err := packet.NextFrame(body)
		if err != nil {
			return
		}
		body = rest
		if t == packet.FrameControl {
			if k, _, _, err := wire.ParseFrame(frame, packet.MaxBody); err == nil && k == wire.KindClose {
				closed = true
			}
		}
	}
	if closed && l.gone != nil {
		if !isClosed(l.gone) {
			close(l.gone)
			return
		} // else it was first, and has not heard the answer
	}
	if l.answers > 0 {
		l.answers--
		l.bid()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// shutLink is shut for a session without a stream.
func (s *Session) shutLink(ce *CloseError, farewell []byte, discard bool) {
	l := s.dg.Load().link.Load()
	if !l.finish(farewell, discard) {
		return
	}
	timeout := s.env.CloseTimeout
	if discard {
		timeout = 0
	}
	s.env.wg.Go(func() { // ended by its timeouts
		l.part(timeout, goodbyes)
		s.endLink(ce)
	})
}

// cutLink is Abort for a session without a stream: one goodbye, for what it is
// worth.
func (s *Session) cutLink() {
	l := s.dg.Load().link.Load()
	if !l.finish(closeFrame(s.Err()), true) {
		l.hasten() // it was closed before, and waits
		return
	}
	l.hasten()
	s.env.wg.Go(func() { // ended by itself; it may wait for who decodes
		l.part(0, goodbyes[:1]) // which is not waited for
		s.endLink(s.Err())
	})
}

// hasten ends a part that is under way.
func (l *Link) hasten() {
	l.lossy.abandon()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hasty = true
	l.discardLocked()
	if l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
	if l.gone != nil && !isClosed(l.gone) {
		close(l.gone)
	}
}

// endLink is finishRead for a session without a stream. Only a goroutine that
// may wait calls it.
func (s *Session) endLink(err error) {
	d := s.dg.Load()
	if d.ended.Swap(true) {
		return
	}
	s.because(asCloseError(err))
	s.discard.Store(true)
	s.in.close()
	s.leave()
	s.tellLinkEnd()
}

// tellLinkEnd tells the Receiver, once there is one and the link has ended.
func (s *Session) tellLinkEnd() {
	d := s.dg.Load()
	if !d.ready.Load() || !d.ended.Load() || d.told.Swap(true) {
		return
	}
	s.env.sweeper.remove(s)
	s.tellEnd(s.Err())
	s.readerEnded()
}

// leave ends what there is of datagrams.
func (s *Session) leave() {
	d := s.dg.Load()
	if d == nil {
		return
	}
	d.way.Lock()
	d.left = true
	d.up.Store(false)
	l := d.link.Load()
	d.way.Unlock()
	if l == nil {
		return
	}
	if s.conn != nil {
		l.quit()
		return
	}
	l.lossy.abandon()
	l.mu.Lock()
	l.bury()
	if l.farewell == nil { // the other end was first: its goodbye is answered with one
		l.farewell = closeFrame(s.Err())
		l.bid()
	}
	l.mu.Unlock()
	l.e.tx.run()
}
