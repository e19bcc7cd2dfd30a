package peers

import (
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
)

// Stats counts since the start.
type Stats struct {
	Opened, Closed uint64 // peers
	Panics         uint64 // caught in what the application gave
	Limited        uint64 // operations refused for their rate
	Dropped        uint64 // operations that came to a closing peer
	Slow, Timeout  uint64 // peers closed for that
	Lost           uint64 // peers whose connection broke
	Protocol       uint64 // peers closed for breaking the protocol
}

type counters struct {
	opened, ended, panics, limited, slow, timeout, lost, protocol atomic.Uint64
}

func (c *counters) closed(why *CloseError) {
	c.ended.Add(1)
	switch why.Code {
	case wire.CodeSlow:
		c.slow.Add(1)
	case wire.CodeTimeout:
		c.timeout.Add(1)
	case wire.CodeLost:
		c.lost.Add(1)
	case wire.CodeProtocol, wire.CodeTooLarge:
		c.protocol.Add(1)
	}
}

// Stats may be called from any goroutine.
func (p *Peers) Stats() Stats {
	c := &p.stats
	return Stats{
		Opened: c.opened.Load(), Closed: c.ended.Load(), Panics: c.panics.Load(), Limited: c.limited.Load(), Dropped: p.shelf.Dropped.Load(),
		Slow: c.slow.Load(), Timeout: c.timeout.Load(), Lost: c.lost.Load(), Protocol: c.protocol.Load(),
	}
}
