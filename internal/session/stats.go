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
	q := &s.out
	q.mu.Lock()
	defer q.mu.Unlock()
	return Sent{
		Accepted:   q.stats.accepted,
		Written:    q.stats.written,
		Superseded: q.stats.superseded,
		Expired:    q.stats.expired,
		Overflowed: q.stats.overflowed,
		Discarded:  q.stats.discarded,
		Queued:     uint64(q.frames + q.nCtl),
	}
}
