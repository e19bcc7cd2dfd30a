package s2s

import (
	"sync/atomic"

	"github.com/troupe-go/troupe/transport"
)

// Stats counts since the start.
type Stats struct {
	Links, Up   int    // now
	Established uint64 // times that a link was up
	Down        uint64 // times that one went down
	Dials       uint64
	Failed      uint64 // dials
	Panics      uint64 // of behaviours
	Dropped     uint64 // messages that came and were not handled, for their connection had ended or their behaviour panicked
	Expired     uint64 // messages that waited too long for a link that was down

	Transport transport.Stats // of the listeners
}

type counters struct {
	up                                                atomic.Int64
	established, down, dials, failed, panics, expired atomic.Uint64
}

// Stats may be called from any goroutine.
func (ls *Links) Stats() Stats {
	c := &ls.stats
	ls.mu.Lock()
	n := len(ls.links)
	ls.mu.Unlock()
	return Stats{
		Links: n, Up: int(c.up.Load()), Established: c.established.Load(), Down: c.down.Load(), Dials: c.dials.Load(),
		Failed: c.failed.Load(), Panics: c.panics.Load(), Dropped: ls.shelf.Dropped.Load(), Expired: c.expired.Load(),
		Transport: ls.transport.Stats(),
	}
}
