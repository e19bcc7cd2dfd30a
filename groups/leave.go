package groups

import (
	"slices"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// leave ends the membership of id, if there is one and, where epoch is not 0,
// if it is that one. Its position in the log is where it ends. text is UTF-8 of
// at most maxText bytes.
func (c *core) leave(id wire.ID, epoch uint64, reason wire.Code, text string) {
	m := c.byID[id]
	if m == nil || epoch != 0 && m.epoch != epoch {
		return
	}
	delete(c.byID, id)
	c.members = slices.DeleteFunc(c.members, func(o *member) bool { return o == m })
	c.listed -= m.size()
	c.out.dismiss(m)
	c.position++
	var to []*member
	if !c.opt.Quiet {
		to = c.members
	}
	if reason != wire.CodeDisconnected && !m.server() {
		to = append(slices.Clip(to), m)
	}
	c.tell(to, &wirepb.GroupEntry{Entry: &wirepb.GroupEntry_Left{Left: &wirepb.Left{
		Member: uint64(m.id), Epoch: m.epoch, Reason: uint32(reason), Text: text,
	}}})
	c.giveUp(m, reason)
	c.out.report(leftEvent{m, reason})
	c.settle(func(j *join) bool { return c.awaits(j, m) && m.acked < j.position })
	c.checkEmpty()
}

// giveUp completes the join of a member that is gone, if it is pending.
func (c *core) giveUp(m *member, reason wire.Code) {
	i := slices.IndexFunc(c.pending, func(j *join) bool { return j.m == m })
	if i < 0 {
		return
	}
	own := c.pending[i]
	c.pending = slices.Delete(c.pending, i, i+1)
	result := Left
	if reason == wire.CodeDisconnected {
		result = Disconnected
	}
	c.complete(own, result, nil)
}

func (c *core) checkEmpty() {
	if c.count() == 0 && !c.opt.KeepEmpty && !c.over {
		c.destroy(wire.CodeDestroyed, "empty")
	}
}

// destroy ends the group.
func (c *core) destroy(reason wire.Code, text string) {
	if c.over {
		return
	}
	c.over = true
	members, pending := c.members, c.pending
	c.members, c.pending, c.listed = nil, nil, 0
	clear(c.byID)
	c.position++
	for _, m := range members {
		c.out.dismiss(m)
	}
	c.out.tell(members, c.encode(&wirepb.GroupEntry{Entry: &wirepb.GroupEntry_Destroyed{Destroyed: &wirepb.Destroyed{
		Reason: uint32(reason), Text: text,
	}}}))
	for _, j := range pending {
		c.complete(j, Destroyed, nil)
	}
	c.out.report(destroyedEvent{reason})
}
