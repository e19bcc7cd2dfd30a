package groups

import (
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

const (
	maxBatch     = 64              // messages in one message to the group's actor
	batchCharge  = 4096            // bytes that a further batch of the same buffer counts for
	maxQueued    = 1024            // messages of members that a group's actor may have waiting; the server has as many more
	overloadTime = 5 * time.Second // how long a sender waits for room before it is closed
)

// batch is the reliable messages of one read, views of one buffer.
type batch struct {
	from     *seat
	messages []wire.GroupSend
	buf      *session.Buffer
	charge   int
	paid     bool // out of the group's budget
}

// batches are re-used by all groups.
var batches = sync.Pool{New: func() any { return &batch{messages: make([]wire.GroupSend, 0, 8)} }}

func newBatch(from *seat, buf *session.Buffer) *batch {
	b := batches.Get().(*batch)
	b.from, b.buf = from, buf
	buf.Retain()
	return b
}

// Release implements actor.Releaser: it gives buffer and credit back.
func (b *batch) Release() {
	b.from.peer.Session().Credit(b.charge)
	b.buf.Release()
	b.from, b.buf, b.charge, b.paid = nil, nil, 0, false
	clear(b.messages)
	b.messages = b.messages[:0]
	batches.Put(b)
}
