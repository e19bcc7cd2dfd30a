package groups

import "github.com/troupe-go/troupe/wire"

// The calls that a group's actor takes. Those that promise an answer are
// actor.Releasers: they give it also when the actor stops before it gets to them.
type (
	// createCall is a group's first message.
	createCall struct {
		g       *Group
		joiners []*joiner
	}
	joinCall struct {
		g *Group
		j *joiner
	}
	leaveCall struct {
		id     wire.ID
		epoch  uint64 // 0 is any
		reason wire.Code
		text   string
	}
	destroyCall struct{ onlyEmpty bool }
	sendCall    struct{ m wire.GroupSend }
	ackCall     struct{ s *seat }
	setCall     struct{ set, expect wire.Params }
	memberSet   struct {
		s           *seat
		request     uint32
		set, expect wire.Params
	}
	infoCall struct{}
	overdue  struct{} // a deadline of the core's has come
)

// Release implements actor.Releaser: the actor stopped before it began.
func (m *createCall) Release() { m.g.neverBegan(m.joiners) }

// Release implements actor.Releaser.
func (m *joinCall) Release() { m.g.joined(outcome{joiner: m.j, result: Destroyed}) }

// Release implements actor.Releaser.
func (m *memberSet) Release() {
	m.s.answer(m.request, ErrDestroyed)
	m.s.peer.Session().Flush()
}
