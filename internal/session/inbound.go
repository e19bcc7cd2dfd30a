package session

import (
	"time"
)

// maxPending is how many bytes may wait for whoever decodes.
const maxPending = 2 * largeBuffer

// hungry reports whether the session has room for messages of its link.
func (s *Session) hungry() bool {
	d := s.dg.Load()
	if !d.ready.Load() {
		return false
	}
	d.mu.Lock()
	full := d.waiting || d.bytes >= maxPending
	d.starved = d.starved || full
	d.mu.Unlock()
	return !full && s.in.pass()
}

// push queues frames for whoever decodes. It takes b over.
func (d *datagrams) push(b *Buffer) {
	d.mu.Lock()
	d.pending = append(d.pending, b)
	d.bytes += b.Size()
	d.mu.Unlock()
}

// fail ends the session behind what is pending.
func (d *datagrams) fail(err error) {
	d.mu.Lock()
	if d.fault == nil {
		d.fault = err
	}
	d.mu.Unlock()
}

// pop takes the oldest frames that wait, or nil and what comes behind the last
// of them; not while a group holds decoding up.
func (d *datagrams) pop() (*Buffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.waiting:
		return nil, nil
	case len(d.pending) == 0:
		err := d.fault
		d.fault = nil
		return nil, err
	}
	b := d.pending[0]
	n := copy(d.pending, d.pending[1:])
	d.pending[n] = nil
	d.pending = d.pending[:n]
	d.bytes -= b.Size()
	return b, nil
}

// empty reports whether there is nothing to pop.
func (d *datagrams) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending) == 0 && d.fault == nil || d.waiting
}

// sated reports, once, that what could not be pending has room now.
func (d *datagrams) sated() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.starved || d.waiting || d.bytes >= maxPending {
		return false
	}
	d.starved = false
	return true
}

// digest decodes what has come by datagrams, unless somebody else is decoding:
// who looks here when it is done. It never blocks.
//
// Who got something is run by others, unless the caller takes its turn.
func (s *Session) digest(turns *[]Turn) {
	d := s.dg.Load()
	if d == nil {
		return
	}
	for !d.empty() && s.decoding.TryLock() {
		b, err := d.pop()
		if b == nil {
			s.decoding.Unlock()
			if err != nil {
				s.fed(err)
			}
			continue
		}
		if err = s.takeFed(b); err == ErrWait {
			d.hold(true)
			s.decoding.Unlock()
			s.env.wg.Go(s.waitFed) // ended by the group's patience
			return
		}
		turn := s.grabTurn()
		s.decoding.Unlock()
		switch {
		case turn == nil:
		case turns != nil && !s.in.isLifted(): // else somebody waits for an answer
			*turns = append(*turns, turn)
		default:
			turn.Dispatch()
		}
		if err != nil {
			s.fed(err)
			return
		}
	}
	if s.conn == nil && d.sated() {
		s.env.wg.Go(s.resumeLink) // ended by itself; not here: the caller may hold its place in the middle of that
	}
}

func (d *datagrams) hold(on bool) {
	d.mu.Lock()
	d.waiting = on
	d.mu.Unlock()
}

// takeFed decodes frames that came by datagrams, and gives the buffer back.
func (s *Session) takeFed(b *Buffer) error {
	defer b.Release()
	if s.finished {
		return nil
	}
	s.now = time.Now()
	s.patient = false
	err := s.decode(b)
	if err == nil && len(b.unread()) > 0 {
		err = protocolError("a packet must hold whole frames")
	}
	return err
}

// waitFed ends a read that a group had no room for, waiting; what comes
// meanwhile stays in the channels, and the group's other members notice nothing.
func (s *Session) waitFed() {
	s.decoding.Lock()
	var err error
	if !s.finished {
		s.now = time.Now()
		s.patient = true
		err = s.endRead(nil)
	}
	turn := s.grabTurn()
	s.dg.Load().hold(false)
	s.decoding.Unlock()
	if turn != nil {
		turn.Dispatch()
	}
	if err != nil {
		s.fed(err)
		return
	}
	s.resumeLink()
}

// resumeLink goes on with what was left in the link's channels.
func (s *Session) resumeLink() {
	s.digest(nil)
	if l := s.dg.Load().link.Load(); l != nil {
		l.pump(nil)
		l.e.tx.run()
	}
}

// fed ends the session for what came by datagrams, without waiting.
func (s *Session) fed(err error) {
	ce := asCloseError(err)
	s.because(ce)
	if s.conn == nil && ce.Remote {
		s.env.wg.Go(func() { s.endLink(ce) }) // ended by itself; it may wait for who decodes
		return
	}
	s.shut(ce, true)
}
