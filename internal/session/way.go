package session

import (
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Attach gives a session that a stream carries a link, in place of one that it
// had. It carries messages from its first authentic packet on.
func (s *Session) Attach(l *Link) {
	d := s.dg.Load()
	d.way.Lock()
	defer d.way.Unlock()
	if d.left {
		l.quit()
		l.e.Free(l.self)
		return
	}
	l.bind(s, false)
	d.up.Store(false) // who sends sees the new link only without it, until its first packet
	if old := d.link.Swap(l); old != nil {
		old.quit()
		d.bygone(old)
	}
	d.tellLocked()
	l.e.add(l)
}

// linkUp has messages go by the link.
func (s *Session) linkUp(l *Link) {
	d := s.dg.Load()
	d.way.Lock()
	defer d.way.Unlock()
	if d.left || d.link.Load() != l {
		return
	}
	d.up.Store(true)
	d.tellLocked()
}

// tellLocked tells of a change of the way, once there is somebody to tell.
func (d *datagrams) tellLocked() {
	up := d.up.Load()
	if !d.ready.Load() || up == d.upTold {
		return
	}
	d.upTold = up
	if d.hooks.Changed != nil {
		d.hooks.Changed(up)
	}
}

// linkDown has messages go by the stream; tell says that the other end does not
// know.
func (s *Session) linkDown(l *Link, tell bool) {
	d := s.dg.Load()
	d.way.Lock()
	defer d.way.Unlock()
	if !d.link.CompareAndSwap(l, nil) {
		return
	}
	d.up.Store(false)
	l.quit()
	d.bygone(l)
	if tell {
		if s.PutMessage(wire.KindPath, &wirepb.Path{}) == nil { // an error says that the session is ending
			s.Flush()
		}
	}
	d.tellLocked()
}

// Detach gives the link up, if there is one: this end knows that the path has
// gone.
func (s *Session) Detach() {
	if d := s.dg.Load(); d != nil && s.conn != nil {
		if l := d.link.Load(); l != nil {
			s.linkDown(l, true)
		}
	}
}
