package client

import (
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// pairReader takes what another client sends.
type pairReader struct {
	reader
	p *pair
}

// Frame implements session.Receiver.
func (r *pairReader) Frame(k wire.Kind, body []byte, buf *session.Buffer) error {
	if k != wire.KindGroupMessage {
		return &CloseError{Code: wire.CodeProtocol, Text: "only messages come from another client"}
	}
	var m wire.GroupMessage
	if err := m.Parse(body); err != nil {
		return malformed(err)
	}
	if m.Sender != r.p.id || m.Position != 0 { // it says that it is somebody else
		return &CloseError{Code: wire.CodeProtocol, Text: "a message of another sender"}
	}
	r.p.want()
	if err := r.reader.Frame(k, body, buf); err != nil {
		return err
	}
	r.batch.frames[len(r.batch.frames)-1].pair = r.p
	return nil
}

// Ended implements session.Receiver: the pair is over, and nothing else.
func (r *pairReader) Ended(why *CloseError) {
	r.EndRead()
	r.p.forget()
	if why.Code != wire.CodeAborted && r.p.isDirect() { // else an end has left: the callbacks hear of that
		r.p.turn(Path{Reason: wire.PathStopped})
	}
}

// judgePair is judge for what another client has sent past the server: nothing
// of it is the server's fault, and it is a member's word only in groups that
// have pairs. What is reliable and early has overtaken the server's word of a
// join, where the two share another group already.
func (c *Client) judgePair(g *Group, m *wire.GroupMessage) (moment, Member) {
	if g == nil {
		if last, ended := c.ended.last(m.Group); ended && m.Epoch <= last {
			return late, Member{}
		}
		return tooEarly, Member{}
	}
	g.mu.Lock()
	member, in := g.members[m.Sender]
	g.mu.Unlock()
	switch {
	case g.quiet:
		return late, Member{}
	case in && member.Epoch == m.Epoch:
		return inTime, member
	case m.Epoch > g.position:
		return tooEarly, Member{}
	}
	return late, Member{}
}

// lost is told of a message that was not waited for any longer. A pair that has
// lost a reliable one is over: never a hole.
func (p *pair) lost(m *wire.GroupMessage) {
	if p != nil && m.Delivery.Class() == wire.ClassReliable {
		p.forget()
		p.s.Close(wire.CodeProtocol, "a reliable message of a group that is not shared")
	}
}
