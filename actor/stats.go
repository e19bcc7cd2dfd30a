package actor

import "sync/atomic"

// Stats counts what happened in a system since its start.
type Stats struct {
	Spawned, Stopped uint64 // actors
	Panics           uint64 // caught: in behaviours, Context.Go and Release
	Full, Dead       uint64 // messages not accepted: mailbox full, actor stopped
	Discarded        uint64 // messages still queued when their actor stopped
}

type counters struct {
	spawned, stopped, panics, full, dead, discarded atomic.Uint64
}

// Stats may be called from any goroutine.
func (s *System) Stats() Stats {
	return Stats{
		Spawned:   s.stats.spawned.Load(),
		Stopped:   s.stats.stopped.Load(),
		Panics:    s.stats.panics.Load(),
		Full:      s.stats.full.Load(),
		Dead:      s.stats.dead.Load(),
		Discarded: s.stats.discarded.Load(),
	}
}
