package session

import (
	"maps"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Route is a group as the session of one member reaches it. The groups layer
// puts it into the session; the reader calls it, past the peer's actor.
type Route interface {
	// Send takes a group message. m is a view of b.
	Send(m wire.GroupSend, b *Buffer) error
	// Ack takes an acknowledgement.
	Ack(position uint64) error
	// Set takes a wish to change the group's properties.
	Set(m *wirepb.GroupSet) error
	// EndRead comes after a read in which Send was called.
	EndRead() error
	// Gone says that the session has ended.
	Gone(*CloseError)
}

// MaxTargets is how many members a group message may name; for more it goes to
// all, or in several.
const MaxTargets = 256

// MaxGroupBody is the most bytes of parameters and payload that a group message
// may have where frames have a limit: what the group adds must fit as well.
func MaxGroupBody(frameLimit int) int { return min(wire.MaxFrame-4096, frameLimit-128) }

// AddRoute makes a group known to the reader. It reports false when the session
// has limit groups already, or has ended.
func (s *Session) AddRoute(group wire.ID, r Route, limit int) (ok, ended bool) {
	s.routed.Lock()
	defer s.routed.Unlock()
	if s.sealed {
		return false, true
	}
	old := s.Routes()
	if limit > 0 && len(old) >= limit {
		return false, false
	}
	m := make(map[wire.ID]Route, len(old)+1)
	maps.Copy(m, old)
	m[group] = r
	s.routes.Store(&m)
	return true, false
}

// RemoveRoute makes the reader forget a group.
func (s *Session) RemoveRoute(group wire.ID) {
	s.routed.Lock()
	defer s.routed.Unlock()
	if _, ok := s.Routes()[group]; !ok {
		return
	}
	m := maps.Clone(s.Routes())
	delete(m, group)
	if len(m) == 0 {
		s.routes.Store(nil)
		return
	}
	s.routes.Store(&m)
}

// SealRoutes lets no more groups be added, and returns those there are: the
// session's owner calls it when it ends, to tell each.
func (s *Session) SealRoutes() map[wire.ID]Route {
	s.routed.Lock()
	defer s.routed.Unlock()
	s.sealed = true
	return s.Routes()
}

// Routes are the groups known to the reader.
func (s *Session) Routes() map[wire.ID]Route {
	if m := s.routes.Load(); m != nil {
		return *m // never changed, only replaced
	}
	return nil
}

// route hands a group frame to its group. One for a group that the session is
// not in, be it that it has just left, is counted and dropped.
func (s *Session) route(k wire.Kind, body []byte, b *Buffer) error {
	if k != wire.KindGroupAck { // acks answer the server's own messages
		if ok, err := s.Admit(); !ok {
			return err
		}
	}
	switch k {
	case wire.KindGroupSend:
		var m wire.GroupSend
		if err := m.Parse(body); err != nil {
			return protocolError("%v", err)
		}
		r, ok := s.Routes()[m.Group]
		if !ok {
			break
		}
		s.touch(r)
		return r.Send(m, b)
	case wire.KindGroupAck:
		var m wire.GroupAck
		if err := m.Parse(body); err != nil {
			return protocolError("%v", err)
		}
		if r, ok := s.Routes()[m.Group]; ok {
			return r.Ack(m.Position)
		}
		if ok, err := s.Admit(); !ok {
			return err
		}
	case wire.KindGroupSet:
		var m wirepb.GroupSet
		if err := wire.Unmarshal(body, &m); err != nil {
			return protocolError("%v", err)
		}
		if r, ok := s.Routes()[wire.ID(m.Group)]; ok {
			return r.Set(&m)
		}
		s.answerNotMember(m.Request)
	}
	s.counts.Late.Add(1)
	return nil
}

// answerNotMember tells who asks something of a group that it is not in it.
func (s *Session) answerNotMember(request uint32) {
	if request == 0 {
		return
	}
	m := wire.Response{Request: request, Result: wire.ResultNotMember, Text: "not a member of the group"}
	if s.PutResponse(&m) == nil { // an error says that the session is ending
		s.Flush()
	}
}

// endRoutes ends the read of the routes in which Send was called, and returns
// the first error.
func (s *Session) endRoutes() (err error) {
	for i, r := range s.touched {
		s.touched[i] = nil
		if e := r.EndRead(); err == nil {
			err = e
		}
	}
	s.touched = s.touched[:0]
	return err
}

func (s *Session) touch(r Route) {
	for _, t := range s.touched {
		if t == r {
			return
		}
	}
	s.touched = append(s.touched, r)
}
