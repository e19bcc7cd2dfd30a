package udp

import "sync/atomic"

// Stats counts what a Socket has done. BatchesIn and BatchesOut count calls of
// Read and Write that moved something.
type Stats struct {
	In, BatchesIn   uint64
	Out, BatchesOut uint64
	Faults          uint64 // errors of reading, and datagrams longer than their Buf
	Dropped         uint64 // datagrams given to Write that the system didn't take
}

type counts struct {
	in, batchesIn, faults    atomic.Uint64 // the reader's
	_                        [64]byte      // the two don't share a cache line
	out, batchesOut, dropped atomic.Uint64 // the writer's
}

// Stats reads the counters, one after the other.
func (s *Socket) Stats() Stats {
	return Stats{
		In: s.in.Load(), BatchesIn: s.batchesIn.Load(),
		Out: s.out.Load(), BatchesOut: s.batchesOut.Load(),
		Faults: s.faults.Load(), Dropped: s.dropped.Load(),
	}
}
