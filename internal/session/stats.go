package session

// Sent counts a session's frames by their fate. At any moment Accepted is the
// sum of the others: nothing vanishes.
type Sent struct {
	Accepted   uint64 // offered, be it that they were refused as Overflowed
	Written    uint64 // given to the connection
	Superseded uint64 // sequenced ones for which a newer one came
	Expired    uint64 // unreliable ones that waited too long
	Overflowed uint64 // unreliable and sequenced ones for which there was no room
	Discarded  uint64 // by the session's end
	Queued     uint64 // waiting
}

// Sent may be called from any goroutine.
func (s *Session) Sent() Sent {
	var sum Sent
	s.out.addTo(&sum)
	if d := s.dg.Load(); d != nil {
		d.addTo(&sum)
	}
	return sum
}

func (q *outbox) addTo(sum *Sent) {
	q.mu.Lock()
	defer q.mu.Unlock()
	sum.add(&q.stats, q.frames+q.nCtl)
}

func (sum *Sent) add(st *outStats, queued int) {
	sum.Accepted += st.accepted
	sum.Written += st.written
	sum.Superseded += st.superseded
	sum.Expired += st.expired
	sum.Overflowed += st.overflowed
	sum.Discarded += st.discarded
	sum.Queued += uint64(queued)
}

func (sum *Sent) plus(o *Sent) {
	sum.Accepted += o.Accepted
	sum.Written += o.Written
	sum.Superseded += o.Superseded
	sum.Expired += o.Expired
	sum.Overflowed += o.Overflowed
	sum.Discarded += o.Discarded
	sum.Queued += o.Queued
}
