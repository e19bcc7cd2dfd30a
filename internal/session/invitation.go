package session

import (
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// datagramFrame takes a frame that only sessions have that may speak UDP.
func (s *Session) datagramFrame(k wire.Kind, body []byte, b *Buffer) error {
	d := s.dg.Load()
	if d == nil {
		return protocolError("frame %v was not agreed on", k)
	}
	if k == wire.KindSequenced {
		return s.sequenced(body, b)
	}
	if s.conn == nil || (k == wire.KindAttach) != s.server && k != wire.KindPath {
		return protocolError("frame %v is not expected here", k)
	}
	if s.server && !s.bucket.Take(s.env.Rate, s.now) {
		return s.refuse()
	}
	switch k {
	case wire.KindPath:
		var m wirepb.Path
		if err := wire.Unmarshal(body, &m); err != nil {
			return protocolError("%v", err)
		}
		if l := d.link.Load(); l != nil && !m.Datagrams {
			s.linkDown(l, false)
		}
	case wire.KindAttach:
		offer := &wirepb.Datagrams{}
		if d.hooks.Attach != nil {
			if o := d.hooks.Attach(); o != nil {
				offer = o
			}
		}
		if s.PutMessage(wire.KindDatagrams, offer) == nil {
			s.Flush()
		}
	case wire.KindDatagrams:
		offer := new(wirepb.Datagrams)
		if err := wire.Unmarshal(body, offer); err != nil {
			return protocolError("%v", err)
		}
		if d.hooks.Offered != nil {
			d.hooks.Offered(offer)
		}
	}
	return nil
}

// AskAttach asks the server for another Datagrams.
func (s *Session) AskAttach() error {
	err := s.PutMessage(wire.KindAttach, &wirepb.Attach{})
	s.Flush()
	return err
}
