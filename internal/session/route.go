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
	// Set takes a wish to change the group's properties. wait says whether it
	// may hold up the reader.
	Set(m *wirepb.GroupSet, wait bool) error
	// EndRead comes after a read in which Send was called. Where it would have
	// to wait and must not it returns ErrWait, and is called again.
	EndRead(wait bool) error
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
	switch k {
	case wire.KindGroupSend:
		return s.routeSend(body, b)
	case wire.KindGroupSet:
		return s.routeSet(body)
	}
	var m wire.GroupAck
	if err := m.Parse(body); err != nil {
		return protocolError("%v", err)
	}
	if r, ok := s.Routes()[m.Group]; ok { // no rate: it answers the server's own message
		return r.Ack(m.Position)
	}
	s.counts.Late.Add(1)
	_, err := s.Admit()
	return err
}

func (s *Session) routeSend(body []byte, b *Buffer) error {
	var m wire.GroupSend
	if err := m.Parse(body); err != nil {
		return protocolError("%v", err)
	}
	if m.Delivery.Class() == wire.ClassReliable && s.conn != nil && !s.patient {
		return protocolError("a reliable message can't come by datagram")
	}
	if ok, err := s.Admit(); !ok {
		if err == nil && m.Delivery.Class() == wire.ClassReliable { // never a hole
			err = &CloseError{Code: wire.CodeRate, Text: "too many reliable messages"}
		}
		return err
	}
	r, ok := s.Routes()[m.Group]
	if !ok {
		s.counts.Late.Add(1)
		return nil
	}
	s.touch(r)
	return r.Send(m, b)
}

func (s *Session) routeSet(body []byte) error {
	var m wirepb.GroupSet
	if err := wire.Unmarshal(body, &m); err != nil {
		return protocolError("%v", err)
	}
	if ok, err := s.Admit(); !ok {
		if err == nil {
			s.decline(m.Request, wire.ResultRate, "too many messages")
		}
		return err
	}
	if r, ok := s.Routes()[wire.ID(m.Group)]; ok {
		return r.Set(&m, s.patient)
	}
	s.counts.Late.Add(1)
	s.decline(m.Request, wire.ResultNotMember, "not a member of the group")
	return nil
}

// decline answers a request of a group.
func (s *Session) decline(request uint32, result int32, text string) {
	if request == 0 {
		return
	}
	if s.PutResponse(&wire.Response{Request: request, Result: result, Text: text}) == nil { // an error says that the session is ending
		s.Flush()
	}
}

// endRoutes ends the read of the routes in which Send was called, and returns
// the first error. With ErrWait there are routes left.
func (s *Session) endRoutes() (err error) {
	left := s.touched[:0]
	for i, r := range s.touched {
		s.touched[i] = nil
		e := r.EndRead(s.patient)
		if e == ErrWait {
			left = append(left, r)
		}
		if err == nil || err == ErrWait && e != nil {
			err = e
		}
	}
	s.touched = left
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
