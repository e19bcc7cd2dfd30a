package session

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// read is the session's reader.
func (s *Session) read() {
	b, err := s.first()
	s.readOn(b, 0, err)
}

// readOn reads from b on, of which carried bytes have been seen before.
func (s *Session) readOn(b *Buffer, carried int, err error) {
	for err == nil {
		hint := smallBuffer
		if len(b.room()) == 0 { // more is waiting
			hint = min(b.Size()+1, largeBuffer)
		}
		s.counts.BytesIn.Add(uint64(len(b.unread()) - carried))
		var turn Turn
		b, turn, err = s.take(b)
		s.digest(nil) // what came by datagrams meanwhile
		if err != nil {
			break
		}
		if carried = 0; b != nil {
			carried = len(b.unread())
		}
		if turn != nil && !s.lend(turn, b, hint) {
			return // another goroutine is the reader now
		}
		b, err = s.await(b, hint)
	}
	b.release()
	s.finishRead(err)
}

// take decodes what was read, and returns what is left of it for the next read
// and what the reader is to do before that, if anything.
func (s *Session) take(b *Buffer) (rest *Buffer, turn Turn, err error) {
	s.decoding.Lock()
	defer s.decoding.Unlock()
	s.now = time.Now()
	s.lastRead.Store(s.now.UnixNano())
	s.patient = true
	begun := b.r
	if err = s.decode(b); err != nil {
		return b, nil, err
	}
	b = s.rest(b, b.r > begun)
	if s.conn.ws != nil && b != nil {
		return b, nil, protocolError("a message must be whole frames")
	}
	return b, s.grabTurn(), nil
}

// await waits until there may be another read, and reads.
func (s *Session) await(b *Buffer, hint int) (*Buffer, error) {
	s.in.wait(s.resume)
	return s.conn.in.read(b, hint)
}

// resume is called when the gate has held the reader up: what has not been read
// meanwhile is this end's fault.
func (s *Session) resume() {
	now := time.Now()
	s.lastRead.Store(now.UnixNano())
	if !s.due.IsZero() {
		s.finishBy(now.Add(s.env.FrameTimeout))
	}
}

// first is the first read: what the handshake has read too much comes first.
func (s *Session) first() (*Buffer, error) {
	if len(s.conn.ahead) == 0 {
		return s.conn.in.read(nil, smallBuffer)
	}
	b := newBuffer(len(s.conn.ahead))
	b.w = copy(b.data, s.conn.ahead)
	s.conn.ahead = nil
	return b, nil
}

// decode hands on what was read.
func (s *Session) decode(b *Buffer) error {
	if s.discard.Load() {
		b.r = b.w
		return nil
	}
	n, err := s.frames(b)
	s.counts.FramesIn.Add(n)
	if err == nil && s.conn != nil && s.conn.ws != nil && n == 0 {
		err = protocolError("a message without a frame")
	}
	return s.endRead(err)
}

// endRead ends a read whose frames were handed on, with an error or without.
func (s *Session) endRead(err error) error {
	if len(s.touched) > 0 {
		s.takeTurn() // for the same reason as in frame
	}
	if e := s.endRoutes(); err == nil { // what came before an error counts
		err = e
	}
	if err != nil {
		return err
	}
	return s.recv.EndRead()
}

// frames hands on the frames that are whole, and counts them.
func (s *Session) frames(b *Buffer) (n uint64, err error) {
	for {
		k, body, size, err := wire.ParseFrame(b.unread(), s.frameMax)
		if err != nil {
			if errors.Is(err, wire.ErrTooLarge) {
				return n, &CloseError{Code: wire.CodeTooLarge, Text: err.Error()}
			}
			return n, protocolError("%v", err)
		}
		if size == 0 {
			return n, nil
		}
		b.r += size
		n++
		if err := s.frame(k, body, b); err != nil {
			return n, err
		}
	}
}

func (s *Session) frame(k wire.Kind, body []byte, b *Buffer) error {
	if s.equals && !betweenServers(k) {
		return protocolError("frame %v is not expected between servers", k)
	}
	switch k {
	case wire.KindPing:
		return s.pinged(body)
	case wire.KindPong:
		return s.ponged(body)
	case wire.KindClose:
		return remoteClose(body)
	case wire.KindPath, wire.KindDatagrams, wire.KindAttach, wire.KindSequenced:
		return s.datagramFrame(k, body, b)
	case wire.KindRelay:
		return s.relayFrame(body)
	case wire.KindPair, wire.KindUnpair, wire.KindPunch:
		if !s.server {
			return s.pairFrame(k, body)
		}
	case wire.KindCandidates, wire.KindPairPath, wire.KindHint:
		if s.server {
			return s.pairFrame(k, body)
		}
	case wire.KindOperation, wire.KindResponse:
		return s.recv.Frame(k, body, b)
	case wire.KindConfirm:
		if s.equals {
			return s.recv.Frame(k, body, b)
		}
	case wire.KindEvent, wire.KindGroupEntry, wire.KindGroupMessage:
		if !s.server || s.equals {
			return s.recv.Frame(k, body, b)
		}
	case wire.KindGroupSend, wire.KindGroupAck, wire.KindGroupSet:
		if s.server {
			s.takeTurn() // a group may hold the reader up, and must not hold up what it would run
			return s.route(k, body, b)
		}
	default:
		if k.Skippable() {
			s.counts.Skipped.Add(1)
			if s.server && !s.bucket.Take(s.env.Rate, s.now) {
				return s.refuse()
			}
			return nil
		}
	}
	return protocolError("frame %v is not expected here", k)
}

// betweenServers reports whether servers may send each other such a frame.
func betweenServers(k wire.Kind) bool {
	switch k {
	case wire.KindPing, wire.KindPong, wire.KindClose, wire.KindOperation, wire.KindResponse, wire.KindEvent,
		wire.KindConfirm, wire.KindSequenced:
		return true
	}
	return k.Skippable()
}

// rest keeps the beginning of a frame for the next read, in a buffer with room
// for all of it, and sets the deadline of its end. fresh says that it is not
// the frame whose beginning the last read left.
func (s *Session) rest(b *Buffer, fresh bool) *Buffer {
	rest := b.unread()
	if len(rest) == 0 {
		b.Release()
		if !s.due.IsZero() {
			s.finishBy(time.Time{})
		}
		return nil
	}
	if s.conn.ws == nil {
		// Setting one costs as much as decoding: one that has most of its time left stays.
		due := s.now.Add(s.env.FrameTimeout)
		if s.due.IsZero() || fresh && due.Sub(s.due) > s.env.FrameTimeout/8 {
			s.finishBy(due)
		}
	}
	need := max(frameLen(rest), len(rest)+1)
	if b.refs.Load() == 1 && need <= b.Size() { // nobody has views of it
		b.w = copy(b.data, rest)
		b.r = 0
		return b
	}
	nb := newBuffer(need)
	nb.w = copy(nb.data, rest)
	b.Release()
	return nb
}

func (s *Session) finishBy(t time.Time) {
	s.due = t
	s.conn.setReadDeadline(t)
}

// frameLen is the size of the frame that p begins, 0 while its length is not whole.
func frameLen(p []byte) int {
	n, shift := 0, 0
	for i, c := range p {
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return i + 1 + n
		}
		if shift += 7; shift > 21 {
			return 0 // ParseFrame refuses it
		}
	}
	return 0
}

// finishRead ends the session for whatever reason the reader ended.
func (s *Session) finishRead(err error) {
	var ce *CloseError
	switch {
	case errors.As(err, &ce):
	case errors.Is(err, io.EOF):
		ce = &CloseError{Code: wire.CodeLost, Remote: true, Err: err}
	case isTimeout(err):
		ce = &CloseError{Code: wire.CodeTimeout, Text: "a frame was begun and not finished"}
	default:
		ce = &CloseError{Code: wire.CodeLost, Err: err}
	}
	s.env.sweeper.remove(s)
	local := !ce.Remote && ce.Code != wire.CodeLost
	ce = s.because(ce)
	if local {
		s.shut(ce, true)
	} else {
		s.out.abandon()
		s.depart(ce)
	}
	s.leave()
	s.tellEnd(ce)
	if local {
		s.swallow()
	}
	s.readerEnded()
}

// tellEnd tells the Receiver, when nothing more can come.
func (s *Session) tellEnd(ce *CloseError) {
	if s.onEnd != nil {
		s.onEnd()
	}
	s.decoding.Lock()
	defer s.decoding.Unlock()
	s.finished = true
	s.takeTurn()
	s.recv.Ended(ce)
	s.takeTurn()
}

// depart closes the connection of a session that the other end has ended. A
// WebSocket answers the goodbye that may follow.
func (s *Session) depart(ce *CloseError) {
	if s.conn.ws == nil || !ce.Remote || ce.Code == wire.CodeLost {
		s.conn.Close()
		return
	}
	s.env.wg.Go(func() { // ended by Linger
		s.conn.end(4000+int(ce.Code), ce.Text, s.env.Linger)
		s.conn.Close()
	})
}

// swallow reads on until the other end has gone or linger closes: a close with
// unread input would reset the connection under the last frame.
func (s *Session) swallow() {
	s.conn.setReadDeadline(time.Time{}) // of the rest of a frame
	for {
		b, err := s.conn.in.read(nil, smallBuffer)
		b.release()
		if err != nil {
			return
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
