package groups

import (
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// seat is a membership as sessions and the relay see it.
type seat struct {
	id    wire.ID
	epoch uint64
	peer  *peers.Peer
	conn  *session.Session // the peer's
	since time.Time        // its join
	gone  atomic.Bool      // it has left: neither sends nor receives by relay

	acked  atomic.Uint64 // the latest acknowledgement; written by the session's reader
	acking atomic.Bool   // an ackCall is on its way

	dirty bool // something is unsent; the actor's turn
}

// answer sends the Response to a GroupSet, and leaves the flushing to the caller.
func (s *seat) answer(request uint32, err error) {
	if request == 0 {
		return
	}
	m := wire.Response{Request: request}
	if err != nil {
		m.Result, m.Text = resultOf(err), err.Error()
	}
	s.conn.PutResponse(&m) // an error says that the session is ending
}
